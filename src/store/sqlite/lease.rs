//! Leases of deliveries that wait in rows.

use super::{
    super::Leased,
    lanes::{Kept, Lane},
    rows,
    shared::Shared,
};
use crate::domain::{
    clock::Timestamp,
    delivery::{Accepted, Lease, Run, Seq},
    event::Flags,
    id::EventId,
    name::Name,
};
use rusqlite::{Connection, Result};
use std::{sync::Arc, time::Duration};

const PENDING: &str = "SELECT due_at, seq FROM delivery INDEXED BY pending
    WHERE destination = ?1 AND status <= 1 AND (due_at, seq) > (?2, ?3) ORDER BY due_at, seq";

const DETAILS: &str = "SELECT d.attempts, d.run_attempts, d.run_elapsed, e.signature_half, e.body_half, e.source, e.received_at,
    e.content_type, e.verified, e.flags, e.plan, d.repeated, e.first_body_half
    FROM delivery d CROSS JOIN event e ON e.seq = d.seq WHERE d.seq = ?1 AND d.destination = ?2";

/// Leases up to `max` deliveries that are due, the longest due first. Bodies stay on the disk.
pub(super) fn lease(connection: &Connection, shared: &Shared, destination: &Name, max: usize, now: i64) -> Result<Leased> {
    let Some(number) = shared.names.find(destination) else {
        return Ok(Leased::default());
    };
    let mut lanes = shared.lanes();
    let found = due(connection, lanes.lane(number), number, max, now)?;
    let mut leases = Vec::with_capacity(found.seqs.len());
    for seq in found.seqs {
        match read(connection, shared, seq, number, destination) {
            Ok(lease) => leases.push(lease),
            Err(error) if error.sqlite_error_code().is_some() => return Err(error),
            Err(error) => shared.pass_over(seq, "lease", &error),
        }
    }
    let lane = lanes.lane(number);
    lane.leases.extend(leases.iter().map(|lease| (lease.event.seq.0, Kept::InRow)));
    lane.leased_up_to = found.leased_up_to;
    lane.backlog = found.next_due.is_some_and(|due_at| due_at <= now);
    Ok(Leased { leases, next_due: found.next_due.map(|due_at| shared.timeline.to_wall(due_at)) })
}

struct Found {
    seqs: Vec<i64>,
    leased_up_to: Option<(i64, i64)>,
    next_due: Option<i64>,
}

fn due(connection: &Connection, lane: &Lane, destination: i64, max: usize, now: i64) -> Result<Found> {
    let max = max.min(lane.room());
    let mut found = Found { seqs: Vec::new(), leased_up_to: lane.leased_up_to, next_due: None };
    let start = lane.leased_up_to.unwrap_or((i64::MIN, i64::MIN));
    let mut statement = connection.prepare_cached(PENDING)?;
    let mut rows = statement.query((destination, start.0, start.1))?;
    while let Some(row) = rows.next()? {
        let (due_at, seq) = (row.get(0)?, row.get(1)?);
        if !lane.leases.contains_key(&seq) {
            if found.seqs.len() >= max || due_at > now {
                found.next_due = Some(due_at);
                break;
            }
            found.seqs.push(seq);
        }
        found.leased_up_to = Some((due_at, seq));
    }
    Ok(found)
}

/// Makes the lease of a delivery that has a row.
pub(super) fn read(connection: &Connection, shared: &Shared, seq: i64, number: i64, destination: &Name) -> Result<Lease> {
    connection.prepare_cached(DETAILS)?.query_row((seq, number), |row| {
        let id = EventId::from_halves(row.get::<_, i64>(3)? as u64, row.get::<_, i64>(4)? as u64);
        let targets = rows::unpack_plan(&shared.names, row.get_ref(10)?.as_blob()?)?.targets;
        let rules = targets.into_iter().find(|target| target.destination == *destination).map(|target| target.rules);
        let flags = Flags::from_bits(row.get(9)?);
        let event = Accepted {
            seq: Seq(seq),
            id,
            source: shared.names.name(row.get(5)?)?,
            received_at: Timestamp::from_millis(row.get(6)?),
            content_type: rows::content_type(row.get_ref(7)?)?,
            verified: row.get(8)?,
            flags: flags.with(rows::delivery_flags(row.get(11)?)),
            first: rows::sibling(id, row.get(12)?),
        };
        Ok(Lease {
            event: Arc::new(event),
            destination: destination.clone(),
            rules: rules.ok_or_else(|| rows::damaged("a delivery goes to a destination that its event does not name"))?,
            attempts: row.get(0)?,
            run: Run { attempts: row.get(1)?, elapsed: Duration::from_millis(rows::count(row, 2)?) },
            body: None,
        })
    })
}
