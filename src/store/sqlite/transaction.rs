//! The writer's transactions: tried until they are committed, also while the disk fails.

use super::{book::Draft, schema, work::Work, writer::Writer};
use rusqlite::{Connection, Result};
use std::{sync::Arc, thread, time::Duration};

/// How long a failing disk is left alone before the next try.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// What has to survive the power once it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// All of it: somebody is told so.
    Full,
    /// Nothing: what is lost is done again.
    Normal,
}

/// Why a transaction is not done.
pub(super) enum Undone {
    /// The store is closing while the disk fails.
    Closing,
    /// A row it needs is not as this program writes it. The disk is well, so nobody else has to wait.
    Damaged(Arc<rusqlite::Error>),
}

impl Writer {
    /// Runs work in a transaction until it is committed, however long the disk fails or is full.
    pub(super) fn transact<T>(
        &mut self,
        durability: Durability,
        operation: &'static str,
        mut work: impl FnMut(&mut Work<'_>) -> Result<T>,
    ) -> Result<T, Undone> {
        loop {
            if let Some(value) = self.transact_if_it_fits(durability, operation, &mut work)? {
                return Ok(value);
            }
        }
    }

    /// The same, but where the disk has no room for the work it comes back, and nothing of it is there: less of it may fit.
    pub(super) fn transact_if_it_fits<T>(
        &mut self,
        durability: Durability,
        operation: &'static str,
        mut work: impl FnMut(&mut Work<'_>) -> Result<T>,
    ) -> Result<Option<T>, Undone> {
        loop {
            let now = self.shared.timeline.now();
            let mut draft = self.book.draft(now);
            let names = self.shared.names.len();
            let turn = draft.state.turn;
            let (value, result) = self.attempt(durability, &mut draft, now, &mut work);
            let (is_committed, is_full) = match result {
                Ok(()) => (true, false),
                Err(error) if error.sqlite_error_code().is_none() => {
                    self.shared.names.truncate(names);
                    self.roll_back();
                    return Err(Undone::Damaged(Arc::new(error)));
                }
                Err(error) => {
                    let is_full = self.shared.folder.is_full(&error);
                    (self.recover(Arc::new(error), operation)? == turn, is_full)
                }
            };
            match value {
                Some(value) if is_committed => {
                    // While events are held, not everything that comes can be stored.
                    if self.held.is_empty() {
                        self.shared.set_failure(None);
                    }
                    self.book.commit(draft, &self.shared);
                    return Ok(Some(value));
                }
                Some(_) | None => self.shared.names.truncate(names),
            }
            if is_full {
                return Ok(None);
            }
        }
    }

    fn attempt<T>(
        &mut self,
        durability: Durability,
        draft: &mut Draft,
        now: i64,
        work: &mut impl FnMut(&mut Work<'_>) -> Result<T>,
    ) -> (Option<T>, Result<()>) {
        let Some(connection) = &self.connection else {
            return (None, Err(rusqlite::Error::InvalidQuery));
        };
        let mut begin = || {
            if self.durability != durability {
                connection.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
                self.durability = durability;
            }
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let value = work(&mut Work { connection, shared: &self.shared, book: &self.book, draft: &mut *draft, now })?;
            if !draft.is_empty {
                draft.state.save(connection)?;
            }
            Ok(value)
        };
        match begin() {
            Ok(value) => (Some(value), connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]).map(|_| ()))),
            Err(error) => (None, Err(error)),
        }
    }

    fn roll_back(&mut self) {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction cannot be rolled back; the next one fails and opens the database anew");
        }
    }

    /// After a failure: closes all connections, opens one anew, and syncs all that is in the log, until that succeeds.
    /// A page that failed to sync may be marked clean, so that frames written behind it would vanish with the power.
    /// Where the disk is full the reserve is given up first, and then nothing has to wait. That is once: it is made again
    /// only after some seconds without a failure, and every other failure is followed by a pause, which ends with the store.
    /// Gives the turn of the last transaction on the disk: a commit that failed may be there all the same.
    pub(super) fn recover(&mut self, failure: Arc<rusqlite::Error>, operation: &'static str) -> Result<i64, Undone> {
        self.connection = None;
        let mut failure = failure;
        loop {
            self.shared.metrics.store_error(operation);
            self.shared.has_failed_now();
            if !self.shared.folder.is_full(&failure) || !self.shared.reserve.give_up() {
                if self.shared.failure().is_none() {
                    tracing::error!(error = %failure, operation, "the store cannot write; what comes in waits");
                }
                self.shared.set_failure(Some(failure));
                self.pause()?;
            }
            match self.reopen() {
                Ok((connection, turn)) => {
                    self.connection = Some(connection);
                    self.durability = Durability::Full;
                    return Ok(turn);
                }
                Err(error) => failure = Arc::new(error),
            }
        }
    }

    /// Leaves the disk alone for a while.
    pub(super) fn pause(&self) -> Result<(), Undone> {
        let until = self.shared.timeline.instant() + PAUSE;
        loop {
            if self.shared.is_closing() {
                return Err(Undone::Closing);
            }
            let left = until.saturating_duration_since(self.shared.timeline.instant());
            if left.is_zero() {
                return Ok(());
            }
            thread::park_timeout(left);
        }
    }

    fn reopen(&self) -> Result<(Connection, i64)> {
        let _closed = self.shared.readers.close();
        let mut connection = schema::writer(&self.shared.folder.database())?;
        schema::checkpoint(&connection)?;
        self.checkpoints.watch(&mut connection)?;
        let turn = connection.query_row("SELECT turn FROM state", [], |row| row.get(0))?;
        Ok((connection, turn))
    }
}
