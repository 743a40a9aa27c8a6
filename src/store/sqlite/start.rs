//! What a start does: opens or makes the database, and gives every delivery that was leased when the last process ended a row.

use super::{
    super::{QUARANTINE_SHARE, Settings, StoreError},
    Room,
    book::{Book, State},
    folder::Folder,
    index,
    lanes::Lanes,
    names::Names,
    readers::Readers,
    reserve::Reserve,
    rows, schema,
    shared::{Loaded, Shared},
    timeline::Timeline,
};
use crate::{domain::clock::Clock, metrics::Metrics};
use rusqlite::{Connection, Result};
use std::sync::Arc;

/// A store that is open, and what its writer begins with.
pub(super) fn open(
    settings: &Settings,
    room: Room,
    clock: Clock,
    metrics: Arc<Metrics>,
) -> Result<(Arc<Shared>, Connection, Book), StoreError> {
    let folder = Folder::open(&settings.path)?;
    let disk = folder.disk().map_err(|error| folder.refused(error))?;
    let reserve = Reserve::find(&settings.path, room.reserve);
    let loaded = match load(&folder, clock.clone()) {
        Err(error) if folder.is_full(&error) && reserve.give_up() => load(&folder, clock),
        loaded => loaded,
    };
    let (connection, book, read) = loaded.map_err(|error| folder.unusable(error))?;
    let readers = Readers::new(folder.database(), metrics.clone());
    let budget = room.quarantine.unwrap_or(disk.size / QUARANTINE_SHARE);
    let shared = Shared::new(folder, reserve, read, readers, metrics, i64::try_from(budget).unwrap_or(i64::MAX));
    Ok((Arc::new(shared), connection, book))
}

fn load(folder: &Folder, clock: Clock) -> Result<(Connection, Book, Loaded)> {
    let mut connection = schema::writer(&folder.database())?;
    schema::migrate(&mut connection, clock.now().millis())?;
    // The log of a process that ended is synced here: what is read from now on is on the disk.
    schema::checkpoint(&connection)?;
    let names = Names::load(&connection)?;
    let state = State::load(&connection)?;
    let timeline = Timeline::starting(clock, state.time);
    let newest: Option<i64> = connection.query_row("SELECT max(seq) FROM event", [], |row| row.get(0))?;
    let last_seq = newest.unwrap_or(0).max(state.indexed_seq);
    let state = take_over(&connection, state, last_seq, timeline.now())?;
    let mut book = Book::new(state, last_seq);
    index::read_rest(&connection, &mut book)?;
    let lanes = lanes(&connection, &names, timeline.now())?;
    Ok((connection, book, Loaded { names, timeline, lanes }))
}

/// The leases of the last process have lapsed: what has no row gets one.
fn take_over(connection: &Connection, mut state: State, last_seq: i64, now: i64) -> Result<State> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut statement = connection.prepare("SELECT seq, plan FROM event WHERE seq >= ?1 ORDER BY seq")?;
    let mut events = statement.query([state.low_seq])?;
    let sql = "INSERT OR IGNORE INTO delivery (seq, destination, status, attempts, run_attempts, run_elapsed, due_at)
               VALUES (?1, ?2, 0, 0, 0, 0, ?3)";
    while let Some(row) = events.next()? {
        let seq: i64 = row.get(0)?;
        for destination in rows::destinations(row.get_ref(1)?.as_blob()?)? {
            connection.prepare_cached(sql)?.execute((seq, destination, seq >> 20))?;
        }
    }
    state.turn += 1;
    state.low_seq = last_seq + 1;
    state.time = state.time.max(now);
    state.save(connection)?;
    connection.execute_batch("COMMIT")?;
    Ok(state)
}

/// Notes the destinations for which something is due.
fn lanes(connection: &Connection, names: &Names, now: i64) -> Result<Lanes> {
    let mut lanes = Lanes::default();
    let sql = "SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY pending WHERE destination = ?1 AND status <= 1 AND due_at <= ?2)";
    let mut statement = connection.prepare(sql)?;
    for destination in 1..=names.len() as i64 {
        if statement.query_row((destination, now), |row| row.get(0))? {
            lanes.lane(destination).backlog = true;
        }
    }
    Ok(lanes)
}
