//! What a start does: opens or makes the database, and gives every delivery that was leased when the last process ended a row.
//! Where the disk has no room for that, the writer does it later.

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
    rows,
    schema::{self, MigrateError},
    shared::{Loaded, Shared},
    timeline::Timeline,
    transaction::Undone,
    writer::Writer,
};
use crate::{domain::clock::Clock, metrics::Metrics};
use rusqlite::{Connection, Result};
use std::sync::Arc;

/// What a writer begins with.
pub(super) type Begun = (Connection, Book);

/// A store that is open, and what its writer begins with; where the disk is too full to begin, nothing yet: what is there can
/// be read, and [`Writer::begin`] is to be called.
pub(super) fn open(
    settings: &Settings,
    room: Room,
    clock: Clock,
    metrics: Arc<Metrics>,
) -> Result<(Arc<Shared>, Option<Begun>), StoreError> {
    let folder = Folder::open(&settings.path)?;
    let disk = folder.disk().map_err(|error| folder.refused(error))?;
    let reserve = Reserve::find(&settings.path, room.reserve);
    let loaded = match load(&folder, clock.clone()) {
        Err(MigrateError::Engine(error)) if folder.is_full(&error) && reserve.give_up() => load(&folder, clock.clone()),
        loaded => loaded,
    };
    let (begun, read, failure) = match loaded {
        Ok((connection, book, read)) => (Ok((connection, book)), read, None),
        Err(MigrateError::Engine(error)) if folder.is_full(&error) => {
            let looked = look(&folder, clock.clone()).or_else(|_| {
                reserve.give_up_last();
                look(&folder, clock)
            });
            match looked {
                Ok(Some((reader, read))) => (Err(reader), read, Some(Arc::new(error))),
                Ok(None) | Err(_) => return Err(folder.unusable(error)),
            }
        }
        Err(error) => return Err(folder.outdated(error)),
    };
    let readers = Readers::new(folder.database(), metrics.clone());
    let budget = room.quarantine.unwrap_or(disk.size / QUARANTINE_SHARE);
    let shared = Shared::new(folder, reserve, read, readers, metrics, i64::try_from(budget).unwrap_or(i64::MAX));
    if let Some(error) = &failure {
        tracing::error!(%error, "the disk is too full to begin: what is stored can be read, and what comes in waits; make room");
        shared.set_failure(failure);
    }
    // One that reads stays open, and with it the index of the log, for which there may be no room a second time.
    let begun = begun.map_err(|reader| shared.readers.keep(reader)).ok();
    Ok((Arc::new(shared), begun))
}

fn load(folder: &Folder, clock: Clock) -> Result<(Connection, Book, Loaded), MigrateError> {
    let mut connection = schema::writer(&folder.database())?;
    schema::migrate(&mut connection, clock.now().millis())?;
    let names = Names::load(&connection)?;
    let timeline = Timeline::starting(clock, State::load(&connection)?.time);
    let (book, lanes) = take_over(&connection, &names, &timeline)?;
    Ok((connection, book, Loaded { names, timeline, lanes }))
}

/// What is needed to read; `None`: the schema is of another version.
fn look(folder: &Folder, clock: Clock) -> Result<Option<(Connection, Loaded)>> {
    let connection = schema::reader(&folder.database())?;
    if schema::version(&connection)? != schema::VERSION {
        return Ok(None);
    }
    let names = Names::load(&connection)?;
    let timeline = Timeline::starting(clock, State::load(&connection)?.time);
    Ok(Some((connection, Loaded { names, timeline, lanes: Lanes::default() })))
}

/// What a writer begins with, of a store that is open without one.
fn begin(shared: &Shared) -> Result<Begun> {
    let connection = schema::writer(&shared.folder.database())?;
    let (book, lanes) = take_over(&connection, &shared.names, &shared.timeline)?;
    *shared.lanes() = lanes;
    Ok((connection, book))
}

impl Writer {
    /// Where the start found the disk full, waits until it can begin.
    pub(super) fn begin(&mut self) -> Result<(), Undone> {
        while self.connection.is_none() {
            self.pause()?;
            match begin(&self.shared) {
                Ok((connection, book)) => {
                    tracing::info!("there is room on the disk to begin: what waits is stored");
                    (self.connection, self.book) = (Some(connection), book);
                    self.shared.set_failure(None);
                }
                Err(error) => {
                    self.shared.has_failed_now();
                    self.shared.set_failure(Some(Arc::new(error)));
                }
            }
        }
        self.index_at = (!self.book.recent.is_empty()).then(|| self.shared.timeline.instant());
        if let Some(Err(error)) = self.connection.as_mut().map(|connection| self.checkpoints.watch(connection)) {
            return self.recover(Arc::new(error), "checkpoint").map(drop);
        }
        Ok(())
    }
}

fn take_over(connection: &Connection, names: &Names, timeline: &Timeline) -> Result<(Book, Lanes)> {
    // The log of a process that ended is synced here: what is read from now on is on the disk.
    schema::checkpoint(connection)?;
    let state = State::load(connection)?;
    let newest: Option<i64> = connection.query_row("SELECT max(seq) FROM event", [], |row| row.get(0))?;
    let last_seq = newest.unwrap_or(0).max(state.indexed_seq);
    let state = end_leases(connection, state, last_seq, timeline.now())?;
    let mut book = Book::new(state, last_seq);
    index::read_rest(connection, &mut book)?;
    let lanes = lanes(connection, names, timeline.now())?;
    Ok((book, lanes))
}

/// The leases of the last process have lapsed: what has no row gets one.
fn end_leases(connection: &Connection, mut state: State, last_seq: i64, now: i64) -> Result<State> {
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
