//! The lanes: one per destination of the rules file, each with its own queue, workers and timer.

use super::{LaneState, Open, Policy, refill, timer, track::Track, watch::Watch};
use crate::{
    destination::Destination,
    domain::{
        clock::{Clock, Instant},
        delivery::{Lease, Seq},
        name::Name,
        order::OrderKey,
        waited::NotNow,
    },
    metrics::Metrics,
    store::{Store, StoreError},
    tasks,
};
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tokio::{sync::Mutex, task::JoinHandle};

/// A destination with its policy.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub name: Name,
    /// How it is worked.
    pub policy: Policy,
    /// What makes the requests.
    pub destination: Arc<dyn Destination>,
}

/// All lanes.
#[derive(Debug)]
pub struct Lanes {
    working: RwLock<Working>,
    /// One operator's word at a time: what the store has and what the lanes do is the same.
    deciding: Mutex<()>,
    store: Arc<dyn Store>,
    open: Open,
    clock: Clock,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Working {
    /// In the order of the rules file.
    tracks: Vec<Staffed>,
    by_name: HashMap<Name, Arc<Track>>,
    /// Those whose destination is no longer there, until their last attempt has ended.
    leaving: Vec<Arc<Track>>,
    /// Those that an operator pauses, be they in the rules file or not.
    paused: HashSet<Name>,
    is_draining: bool,
}

/// A lane and the tasks that keep it filled and going.
#[derive(Debug)]
struct Staffed {
    track: Arc<Track>,
    tasks: [JoinHandle<()>; 2],
}

impl Lanes {
    /// Starts the lanes; each asks the store for what is waiting, but those that an operator paused. Must run on a tokio runtime.
    pub fn start(lanes: Vec<Lane>, paused: Vec<Name>, store: Arc<dyn Store>, open: Open, clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        let working = Working { paused: paused.into_iter().collect(), ..Working::default() };
        let started = Arc::new(Self { working: RwLock::new(working), deciding: Mutex::default(), store, open, clock, metrics });
        started.replace(lanes);
        started
    }

    /// Works by these from now on. A lane whose destination stays goes on, with its queue and its attempts in flight, by its
    /// new policy; one whose destination is gone ends its attempts in flight, and what waits in it goes back to the store.
    /// Where the destination is back before they have ended, so is the lane.
    pub fn replace(&self, lanes: Vec<Lane>) {
        let mut working = self.write();
        if working.is_draining {
            return;
        }
        let before = mem::take(&mut working.tracks);
        let mut before: HashMap<Name, Staffed> = before.into_iter().map(|staffed| (staffed.track.name.clone(), staffed)).collect();
        for lane in lanes {
            let staffed = match before.remove(&lane.name) {
                Some(staffed) => {
                    staffed.track.change(lane);
                    staffed
                }
                None => {
                    let is_paused = working.paused.contains(&lane.name);
                    let track = match working.leaving.iter().position(|track| track.name == lane.name) {
                        Some(place) => {
                            let track = working.leaving.swap_remove(place);
                            track.queue().reopen();
                            track.change(lane);
                            track
                        }
                        None => self.track(lane),
                    };
                    match is_paused {
                        true => track.pause(),
                        false => track.unpause(),
                    }
                    Staffed::new(track)
                }
            };
            working.tracks.push(staffed);
        }
        working.by_name = working.tracks.iter().map(|staffed| (staffed.track.name.clone(), Arc::clone(&staffed.track))).collect();
        working.leaving.retain(|track| track.queue().has_workers());
        for staffed in before.into_values() {
            staffed.track.close();
            working.leaving.push(Arc::clone(&staffed.track));
        }
    }

    fn track(&self, lane: Lane) -> Arc<Track> {
        let metrics = self.metrics.destination(&lane.name);
        Arc::new(Track::new(lane, Arc::clone(&self.store), self.open, self.clock.clone(), metrics))
    }

