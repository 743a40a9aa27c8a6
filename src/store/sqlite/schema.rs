//! The tables, their versions, and how a connection is set up. Holds no query of the engine.

use rusqlite::{Connection, OpenFlags, Result, config::DbConfig};
use std::{path::Path, time::Duration};

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    /// It has this version, which a newer program wrote.
    #[error("the schema has version {0}")]
    Newer(i64),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] rusqlite::Error),
}

/// Marks the file as ours: `hkgt`.
pub(super) const APPLICATION_ID: i64 = 0x686b_6774;

/// Each brings the schema from the version that is its place to the next.
const MIGRATIONS: [&str; 8] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8];

/// The version that this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// A delivery that has no row waits (see `state.low_seq`), and `status` is as in `rows::status_code`.
/// `repeated` was 0 or 1 at first, and has bits since; `rows::delivery_flags` tells of them.
/// Times in `due_at` are of the store's own timeline, all others of the wall clock; both in milliseconds.
const VERSION_1: &str = "
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    turn INTEGER NOT NULL,
    low_seq INTEGER NOT NULL,
    indexed_seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    removal_time INTEGER NOT NULL,
    finished_cursor INTEGER NOT NULL,
    unresolved_cursor INTEGER NOT NULL,
    skew_low INTEGER NOT NULL,
    skew_high INTEGER NOT NULL
);
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    signature_half INTEGER NOT NULL,
    body_half INTEGER NOT NULL,
    source INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    reason TEXT,
    routing INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    plan BLOB NOT NULL,
    duplicates INTEGER NOT NULL,
    content_type,
    state TEXT, result TEXT, operation TEXT, amount TEXT, currency_code TEXT, reference_number TEXT,
    session_id TEXT, order_no TEXT, gateway_account TEXT, gateway_name TEXT, is_sandbox TEXT
);
CREATE INDEX quarantined ON event (seq, source, reason) WHERE reason IS NOT NULL;
CREATE TABLE body (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE delivery (
    seq INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    run_attempts INTEGER NOT NULL,
    run_elapsed INTEGER NOT NULL,
    due_at INTEGER,
    at INTEGER, duration INTEGER, result TEXT, code INTEGER, response TEXT, error TEXT,
    repeated INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (seq, destination)
) WITHOUT ROWID;
CREATE INDEX pending ON delivery (destination, due_at, seq) WHERE status <= 1;
CREATE INDEX waiting ON delivery (seq) WHERE status IN (0, 1, 4);
CREATE INDEX dead ON delivery (seq, destination) WHERE status = 3;
CREATE INDEX parked ON delivery (destination, seq) WHERE status = 4;
CREATE TABLE attempt (
    seq INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL, duration INTEGER NOT NULL, result TEXT NOT NULL, code INTEGER, response TEXT, error TEXT,
    PRIMARY KEY (seq, destination, number)
) WITHOUT ROWID;
CREATE TABLE ids (
    signature_half INTEGER NOT NULL,
    body_half INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (signature_half, body_half)
) WITHOUT ROWID;
CREATE TABLE field_index (value INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (value, seq)) WITHOUT ROWID;
CREATE TABLE overdue (seq INTEGER PRIMARY KEY);
";

/// `first_body_half` makes the id of the first event of the signature, in the row of one that is not the first itself.
const VERSION_2: &str = "ALTER TABLE event ADD COLUMN first_body_half INTEGER;";

/// `weight` is what an event in quarantine counts against its budget, and `quarantine_bytes` the sum of that.
const VERSION_3: &str = "
ALTER TABLE event ADD COLUMN weight INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN quarantine_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE event SET weight = 512 + ifnull((SELECT length(body) FROM body WHERE body.seq = event.seq), 0) WHERE reason IS NOT NULL;
UPDATE state SET quarantine_bytes = (SELECT ifnull(sum(weight), 0) FROM event WHERE reason IS NOT NULL);
";

/// The destinations that an operator pauses, also those that the rules file does not have now.
const VERSION_4: &str = "CREATE TABLE paused (destination INTEGER PRIMARY KEY);";

/// For a list of three values SQLite builds a table in memory at every row that is written; for the same condition so put, none.
const VERSION_5: &str = "
DROP INDEX waiting;
CREATE INDEX waiting ON delivery (seq) WHERE status <= 1 OR status = 4;
";

/// Bulk replays: what is wanted, how far each has come, and what came of it. `created` and `ended` are of the store's own timeline;
/// a number is never given twice.
const VERSION_6: &str = "
CREATE TABLE replay (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state INTEGER NOT NULL,
    wanted TEXT NOT NULL,
    created INTEGER NOT NULL,
    ended INTEGER,
    last INTEGER NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    events INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0, in_flight INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0, discarded INTEGER NOT NULL DEFAULT 0, nowhere INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0, damaged INTEGER NOT NULL DEFAULT 0
);
";

/// `order_key`, `place` and `passes_at` are of a delivery that is kept in order, see `order`; `repeated` has the flags of the
/// delivery from now on, as `rows` says.
const VERSION_7: &str = "
ALTER TABLE delivery ADD COLUMN order_key INTEGER;
ALTER TABLE delivery ADD COLUMN place INTEGER;
ALTER TABLE delivery ADD COLUMN passes_at INTEGER;
CREATE INDEX line ON delivery (destination, order_key, passes_at, place) WHERE order_key IS NOT NULL AND (status <= 1 OR status = 4);
CREATE INDEX unpassed ON delivery (destination, order_key) WHERE order_key IS NOT NULL AND status = 3 AND repeated & 8 = 0;
";

/// With the status in it the index alone answers what waits: SQLite looks at every row of which it asks for the status, be it
/// that of all rows of the index.
const VERSION_8: &str = "
DROP INDEX pending;
CREATE INDEX pending ON delivery (destination, due_at, seq, status) WHERE status <= 1;
";

/// The one connection that writes. Freed pages are used again, so the file needs no vacuum:
/// `auto_vacuum` would cost a map of all pages, and removal goes on about as fast as events come in.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_millis(200))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -65536; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// One that reads beside it.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// The version of the schema in the file; 0 where there is none yet.
pub(super) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the schema to [`VERSION`], each step in a transaction of its own. `now` is the start of a new store's timeline.
/// A newer one is left as it is: its version may stand in the log alone, where a look at the file does not see it.
pub(super) fn migrate(connection: &mut Connection, now: i64) -> Result<(), MigrateError> {
    let found = version(connection)?;
    if found > VERSION {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        return Err(MigrateError::Newer(found));
    }
    for (place, step) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        if place == 0 {
            transaction.execute("INSERT INTO state VALUES (1, 0, 0, 0, ?1, ?1, 0, 0, 0, 0)", [now])?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.pragma_update(None, "user_version", place as i64 + 1)?;
        transaction.commit()?;
    }
    if found < VERSION {
        checkpoint(connection)?;
    }
    Ok(())
}

/// One that moves the log beside the others. Where it is the last to be closed, it leaves the log as it is.
pub(super) fn checkpointer(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

/// Moves as much of the log into the database file as can be moved without waiting for anybody.
pub(super) fn move_log(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Moves the whole log into the database file and syncs both. Others that use the file make it fail.
pub(super) fn checkpoint(connection: &Connection) -> Result<()> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None))
}
