//! Moves the log into the database file beside the writer, which takes only the last short step itself: no commit waits
//! for thousands of pages to be written and synced.

use super::{
    schema,
    shared::Shared,
    transaction::{Durability, Undone},
    writer::Writer,
};
use crate::tasks;
use rusqlite::{Connection, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, TryRecvError},
    },
    thread::JoinHandle,
};

/// Pages in the log at which it is moved.
const BEGIN: usize = 8_000;
/// Pages in the log at which the writer waits for it, so that a slow disk does not make it endless.
const FULL: usize = 32_000;

/// The thread that moves the log; dropping it waits for its end.
#[derive(Debug)]
pub(super) struct Checkpoints {
    pages: Arc<AtomicUsize>,
    /// What `pages` was when last looked at.
    last: usize,
    begin_at: usize,
    is_running: bool,
    begin: Option<mpsc::SyncSender<()>>,
    moved: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Without a thread to be had the writer does all of it.
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let (begin, begun) = mpsc::sync_channel(1);
        let (sender, moved) = mpsc::sync_channel(1);
        let shared = Arc::clone(shared);
        let thread = tasks::thread("store-checkpoint", move || {
            while begun.recv().is_ok() {
                if let Err(error) = shared.readers.checkpoint() {
                    // What it could not do is left to the writer, whose last step shows whether the disk fails.
                    tracing::warn!(%error, "the log of the store could not be moved into the database");
                }
                if sender.send(()).is_err() {
                    return;
                }
                shared.wake();
            }
        });
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to move the log of the store; commits wait for it now and then");
        }
        let begin = thread.is_ok().then_some(begin);
        Self { pages: Arc::default(), last: 0, begin_at: BEGIN, is_running: false, begin, moved, thread: thread.ok() }
    }

    /// Lets the connection that writes tell how long the log is.
    pub(super) fn watch(&self, connection: &mut Connection) -> Result<()> {
        let pages = Arc::clone(&self.pages);
        connection.wal_hook(Some(move |_: &mut _, count: i32| {
            pages.store(usize::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Takes the step that is due after some commits. An error is one of the disk.
    pub(super) fn go_on(&mut self, connection: &Connection) -> Result<()> {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.last {
            // All of it had been moved, and it began anew.
            self.begin_at = BEGIN;
        }
        self.last = pages;
        if self.is_running {
            if self.moved.try_recv() == Err(TryRecvError::Empty) {
                if pages < FULL {
                    return Ok(());
                }
                // Fails only where the thread has ended, and then nothing is to be waited for.
                let _ = self.moved.recv();
            }
            self.is_running = false;
            return self.move_rest(connection);
        }
        if pages < self.begin_at {
            return Ok(());
        }
        self.is_running = self.begin.as_ref().is_some_and(|begin| begin.try_send(()).is_ok());
        if self.is_running { Ok(()) } else { self.move_rest(connection) }
    }

    fn move_rest(&mut self, connection: &Connection) -> Result<()> {
        // Who reads for long keeps the log from beginning anew; then there is something to do after as many pages again.
        self.begin_at = self.last + BEGIN;
        schema::move_log(connection)
    }
}

impl Writer {
    /// Takes its own step, where it is time.
    pub(super) fn checkpoint(&mut self) -> Result<(), Undone> {
        match self.connection.as_ref().map(|connection| self.checkpoints.go_on(connection)) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.recover(Arc::new(error), "checkpoint")?;
                // Only a commit shows that the disk is well again.
                self.transact(Durability::Full, "checkpoint", |_| Ok(()))
            }
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it leaves a log that is too long, which the next start moves.
            let _ = thread.join();
        }
    }
}
