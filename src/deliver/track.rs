//! One lane at work: its queue, its workers, and what it is worked by, which a reload may change.

use super::{
    LaneState,
    lanes::Lane,
    queue::{Gate, Queue},
    worker,
};
use crate::{
    domain::{
        clock::Clock,
        delivery::{Lease, Settlement},
        name::Name,
    },
    metrics::DestinationMetrics,
    store::Store,
    tasks,
};
use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::sync::Notify;

/// A lane at work.
#[derive(Debug)]
pub(super) struct Track {
    /// Its destination.
    pub(super) name: Name,
    lane: RwLock<Arc<Lane>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) metrics: Option<Arc<DestinationMetrics>>,
    /// The refill has something to look at.
    pub(super) news: Notify,
    /// The last worker has left.
    left: Notify,
    queue: Mutex<Queue>,
}

impl Track {
    pub(super) fn new(lane: Lane, store: Arc<dyn Store>, clock: Clock, metrics: Option<Arc<DestinationMetrics>>) -> Self {
        let queue = Mutex::new(Queue::new(lane.policy.concurrency, gate(&lane)));
        let (name, lane) = (lane.name.clone(), RwLock::new(Arc::new(lane)));
        let track = Self { name, lane, store, clock, metrics, news: Notify::new(), left: Notify::new(), queue };
        track.show_pause();
        track
    }

    /// The destination and its policy as they are now.
    pub(super) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The destination or its policy has changed: every attempt from now on is made by it.
    pub(super) fn change(self: &Arc<Self>, lane: Lane) {
        self.queue().change(lane.policy.concurrency, gate(&lane));
        *self.lane.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lane);
        self.show_pause();
        self.staff();
        self.news.notify_one();
    }

    /// Starts no attempt any more; what waits goes back to the store.
    pub(super) fn close(&self) {
        let unwanted = self.queue().drain();
        self.store.give_back(unwanted);
    }

    fn show_pause(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.set_paused(self.lane().policy.paused);
        }
    }

    /// Deliveries are due in the store.
    pub(super) fn wake(&self) {
        if self.queue().told_of_backlog() {
            self.news.notify_one();
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the workers that are wanted and not there. They own themselves: `emptied` waits for the last.
    pub(super) fn staff(self: &Arc<Self>) {
        while self.queue().hire() {
            tasks::spawn(worker::work(self.clone()));
        }
    }

    /// Takes a lease to be attempted.
    pub(super) fn push(self: &Arc<Self>, lease: Lease) {
        let hired = {
            let mut queue = self.queue();
            queue.push(lease);
            queue.hire()
        };
        if hired {
            tasks::spawn(worker::work(self.clone()));
        }
    }

    /// The next lease for a worker; `None` sends it home.
    pub(super) fn take(&self) -> Option<Lease> {
        let (lease, room, last) = {
            let mut queue = self.queue();
            (queue.take(), queue.room_again(), !queue.has_workers())
        };
        if room {
            self.news.notify_one();
        }
        if last {
            self.left.notify_waiters();
        }
        lease
    }

    /// A worker is through with a lease; without a settlement the delivery waits for the next start.
    pub(super) fn give_back(&self, settlement: Option<&Settlement>) {
        let news = {
            let mut queue = self.queue();
            queue.give_back();
            settlement.is_some_and(|settlement| queue.settled(settlement))
        };
        if news {
            self.news.notify_one();
        }
    }

    /// Waits until the last worker has left.
    pub(super) async fn emptied(&self) {
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            if !self.queue().has_workers() {
                return;
            }
            left.await;
        }
    }

    /// As operators see it.
    pub(super) fn state(&self) -> LaneState {
        let paused = self.lane().policy.paused;
        let queue = self.queue();
        LaneState {
            destination: self.name.clone(),
            queued: queue.waiting(),
            in_flight: queue.in_flight(),
            paused,
            latency_ms: queue.latency_ms(),
        }
    }
}

fn gate(lane: &Lane) -> Gate {
    if lane.policy.paused { Gate::Paused } else { Gate::Open }
}
