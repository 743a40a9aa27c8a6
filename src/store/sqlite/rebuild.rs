//! Fills a filter with all signatures of the index, beside everything else, after a start or much removal.

use super::{filter::Filter, shared::Shared};
use crate::tasks;
use rusqlite::{Connection, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Signatures read in one transaction.
const STEP: i64 = 20_000;

/// A filter in the making; dropping it ends the work.
#[derive(Debug)]
pub(super) struct Rebuild {
    made: mpsc::Receiver<Filter>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Rebuild {
    /// Begins. Without a thread to be had there is no filter, and the index is asked.
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let (sender, made) = mpsc::sync_channel(1);
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, shared) = (ended.clone(), shared.clone());
        let work = move || {
            if let Some(filter) = fill(&shared, &theirs)
                && sender.send(filter).is_ok()
            {
                shared.wake();
            }
        };
        let thread = tasks::thread("store-filter", work);
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to make the filter of known events; each look-up goes to the disk");
        }
        Self { made, ended, thread: thread.ok() }
    }

    /// The filter, once it is whole.
    pub(super) fn take(&mut self) -> Option<Filter> {
        self.made.try_recv().ok()
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends after the step it is in; a panic in it leaves the filter unmade, which is harmless.
            let _ = thread.join();
        }
    }
}

fn fill(shared: &Shared, ended: &AtomicBool) -> Option<Filter> {
    let mut filter = Filter::default();
    let mut after = Some((i64::MIN, i64::MIN));
    while let Some(start) = after {
        if ended.load(Ordering::Acquire) || shared.is_closing() {
            return None;
        }
        match shared.readers.read(|connection| step(connection, start, &mut filter)) {
            Ok(next) => after = next,
            // Some keys may be in it twice then, which is harmless.
            Err(_) => thread::park_timeout(Duration::from_secs(1)),
        }
    }
    Some(filter)
}

fn step(connection: &Connection, after: (i64, i64), filter: &mut Filter) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT signature_half, body_half FROM ids WHERE (signature_half, body_half) >= (?1, ?2)
               ORDER BY signature_half, body_half LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((after.0, after.1, STEP))?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let last = (row.get(0)?, row.get::<_, i64>(1)?);
        found += 1;
        if found == STEP {
            return Ok(Some(last));
        }
        filter.add(last.0);
    }
    Ok(None)
}
