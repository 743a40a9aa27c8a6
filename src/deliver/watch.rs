//! Who waits for the outcome of an attempt, and how it is told.

use super::track::Track;
use crate::domain::{
    clock::Instant,
    delivery::Seq,
    order::OrderKey,
    waited::{NotNow, Waited},
};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// Those who wait at one lane, by the event of the delivery. Most lanes have none.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    of: HashMap<Seq, Vec<Watcher>>,
    number: u64,
}

#[derive(Debug)]
struct Watcher {
    number: u64,
    order: Option<OrderKey>,
    until: Instant,
    told: Sender<Waited>,
}

impl Watchers {
    /// One more, who waits until then. Gives the number to go away by.
    pub(super) fn add(&mut self, seq: Seq, order: Option<OrderKey>, until: Instant) -> (u64, Receiver<Waited>) {
        let (told, tells) = oneshot::channel();
        self.number += 1;
        self.of.entry(seq).or_default().push(Watcher { number: self.number, order, until, told });
        (self.number, tells)
    }

    /// That one goes away, if it was not told yet.
    pub(super) fn remove(&mut self, seq: Seq, number: u64) {
        if let Entry::Occupied(mut watchers) = self.of.entry(seq) {
            watchers.get_mut().retain(|watcher| watcher.number != number);
            if watchers.get().is_empty() {
                watchers.remove();
            }
        }
    }

    /// Whether anybody waits for that event's delivery.
    pub(super) fn has(&self, seq: Seq) -> bool {
        !self.of.is_empty() && self.of.contains_key(&seq)
    }

    /// Tells all who wait for that event's delivery.
    pub(super) fn tell(&mut self, seq: Seq, waited: Waited) {
        if self.has(seq) {
            for watcher in self.of.remove(&seq).into_iter().flatten() {
                // Whoever went away needs no word, here as below.
                let _ = watcher.told.send(waited);
            }
        }
    }

    /// Tells those whose attempt can no longer start in time; `refusal` says why, by the event and how long they wait.
    pub(super) fn refuse(&mut self, refusal: impl Fn(Seq, Instant) -> Option<NotNow>) {
        self.refuse_some(|seq, watcher| refusal(seq, watcher.until));
    }

    /// Tells those who wait for a delivery of that order key, but for the one that failed, and for one in flight.
    pub(super) fn refuse_behind(&mut self, failed: Seq, key: OrderKey, is_in_flight: impl Fn(Seq) -> bool) {
        let is_behind = |seq, watcher: &Watcher| watcher.order == Some(key) && seq != failed && !is_in_flight(seq);
        self.refuse_some(|seq, watcher| is_behind(seq, watcher).then_some(NotNow::Behind));
    }

    fn refuse_some(&mut self, refusal: impl Fn(Seq, &Watcher) -> Option<NotNow>) {
        self.of.retain(|seq, watchers| {
            let refused = watchers.extract_if(.., |watcher| refusal(*seq, watcher).is_some());
            for watcher in refused {
                if let Some(reason) = refusal(*seq, &watcher) {
                    let _ = watcher.told.send(Waited::NotNow(reason));
                }
            }
            !watchers.is_empty()
        });
    }
}

/// Somebody's wait for the first attempt at a delivery that ends from now on. It is over when this is dropped.
#[derive(Debug)]
pub struct Watch(Result<Registered, NotNow>);

#[derive(Debug)]
struct Registered {
    track: Arc<Track>,
    seq: Seq,
    number: u64,
    told: Receiver<Waited>,
}

impl Watch {
    /// There is nothing to wait for.
    pub(super) fn refused(reason: NotNow) -> Self {
        Self(Err(reason))
    }

    /// For the delivery of that event, until then.
    pub(super) fn of(track: &Arc<Track>, seq: Seq, order: Option<OrderKey>, until: Instant) -> Self {
        let registered = track.queue().watch(seq, order, until, track.clock.instant());
        Self(registered.map(|(number, told)| Registered { track: Arc::clone(track), seq, number, told }))
    }

    /// What came of it. Who asks has to bound the time.
    pub async fn outcome(self) -> Waited {
        match self.0 {
            Err(reason) => Waited::NotNow(reason),
            Ok(mut registered) => (&mut registered.told).await.unwrap_or(Waited::Failed),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.track.unwatch(self.seq, self.number);
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
