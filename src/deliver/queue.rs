//! What waits in one lane, who works on it, and when the store is to be asked for more. Pure; the lock is around it.

use super::{
    Policy,
    breaker::{Heard, Pass},
    gate::{Gate, Wait},
};
use crate::{
    domain::{
        attempt::Next,
        clock::{Instant, Timestamp},
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
    /// When the timer looks whether attempts may start.
    alarm: Option<Instant>,
    latency: Option<f64>,
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
    pub(super) fn new(policy: &Policy, now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            concurrency: policy.concurrency.max(1),
            gate: Gate::new(policy, now),
            workers: 0,
            in_flight: 0,
            backlog: true,
            next_due: None,
            short_of_room: false,
            alarm: None,
            latency: None,
        }
    }

    pub(super) fn push(&mut self, lease: Lease) {
        self.waiting.push_back(lease);
    }

    /// Whether a worker has to be started now; it counts from then on.
    pub(super) fn hire(&mut self, now: Instant) -> bool {
        let on_their_way = self.workers - self.in_flight;
        let wanted = self.workers < self.concurrency && on_their_way < self.waiting.len() && on_their_way < self.gate.room(now);
        self.workers += usize::from(wanted);
        wanted
    }

    /// The next lease for a worker, with the leave to attempt it. Without one the worker has left.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Lease, Pass)> {
        let is_wanted = self.workers <= self.concurrency && self.gate.room(now) > 0;
        let Some(lease) = (if is_wanted { self.waiting.pop_front() } else { None }) else {
            self.workers -= 1;
            return None;
        };
        self.in_flight += 1;
        Some((lease, self.gate.start(now)))
    }

    /// An attempt has ended, by an answer that asks us to stay away for `hold`.
    pub(super) fn ended(&mut self, pass: &Pass, heard: Heard, hold: Duration, now: Instant) {
        self.gate.ended(pass, heard, hold, self.concurrency, now);
    }

    /// Whether the timer looks too late, or not at all.
    pub(super) fn lacks_alarm(&self, now: Instant) -> bool {
        let wait = self.wait(now);
        wait.is_some_and(|wait| self.alarm.is_none_or(|alarm| wait.until < alarm))
    }

    /// The timer's question: what has to pass before an attempt may start, where one is wanted.
    pub(super) fn set_alarm(&mut self, now: Instant) -> Option<Wait> {
        let wait = self.wait(now);
        self.alarm = wait.map(|wait| wait.until);
        wait
    }

    fn wait(&self, now: Instant) -> Option<Wait> {
        let is_wanted = self.workers < self.concurrency && self.workers - self.in_flight < self.waiting.len();
        if is_wanted { self.gate.wait(now) } else { None }
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
        if self.gate.stands() {
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
        if self.gate.is_draining() {
            return leased.leases;
        }
        self.waiting.extend(leased.leases);
        self.next_due = [self.next_due, leased.next_due].into_iter().flatten().min();
        Vec::new()
    }

    /// Starts no attempt any more. Gives what waited for one.
    pub(super) fn drain(&mut self) -> Vec<Lease> {
        self.gate.drain();
        self.waiting.drain(..).collect()
    }

    /// Goes on after it was drained: what came of the attempts in flight is in the store.
    pub(super) fn reopen(&mut self) {
        self.gate.reopen();
        self.backlog = true;
    }

    /// Works by another policy from now on.
    pub(super) fn change(&mut self, policy: &Policy, now: Instant) {
        self.concurrency = policy.concurrency.max(1);
        self.gate.change(policy, now);
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn gate_mut(&mut self) -> &mut Gate {
        &mut self.gate
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