    /// An operator pauses the destination, until [`Lanes::resume`]: over restarts, and where it leaves the rules file and comes
    /// back. Gives its state, once that is durable; `None`: the rules file has no such destination.
    ///
    /// # Errors
    /// The store could not write it down, and nothing has changed.
    pub async fn pause(&self, destination: &Name) -> Result<Option<LaneState>, StoreError> {
        let _turn = self.deciding.lock().await;
        if !self.read().by_name.contains_key(destination) {
            return Ok(None);
        }
        self.store.pause(destination.clone()).await?;
        let mut working = self.write();
        working.paused.insert(destination.clone());
        Ok(working.by_name.get(destination).map(|track| {
            track.pause();
            track.state()
        }))
    }

    /// No operator pauses the destination any more; the rules file may. Gives its state, once that is durable; `None`: the rules
    /// file has no such destination.
    ///
    /// # Errors
    /// The store could not write it down, and nothing has changed.
    pub async fn resume(&self, destination: &Name) -> Result<Option<LaneState>, StoreError> {
        let _turn = self.deciding.lock().await;
        if !self.read().by_name.contains_key(destination) {
            return Ok(None);
        }
        self.store.resume(destination.clone()).await?;
        let mut working = self.write();
        working.paused.remove(destination);
        Ok(working.by_name.get(destination).map(|track| {
            track.resume();
            track.state()
        }))
    }

    /// Takes leased deliveries; those to a destination that is no longer there go back to the store. Cheap; never waits.
    pub fn push(&self, leases: Vec<Lease>) {
        let working = self.read();
        let mut unwanted = Vec::new();
        for lease in leases {
            match working.by_name.get(&lease.destination) {
                Some(track) if !working.is_draining => track.push(lease),
                Some(_) | None => unwanted.push(lease),
            }
        }
        self.store.give_back(unwanted);
    }

    /// Waits for the first attempt at that event's delivery that ends from now on, at most until then; the delivery goes to the
    /// head of its lane. One of its order key that fails meanwhile ends the wait. To be called before its lease comes.
    pub fn watch(&self, destination: &Name, seq: Seq, order: Option<OrderKey>, until: Instant) -> Watch {
        let working = self.read();
        let track = working.by_name.get(destination);
        track.map_or(Watch::refused(NotNow::NotServed), |track| Watch::of(track, seq, order, until))
    }

    /// Tells a lane that deliveries are due in the store (deferred by `append`, or made due by `retry`).
    pub fn wake(&self, destination: &Name) {
        if let Some(track) = self.read().by_name.get(destination) {
            track.wake();
        }
    }

    /// The destinations, in the order of the rules file.
    pub fn names(&self) -> Vec<Name> {
        self.read().tracks.iter().map(|staffed| staffed.track.name.clone()).collect()
    }

    /// The lanes as operators see them, in the order of the rules file.
    pub fn states(&self) -> Vec<LaneState> {
        self.read().tracks.iter().map(|staffed| staffed.track.state()).collect()
    }

    /// Starts no more attempts, and returns when those in flight have ended and are settled.
    pub async fn drain(&self) {
        let tracks: Vec<Arc<Track>> = {
            let mut working = self.write();
            working.is_draining = true;
            for staffed in &working.tracks {
                // What waits is found again at the next start.
                drop(staffed.track.queue().drain(self.clock.instant()));
                staffed.stop();
            }
            working.tracks.iter().map(|staffed| &staffed.track).chain(&working.leaving).cloned().collect()
        };
        for track in tracks {
            track.emptied().await;
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Working> {
        self.working.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Working> {
        self.working.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Staffed {
    fn new(track: Arc<Track>) -> Self {
        let tasks = [tasks::spawn(refill::keep_filled(Arc::clone(&track))), tasks::spawn(timer::keep_time(Arc::clone(&track)))];
        Self { track, tasks }
    }

    fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Staffed {
    fn drop(&mut self) {
        self.stop();
    }
}
