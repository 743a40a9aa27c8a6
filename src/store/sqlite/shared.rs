//! What the handle, the writer and the readers hold in common.

use super::{
    super::{Appended, Leased, StoreError},
    folder::Folder,
    lanes::Lanes,
    names::Names,
    readers::Readers,
    reserve::Reserve,
    settle,
    timeline::Timeline,
};
use crate::{
    domain::{clock::Instant, delivery::Seq, name::Name},
    metrics::Metrics,
};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::Thread,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The bodies of fresh leases that are kept in memory come to at most so many bytes.
pub(super) const HELD_BODIES: usize = 32 << 20;

/// What is read at the start.
pub(super) struct Loaded {
    /// The dictionary.
    pub(super) names: Names,
    /// The store's time.
    pub(super) timeline: Timeline,
    /// Nothing leased.
    pub(super) lanes: Lanes,
}

/// The parts of the engine that more than one thread looks at.
#[derive(Debug)]
pub(super) struct Shared {
    /// The data folder; dropped last, so the lock outlives the connections.
    pub(super) folder: Folder,
    /// Room on its disk.
    pub(super) reserve: Reserve,
    /// The dictionary.
    pub(super) names: Names,
    /// The store's time.
    pub(super) timeline: Timeline,
    /// The connections that read.
    pub(super) readers: Readers,
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    /// What events in quarantine may count, see `quarantine`.
    pub(super) quarantine_budget: i64,
    /// What is left of [`HELD_BODIES`].
    pub(super) bodies: Arc<Semaphore>,
    /// Room for settlements that are not committed yet.
    settling: Arc<Semaphore>,
    /// Whether the store is to end.
    pub(super) closing: AtomicBool,
    lanes: Mutex<Lanes>,
    failure: Mutex<Option<Arc<rusqlite::Error>>>,
    failed_at: Mutex<Option<Instant>>,
    returned: Mutex<Vec<(Seq, Name)>>,
    answered: Mutex<Vec<(Seq, u16)>>,
    writer: OnceLock<Thread>,
}

impl Shared {
    /// With nothing leased and nothing failed.
    pub(super) fn new(
        folder: Folder,
        reserve: Reserve,
        read: Loaded,
        readers: Readers,
        metrics: Arc<Metrics>,
        quarantine_budget: i64,
    ) -> Self {
        Self {
            folder,
            reserve,
            names: read.names,
            timeline: read.timeline,
            readers,
            metrics,
            quarantine_budget,
            bodies: Arc::new(Semaphore::new(HELD_BODIES)),
            settling: Arc::new(Semaphore::new(settle::UNDER_WAY)),
            closing: AtomicBool::new(false),
            lanes: Mutex::new(read.lanes),
            failure: Mutex::new(None),
            failed_at: Mutex::new(None),
            returned: Mutex::new(Vec::new()),
            answered: Mutex::new(Vec::new()),
            writer: OnceLock::new(),
        }
    }

    /// What is leased.
    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for one more settlement; not while the disk fails: then whoever has it decides how long it insists.
    pub(super) async fn room_to_settle(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        loop {
            if let Ok(room) = timeout(settle::WAIT, self.settling.clone().acquire_owned()).await {
                return room.map_err(|_| StoreError::Closed);
            }
            if let Some(failure) = self.failure() {
                return Err(StoreError::Failing(failure));
            }
        }
    }

    /// Whether the store is to end.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Notes which thread to wake.
    pub(super) fn set_writer(&self, thread: Thread) {
        // It is set once, where the thread is made.
        let _ = self.writer.set(thread);
    }

    /// Tells the writer that there is something to do.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.writer.get() {
            thread.unpark();
        }
    }

    /// Notes that the disk fails, or no longer does.
    pub(super) fn set_failure(&self, failure: Option<Arc<rusqlite::Error>>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Why nothing can be written, if so.
    pub(super) fn failure(&self) -> Option<Arc<rusqlite::Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes when the disk failed last.
    pub(super) fn has_failed_now(&self) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.timeline.instant());
    }

    /// Whether nothing fails, and nothing did for so long.
    pub(super) fn is_well_since(&self, duration: Duration) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_long_ago = |failed_at| self.timeline.instant().saturating_duration_since(failed_at) >= duration;
        self.failure().is_none() && failed_at.is_none_or(is_long_ago)
    }

    /// Says that a row is damaged and left as it is, so that it holds up nothing else; the next start looks at it again.
    pub(super) fn pass_over(&self, seq: i64, operation: &'static str, error: &rusqlite::Error) {
        self.metrics.store_error(operation);
        tracing::error!(seq, operation, %error, "the store holds a damaged row, which is passed over");
    }

    /// Takes back leases whose taker went away.
    pub(super) fn give_back(&self, leases: Vec<(Seq, Name)>) {
        if !leases.is_empty() {
            self.returned.lock().unwrap_or_else(PoisonError::into_inner).extend(leases);
            self.wake();
        }
    }

    /// Those taken back since the last call.
    pub(super) fn take_returned(&self) -> Vec<(Seq, Name)> {
        mem::take(&mut *self.returned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes the code of an answer that had waited.
    pub(super) fn answered(&self, seq: Seq, code: u16) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).push((seq, code));
        self.wake();
    }

    /// Those noted since the last call.
    pub(super) fn take_answered(&self) -> Vec<(Seq, u16)> {
        mem::take(&mut *self.answered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers that may hold leases, which must not be lost where nobody takes the answer.
pub(super) trait Leases {
    /// What they are for.
    fn leases(&self) -> Vec<(Seq, Name)>;
}

impl Leases for Appended {
    fn leases(&self) -> Vec<(Seq, Name)> {
        match self {
            Self::Stored { leases, .. } => leases.iter().map(|lease| (lease.event.seq, lease.destination.clone())).collect(),
            Self::Duplicate { lease, .. } => lease.iter().map(|lease| (lease.event.seq, lease.destination.clone())).collect(),
            Self::Variant { .. } => Vec::new(),
        }
    }
}

impl Leases for Leased {
    fn leases(&self) -> Vec<(Seq, Name)> {
        self.leases.iter().map(|lease| (lease.event.seq, lease.destination.clone())).collect()
    }
}

/// Where the writer puts its answer.
pub(super) type Reply<T> = tokio::sync::oneshot::Sender<Result<T, StoreError>>;

/// Sends an answer; leases that nobody waits for go back.
pub(super) fn answer<T: Leases>(shared: &Shared, reply: Reply<T>, value: T) {
    if let Err(Ok(unwanted)) = reply.send(Ok(value)) {
        shared.give_back(unwanted.leases());
    }
}

/// The caller's side of an answer with leases: what came but was not taken goes back.
pub(super) struct Awaited<T: Leases> {
    /// Where the answer comes.
    pub(super) reply: tokio::sync::oneshot::Receiver<Result<T, StoreError>>,
    /// Where leases go back to.
    pub(super) shared: Arc<Shared>,
}

impl<T: Leases> Awaited<T> {
    /// Waits for the answer.
    pub(super) async fn get(mut self) -> Result<T, StoreError> {
        (&mut self.reply).await.unwrap_or(Err(StoreError::Closed))
    }
}

impl<T: Leases> Drop for Awaited<T> {
    fn drop(&mut self) {
        self.reply.close();
        if let Ok(Ok(unwanted)) = self.reply.try_recv() {
            self.shared.give_back(unwanted.leases());
        }
    }
}
