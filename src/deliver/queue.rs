//! What waits in one lane, who works on it, and when the store is to be asked for more. Pure; the lock is around it.

use crate::{
    domain::{
        attempt::Next,
        clock::Timestamp,
        delivery::{Lease, Settlement},
    },
    store::{Leased, WINDOW},
};
use std::{collections::VecDeque, time::Duration};

/// Below this many waiting leases the store is asked for more.
const LOW: usize = WINDOW / 2;

/// How much the last attempt counts in the mean latency.
const WEIGHT: f64 = 0.1;

/// One lane's work.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Lease>,
    concurrency: usize,
    gate: Gate,
    workers: usize,
    in_flight: usize,
    /// Deliveries may be due in the store.
    backlog: bool,
    /// When the next delivery in the store falls due.
    next_due: Option<Timestamp>,
    /// The store would have been asked, had there been room.
    short_of_room: bool,
    latency: Option<f64>,
}

/// Whether attempts may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Paused,
    Draining,
}

/// What to do about the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refill {
    /// Ask it for up to so many leases.
    Ask(usize),
    /// Look again then, or when told.
    Wait(Option<Duration>),
}

impl Queue {
    /// Empty, and not knowing what the store has.
    pub(super) fn new(concurrency: usize, gate: Gate) -> Self {
        Self {
            waiting: VecDeque::new(),
            concurrency: concurrency.max(1),
            gate,
            workers: 0,
            in_flight: 0,
            backlog: true,
            next_due: None,
            short_of_room: false,
            latency: None,
        }
    }

    pub(super) fn push(&mut self, lease: Lease) {
        self.waiting.push_back(lease);
    }

    /// Whether a worker has to be started now; it counts from then on.
    pub(super) fn hire(&mut self) -> bool {
        let on_their_way = self.workers - self.in_flight;
        let wanted = self.gate == Gate::Open && self.workers < self.concurrency && on_their_way < self.waiting.len();
        self.workers += usize::from(wanted);
        wanted
    }

    /// The next lease for a worker. Without one the worker has left.
    pub(super) fn take(&mut self) -> Option<Lease> {
        let is_wanted = self.gate == Gate::Open && self.workers <= self.concurrency;
        let lease = if is_wanted { self.waiting.pop_front() } else { None };
        match lease {
            Some(_) => self.in_flight += 1,
            None => self.workers -= 1,
        }
        lease
    }

    /// A lease that was taken is at its end.
    pub(super) fn give_back(&mut self) {
        self.in_flight -= 1;
    }

    /// What a settled attempt says about the lane. Whether the refill has to hear of it.
    pub(super) fn settled(&mut self, settlement: &Settlement) -> bool {
        let millis = settlement.attempt.duration.as_secs_f64() * 1000.0;
        self.latency = Some(self.latency.map_or(millis, |mean| mean + WEIGHT * (millis - mean)));
        match settlement.next {
            Next::RetryAt(at) if self.next_due.is_none_or(|due| at < due) => {
                self.next_due = Some(at);
                true
            }
            Next::RetryAt(_) | Next::Delivered | Next::Dead => false,
        }
    }

    /// Deliveries are due in the store. Whether that is news.
    pub(super) fn told_of_backlog(&mut self) -> bool {
        !std::mem::replace(&mut self.backlog, true)
    }

    /// Due times are of the wall clock, which may be set back: now and then the store is asked whatever it says.
    pub(super) fn doubt(&mut self) {
        self.backlog |= self.next_due.is_some();
    }

    /// What to do about the store now. With [`Refill::Ask`] what was known of it is forgotten,
    /// so that whatever is heard during the call is news.
    pub(super) fn refill(&mut self, now: Timestamp) -> Refill {
        if self.gate != Gate::Open {
            return Refill::Wait(None);
        }
        if !self.backlog && self.next_due.is_none_or(|due| due > now) {
            return Refill::Wait(self.next_due.map(|due| due.since(now)));
        }
        if !self.has_room() {
            self.short_of_room = true;
            return Refill::Wait(None);
        }
        self.backlog = false;
        self.next_due = None;
        Refill::Ask(WINDOW - self.waiting.len() - self.in_flight)
    }

    /// Whether there is room again for which the refill waits. Says so once.
    pub(super) fn room_again(&mut self) -> bool {
        let again = self.short_of_room && self.has_room();
        self.short_of_room &= !again;
        again
    }

    /// The store's answer. Gives the leases that are not wanted, since no attempt will be started.
    pub(super) fn leased(&mut self, leased: Leased) -> Vec<Lease> {
        if self.gate == Gate::Draining {
            return leased.leases;
        }
        self.waiting.extend(leased.leases);
        self.next_due = [self.next_due, leased.next_due].into_iter().flatten().min();
        Vec::new()
    }

    /// Starts no attempt any more. Gives what waited for one.
    pub(super) fn drain(&mut self) -> Vec<Lease> {
        self.gate = Gate::Draining;
        self.waiting.drain(..).collect()
    }

    /// Goes on after it was drained: what came of the attempts in flight is in the store.
    pub(super) fn reopen(&mut self) {
        self.gate = Gate::Paused;
        self.backlog = true;
    }

    /// Works by other rules from now on, unless it is at its end.
    pub(super) fn change(&mut self, concurrency: usize, gate: Gate) {
        self.concurrency = concurrency.max(1);
        if self.gate != Gate::Draining {
            self.gate = gate;
        }
    }

    pub(super) fn gate(&self) -> Gate {
        self.gate
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn has_workers(&self) -> bool {
        self.workers > 0
    }

    pub(super) fn latency_ms(&self) -> Option<u64> {
        self.latency.map(|millis| millis.round() as u64)
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < LOW && self.waiting.len() + self.in_flight < WINDOW
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
