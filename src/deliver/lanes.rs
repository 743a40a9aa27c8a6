//! The lanes: one per destination, each with its own queue, workers and timer.

use super::{
    LaneState, Policy,
    queue::{Gate, Queue},
    refill, worker,
};
use crate::{
    destination::Destination,
    domain::{
        clock::Clock,
        delivery::{Lease, Settlement},
        name::Name,
    },
    metrics::Metrics,
    store::Store,
    tasks,
};
use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Notify, task::JoinHandle};

/// A destination with its policy.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub name: Name,
    /// How it is worked.
    pub policy: Policy,
    /// What makes the requests.
    pub destination: Box<dyn Destination>,
}

/// All lanes.
#[derive(Debug)]
pub struct Lanes {
    tracks: Vec<Arc<Track>>,
    by_name: HashMap<Name, usize>,
    refills: Vec<JoinHandle<()>>,
}

impl Lanes {
    /// Starts the lanes; each asks the store for what is waiting. Must run on a tokio runtime.
    pub fn start(lanes: Vec<Lane>, store: Arc<dyn Store>, clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        let track = |lane| Arc::new(Track::new(lane, store.clone(), clock.clone(), metrics.clone()));
        let tracks: Vec<_> = lanes.into_iter().map(track).collect();
        let by_name = tracks.iter().enumerate().map(|(place, track)| (track.lane.name.clone(), place)).collect();
        let refills = tracks.iter().map(|track| tasks::spawn(refill::keep_filled(track.clone()))).collect();
        Arc::new(Self { tracks, by_name, refills })
    }

    /// Takes leased deliveries. Cheap; never waits.
    pub fn push(&self, leases: Vec<Lease>) {
        for lease in leases {
            match self.by_name.get(&lease.destination) {
                Some(place) => self.tracks[*place].push(lease),
                None => tracing::error!(event = %lease.event.id, destination = %lease.destination, "no lane is for this destination"),
            }
        }
    }

    /// Tells a lane that deliveries are due in the store (deferred by `append`, or made due by `retry`).
    pub fn wake(&self, destination: &Name) {
        if let Some(place) = self.by_name.get(destination) {
            let track = &self.tracks[*place];
            if track.queue().told_of_backlog() {
                track.news.notify_one();
            }
        }
    }

    /// The lanes as operators see them, in the order of the rules file.
    pub fn states(&self) -> Vec<LaneState> {
        self.tracks.iter().map(|track| track.state()).collect()
    }

    /// Starts no more attempts, and returns when those in flight have ended and are settled.
    pub async fn drain(&self) {
        for track in &self.tracks {
            track.queue().drain();
        }
        for refill in &self.refills {
            refill.abort();
        }
        for track in &self.tracks {
            track.emptied().await;
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for refill in &self.refills {
            refill.abort();
        }
    }
}

/// A lane at work.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) lane: Lane,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    /// The refill has something to look at.
    pub(super) news: Notify,
    /// The last worker has left.
    left: Notify,
    queue: Mutex<Queue>,
}

impl Track {
    fn new(lane: Lane, store: Arc<dyn Store>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let gate = if lane.policy.paused { Gate::Paused } else { Gate::Open };
        if let Some(metrics) = metrics.destination(&lane.name) {
            metrics.set_paused(lane.policy.paused);
        }
        let queue = Mutex::new(Queue::new(lane.policy.concurrency, gate));
        Self { lane, store, clock, metrics, news: Notify::new(), left: Notify::new(), queue }
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

    fn push(self: &Arc<Self>, lease: Lease) {
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

    async fn emptied(&self) {
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            if !self.queue().has_workers() {
                return;
            }
            left.await;
        }
    }

    fn state(&self) -> LaneState {
        let queue = self.queue();
        LaneState {
            destination: self.lane.name.clone(),
            queued: queue.waiting(),
            in_flight: queue.in_flight(),
            paused: self.lane.policy.paused,
            latency_ms: queue.latency_ms(),
        }
    }
}
