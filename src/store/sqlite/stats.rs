//! Figures of the store, from the partial indexes: nothing is counted on the way of an event.

use super::{
    super::{DestinationStats, Stats, StoreError},
    book::State,
    rows,
    shared::Shared,
};
use crate::domain::{clock::Timestamp, event::Reason, name::Name};
use rusqlite::{Connection, OptionalExtension, Result};
use std::collections::BTreeMap;

/// Counts. Blocks.
pub(super) fn stats(shared: &Shared) -> Result<Stats, StoreError> {
    let now = shared.timeline.now();
    let mut stats = shared.readers.read(|connection| count(connection, shared, now))?;
    stats.reserve_bytes = shared.reserve.bytes();
    match shared.folder.size().and_then(|bytes| Ok((bytes, shared.folder.disk()?))) {
        Ok((bytes, disk)) => (stats.bytes, stats.free_bytes) = (bytes, disk.free),
        Err(error) => tracing::warn!(%error, "the size of the data folder cannot be read"),
    }
    Ok(stats)
}

#[derive(Default)]
struct Count {
    ready: u64,
    retrying: u64,
    held_back: u64,
    dead: u64,
    parked: u64,
    oldest: Option<i64>,
}

fn count(connection: &Connection, shared: &Shared, now: i64) -> Result<Stats> {
    let mut counts: BTreeMap<Name, Count> = BTreeMap::new();
    let in_plan = shared.lanes().in_plan();
    for (destination, leased, oldest) in in_plan {
        let count = counts.entry(shared.names.name(destination)?).or_default();
        (count.ready, count.oldest) = (leased, Some(oldest));
    }
    let sql = "SELECT destination, count(*), sum(due_at > ?1), min(seq), sum(status = 0 AND due_at > ?1) FROM delivery INDEXED BY pending
               WHERE status <= 1 GROUP BY destination";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query([now])?;
    while let Some(row) = found.next()? {
        let count = counts.entry(shared.names.name(row.get(0)?)?).or_default();
        let (pending, later, oldest): (_, _, i64) = (rows::count(row, 1)?, rows::count(row, 2)?, row.get(3)?);
        count.ready += pending.saturating_sub(later);
        count.held_back = rows::count(row, 4)?;
        count.retrying = later.saturating_sub(count.held_back);
        count.oldest = Some(count.oldest.map_or(oldest, |seq| seq.min(oldest)));
    }
    let dead = "SELECT destination, count(*) FROM delivery INDEXED BY dead WHERE status = 3 GROUP BY destination";
    for (destination, dead) in by_destination(connection, dead)? {
        counts.entry(shared.names.name(destination)?).or_default().dead = dead;
    }
    let parked = "SELECT destination, count(*) FROM delivery INDEXED BY parked WHERE status = 4 GROUP BY destination";
    for (destination, parked) in by_destination(connection, parked)? {
        counts.entry(shared.names.name(destination)?).or_default().parked = parked;
    }
    let destinations = counts.into_iter().map(|(destination, count)| {
        let oldest = count.oldest.map(|seq| received_at(connection, seq)).transpose()?.flatten();
        let Count { ready, retrying, held_back, dead, parked, .. } = count;
        Ok(DestinationStats { destination, ready, retrying, held_back, dead, parked, oldest })
    });
    Ok(Stats {
        destinations: destinations.collect::<Result<_>>()?,
        quarantined: quarantined(connection, shared)?,
        quarantine_bytes: u64::try_from(State::load(connection)?.quarantine_bytes).unwrap_or(0),
        quarantine_budget: u64::try_from(shared.quarantine_budget).unwrap_or(0),
        ..Stats::default()
    })
}

fn by_destination(connection: &Connection, sql: &str) -> Result<Vec<(i64, u64)>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, rows::count(row, 1)?)))?.collect()
}

fn received_at(connection: &Connection, seq: i64) -> Result<Option<Timestamp>> {
    let sql = "SELECT received_at FROM event WHERE seq = ?1";
    connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0).map(Timestamp::from_millis)).optional()
}

fn quarantined(connection: &Connection, shared: &Shared) -> Result<Vec<(Name, Reason, u64)>> {
    let sql = "SELECT source, reason, count(*) FROM event INDEXED BY quarantined WHERE reason IS NOT NULL GROUP BY source, reason";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map([], |row| {
        let text = row.get_ref(1)?.as_str()?;
        let reason = Reason::from_name(text).ok_or_else(|| rows::damaged(format!("no event is kept back for `{text}`")))?;
        Ok((shared.names.name(row.get(0)?)?, reason, rows::count(row, 2)?))
    })?;
    found.collect()
}
