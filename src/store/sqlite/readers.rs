//! The connections that work beside the writer, and never hold it up: a few that read, and one that moves the log.

use super::{super::StoreError, schema};
use crate::metrics::Metrics;
use rusqlite::{Connection, Result};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard},
};
use tokio::sync::Semaphore;

/// How many reads run at the same time.
const READERS: usize = 2;

/// The connections.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    metrics: Arc<Metrics>,
    /// Held shared during a read; whoever holds it alone knows that no connection is open.
    gate: RwLock<()>,
    idle: Mutex<Vec<Connection>>,
    /// What a caller waits for before it takes a thread to read on.
    pub(super) turns: Semaphore,
}

impl Readers {
    /// None is open yet.
    pub(super) fn new(path: PathBuf, metrics: Arc<Metrics>) -> Self {
        Self { path, metrics, gate: RwLock::new(()), idle: Mutex::new(Vec::new()), turns: Semaphore::new(READERS) }
    }

    /// Reads in one transaction: all of it sees the same state. Blocks.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T, StoreError> {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let read = || {
            let mut connection = match idle {
                Some(connection) => connection,
                None => schema::reader(&self.path)?,
            };
            let transaction = connection.transaction()?;
            let value = work(&transaction)?;
            transaction.finish()?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(value)
        };
        read().map_err(|error: rusqlite::Error| {
            self.metrics.store_error("read");
            StoreError::Failing(Arc::new(error))
        })
    }

    /// Takes one that is open.
    pub(super) fn keep(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    /// Moves the log into the database, twice: what came in the meantime is much less, and after that there is little left.
    pub(super) fn checkpoint(&self) -> Result<()> {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let connection = schema::checkpointer(&self.path)?;
        schema::move_log(&connection)?;
        schema::move_log(&connection)
    }

    /// Closes all of them; none is opened while the guard lives.
    pub(super) fn close(&self) -> RwLockWriteGuard<'_, ()> {
        let guard = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        guard
    }
}
