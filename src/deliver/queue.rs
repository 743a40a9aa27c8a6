//! What waits in one lane, who works on it, and when the store is to be asked for more. Pure; the lock is around it.

use super::{
    Policy,
    breaker::{Heard, Pass},
    gate::{Gate, Wait},
    watch::Watchers,
};
use crate::{
    domain::{
        attempt::Next,
        clock::{Instant, Timestamp},
        delivery::{Lease, Seq, Settlement},
        order::OrderKey,
        waited::{NotNow, Waited},
    },
    store::{Leased, WINDOW},
};
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::sync::oneshot::Receiver;

/// Below this many waiting leases the store is asked for more.
const LOW: usize = WINDOW / 2;

/// What is waited for comes beyond the window; beyond this, what was waited for goes back to the store.
const MOST: usize = 2 * WINDOW;

/// How much the last attempt counts in the mean latency.
const WEIGHT: f64 = 0.1;

/// One lane's work.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Lease>,
    /// So many of them are ahead of the others, since somebody waits for them, or did.
    ahead: usize,
    watchers: Watchers,
    concurrency: usize,
    gate: Gate,
    workers: usize,
    in_flight: HashSet<Seq>,
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
            ahead: 0,
            watchers: Watchers::default(),
            concurrency: policy.concurrency.max(1),
            gate: Gate::new(policy, now),
            workers: 0,
            in_flight: HashSet::new(),
            backlog: true,
            next_due: None,
            short_of_room: false,
            alarm: None,
            latency: None,
        }
    }

    /// One more to be attempted, ahead of the others where somebody waits for it. Gives it back where the lane is full:
    /// somebody waited for it, and that is over. It is without its bytes where it has to wait whatever happens, see
    /// [`Queue::let_go`].
    pub(super) fn push(&mut self, mut lease: Lease, now: Instant) -> Option<Lease> {
        if self.gate.is_shut(now) {
            lease.body = None;
        }
        self.put(lease)
    }

    fn put(&mut self, lease: Lease) -> Option<Lease> {
        if self.watchers.has(lease.event.seq) {
            self.waiting.insert(self.ahead, lease);
            self.ahead += 1;
        } else if self.out() >= MOST {
            return Some(lease);
        } else {
            self.waiting.push_back(lease);
        }
        None
    }

    /// Somebody waits for the delivery of that event until then, and it goes to the head. The first attempt that ends from now
    /// on is told, or why there will be none in time.
    pub(super) fn watch(
        &mut self,
        seq: Seq,
        order: Option<OrderKey>,
        until: Instant,
        now: Instant,
    ) -> Result<(u64, Receiver<Waited>), NotNow> {
        if !self.in_flight.contains(&seq) {
            if let Some(reason) = self.gate.refusal(until, now) {
                return Err(reason);
            }
            let behind = self.waiting.iter().skip(self.ahead).position(|lease| lease.event.seq == seq);
            if let Some(lease) = behind.and_then(|place| self.waiting.remove(self.ahead + place)) {
                self.waiting.insert(self.ahead, lease);
                self.ahead += 1;
            }
        }
        Ok(self.watchers.add(seq, order, until))
    }

    /// That wait is over. Gives its lease, where the lane has too many without it.
    pub(super) fn unwatch(&mut self, seq: Seq, number: u64) -> Option<Lease> {
        self.watchers.remove(seq, number);
        if self.out() <= MOST || self.watchers.has(seq) {
            return None;
        }
        let place = self.waiting.iter().take(self.ahead).position(|lease| lease.event.seq == seq)?;
        self.ahead -= 1;
        self.waiting.remove(place)
    }

    /// What came of an attempt that has ended.
    pub(super) fn tell(&mut self, seq: Seq, waited: Waited) {
        self.watchers.tell(seq, waited);
    }

    /// An attempt has failed, and is to be made again before those behind it in order.
    pub(super) fn holds_up(&mut self, seq: Seq, key: OrderKey) {
        let Self { watchers, in_flight, .. } = self;
        watchers.refuse_behind(seq, key, |seq| in_flight.contains(&seq));
    }

    /// Tells those who wait for an attempt that can no longer start in time.
    pub(super) fn refuse(&mut self, now: Instant) {
        // While it refuses nobody, however short a wait, there is nobody to look at.
        if self.gate.refusal(now, now).is_none() {
            return;
        }
        let Self { watchers, in_flight, gate, .. } = self;
        watchers.refuse(|seq, until| if in_flight.contains(&seq) { None } else { gate.refusal(until, now) });
    }

    /// Whether a worker has to be started now; it counts from then on.
    pub(super) fn hire(&mut self, now: Instant) -> bool {
        let on_their_way = self.workers - self.in_flight.len();
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
        self.ahead = self.ahead.saturating_sub(1);
        self.in_flight.insert(lease.event.seq);
        let pass = self.gate.start(now);
        if pass.is_probe() {
            self.refuse(now);
        }
        Some((lease, pass))
    }

    /// An attempt has ended, by an answer that asks us to stay away for `hold`.
    pub(super) fn ended(&mut self, pass: &Pass, heard: Heard, hold: Duration, now: Instant) {
        let was_shut = self.gate.is_shut(now);
        self.gate.ended(pass, heard, hold, self.concurrency, now);
        if !was_shut {
            self.let_go(now);
        }
        self.refuse(now);
    }

    /// An operator pauses it.
    pub(super) fn pause(&mut self, now: Instant) {
        self.gate.pause();
        self.let_go(now);
        self.refuse(now);
    }

    /// The room for bodies in memory is of all lanes: one whose gate is shut leaves it to those that can use it, and reads
    /// the bytes from the store when its time comes.
    fn let_go(&mut self, now: Instant) {
        if self.gate.is_shut(now) {
            self.waiting.iter_mut().for_each(|lease| lease.body = None);
        }
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
        let is_wanted = self.workers < self.concurrency && self.workers - self.in_flight.len() < self.waiting.len();
        if is_wanted { self.gate.wait(now) } else { None }
    }

    /// A lease that was taken is at its end.
    pub(super) fn give_back(&mut self, seq: Seq) {
        self.in_flight.remove(&seq);
    }

    /// What a settled attempt says about the lane. Whether the refill has to hear of it.
    pub(super) fn settled(&mut self, settlement: &Settlement) -> bool {
        let millis = settlement.attempt.duration.as_secs_f64() * 1000.0;
        self.latency = Some(self.latency.map_or(millis, |mean| mean + WEIGHT * (millis - mean)));
        // The store may have let the next one go that is kept in order with this one.
        let is_news = settlement.order_wait.is_some() && self.told_of_backlog();
        match settlement.next {
            Next::RetryAt(at) if self.next_due.is_none_or(|due| at < due) => {
                self.next_due = Some(at);
                true
            }
            Next::RetryAt(_) | Next::Delivered | Next::Dead => is_news,
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
        Refill::Ask(WINDOW - self.out())
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
        self.next_due = [self.next_due, leased.next_due].into_iter().flatten().min();
        let unwanted: Vec<_> = leased.leases.into_iter().filter_map(|lease| self.put(lease)).collect();
        self.backlog |= !unwanted.is_empty();
        unwanted
    }

    /// Starts no attempt any more. Gives what waited for one.
    pub(super) fn drain(&mut self, now: Instant) -> Vec<Lease> {
        self.gate.drain();
        self.refuse(now);
        self.ahead = 0;
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
        self.let_go(now);
        self.refuse(now);
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
        self.in_flight.len()
    }

    pub(super) fn has_workers(&self) -> bool {
        self.workers > 0
    }

    pub(super) fn latency_ms(&self) -> Option<u64> {
        self.latency.map(|millis| millis.round() as u64)
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < LOW && self.out() < WINDOW
    }

    /// How many leases are out.
    fn out(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
