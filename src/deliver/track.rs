//! One lane at work: its queue, its workers, and what it is worked by, which a reload may change.

use super::{
    LaneState, Open, Policy,
    breaker::{self, BreakerState, Heard, Pass},
    lanes::Lane,
    queue::Queue,
    retry::{self, Counts},
    worker,
};
use crate::{
    destination::SendError,
    domain::{
        attempt::Next,
        clock::{Clock, Instant, Timestamp},
        delivery::{Lease, Seq, Settlement},
        name::Name,
        order::OrderKey,
        waited::Waited,
    },
    metrics::DestinationMetrics,
    store::Store,
    tasks,
};
use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::Notify;

/// A lane at work.
#[derive(Debug)]
pub(super) struct Track {
    /// Its destination.
    pub(super) name: Name,
    lane: RwLock<Arc<Lane>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) open: Open,
    pub(super) clock: Clock,
    pub(super) metrics: Option<Arc<DestinationMetrics>>,
    /// The refill has something to look at.
    pub(super) news: Notify,
    /// The timer has something to look at.
    pub(super) turn: Notify,
    /// The last worker has left.
    left: Notify,
    queue: Mutex<Queue>,
}

impl Track {
    pub(super) fn new(lane: Lane, store: Arc<dyn Store>, open: Open, clock: Clock, metrics: Option<Arc<DestinationMetrics>>) -> Self {
        let queue = Mutex::new(Queue::new(&lane.policy, clock.instant()));
        let (name, lane) = (lane.name.clone(), RwLock::new(Arc::new(lane)));
        let (news, turn, left) = (Notify::new(), Notify::new(), Notify::new());
        let track = Self { name, lane, store, open, clock, metrics, news, turn, left, queue };
        track.show_pause();
        track
    }

    /// The destination and its policy as they are now.
    pub(super) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The destination or its policy has changed: every attempt from now on is made by it.
    pub(super) fn change(self: &Arc<Self>, lane: Lane) {
        let now = self.clock.instant();
        let is_other = !Arc::ptr_eq(&self.lane().destination, &lane.destination);
        let change = {
            let mut queue = self.queue();
            let before = queue.gate().breaker().state();
            queue.change(&lane.policy, now);
            if is_other {
                queue.gate_mut().doubt(now);
            }
            (before, queue.gate().breaker().state())
        };
        *self.lane.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lane);
        self.tell_breaker(change);
        self.show_breaker(change);
        self.show_pause();
        self.staff();
        self.news.notify_one();
        self.turn.notify_one();
    }

    /// An operator pauses it; attempts in flight go on.
    pub(super) fn pause(&self) {
        self.queue().pause(self.clock.instant());
        self.show_pause();
        self.turn.notify_one();
    }

    /// An operator lets it go on: pause, hold and the wait for the next probe are over.
    pub(super) fn resume(self: &Arc<Self>) {
        self.queue().gate_mut().resume(self.clock.instant());
        self.goes_on();
    }

    /// No operator pauses it any more; what was learnt of the destination stays.
    pub(super) fn unpause(self: &Arc<Self>) {
        self.queue().gate_mut().unpause();
        self.goes_on();
    }

    fn goes_on(self: &Arc<Self>) {
        self.show_pause();
        self.staff();
        self.news.notify_one();
        self.turn.notify_one();
    }

    /// Starts no attempt any more; what waits goes back to the store.
    pub(super) fn close(&self) {
        let unwanted = self.queue().drain(self.clock.instant());
        self.store.give_back(unwanted);
    }

    fn show_pause(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.set_paused(self.queue().gate().is_paused());
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
        let now = self.clock.instant();
        let (hired, lacks_alarm) = {
            let mut queue = self.queue();
            (std::iter::from_fn(|| queue.hire(now).then_some(())).count(), queue.lacks_alarm(now))
        };
        self.go(hired, lacks_alarm);
    }

    fn go(self: &Arc<Self>, hired: usize, lacks_alarm: bool) {
        for _ in 0..hired {
            tasks::spawn(worker::work(self.clone()));
        }
        if lacks_alarm {
            self.turn.notify_one();
        }
    }

    /// Takes a lease to be attempted.
    pub(super) fn push(self: &Arc<Self>, lease: Lease) {
        let now = self.clock.instant();
        let (unwanted, hired, lacks_alarm) = {
            let mut queue = self.queue();
            (queue.push(lease, now), queue.hire(now), queue.lacks_alarm(now))
        };
        self.go(usize::from(hired), lacks_alarm);
        self.leave_to_store(unwanted);
    }

    /// Somebody's wait for a delivery is over.
    pub(super) fn unwatch(&self, seq: Seq, number: u64) {
        let unwanted = self.queue().unwatch(seq, number);
        self.leave_to_store(unwanted);
    }

    /// A lease for which there is no room waits in the store, and is asked for again.
    fn leave_to_store(&self, lease: Option<Lease>) {
        if let Some(lease) = lease {
            self.store.give_back(vec![lease]);
            self.wake();
        }
    }

    /// The next lease for a worker, with the leave to attempt it; `None` sends it home.
    pub(super) fn take(&self) -> Option<(Lease, Pass)> {
        let now = self.clock.instant();
        let (taken, room, last, lacks_alarm, probes) = {
            let mut queue = self.queue();
            let taken = queue.take(now);
            let probes = taken.as_ref().is_some_and(|(_, pass)| pass.is_probe());
            (taken, queue.room_again(), !queue.has_workers(), queue.lacks_alarm(now), probes)
        };
        if probes {
            self.tell_breaker((BreakerState::Open, BreakerState::Probing));
        }
        if room {
            self.news.notify_one();
        }
        if lacks_alarm {
            self.turn.notify_one();
        }
        if last {
            self.left.notify_waiters();
        }
        taken
    }

    /// An attempt has ended so. What of it counts against its delivery.
    pub(super) fn ended(self: &Arc<Self>, pass: Option<Pass>, policy: &Policy, failure: Option<&SendError>, now: Timestamp) -> Counts {
        let Some(pass) = pass else { return Counts::All };
        let hold = failure.map_or(Duration::ZERO, |failure| retry::hold(failure, now));
        let breaker = self.heard(&pass, breaker::heard(policy, failure, hold), hold);
        match (pass.is_probe(), breaker.is_open()) {
            (true, true) => Counts::Nothing,
            (false, true) => Counts::Attempt,
            (true | false, false) => Counts::All,
        }
    }

    /// Gives how the breaker is now.
    fn heard(self: &Arc<Self>, pass: &Pass, heard: Heard, hold: Duration) -> BreakerState {
        let now = self.clock.instant();
        let (change, newly_held) = {
            let mut queue = self.queue();
            let before = queue.gate().breaker().state();
            let was_held = queue.gate().held_until(now).is_some();
            queue.ended(pass, heard, hold, now);
            let newly_held = queue.gate().held_until(now).filter(|_| !was_held);
            ((before, queue.gate().breaker().state()), newly_held)
        };
        if let Some(until) = newly_held {
            let until = self.clock.now().plus(until.duration_since(now));
            tracing::warn!(destination = %self.name, %until, "the destination asks to be left alone; its lane is held");
        }
        // A lane that begins to be held is said to be held; that it will start slowly is part of it.
        if newly_held.is_none() || change.1.is_open() {
            self.tell_breaker(change);
        }
        self.show_breaker(change);
        if heard != Heard::Lives || change.0 != change.1 || change.1 == BreakerState::Ramping {
            self.staff();
            self.turn.notify_one();
        }
        change.1
    }

    /// Tells those who wait for a delivery what came of its attempt.
    pub(super) fn tell(&self, seq: Seq, order: Option<OrderKey>, settlement: &Settlement) {
        let mut queue = self.queue();
        queue.tell(seq, waited(Some(settlement)));
        if let (Some(key), Next::RetryAt(_)) = (order, settlement.next) {
            queue.holds_up(seq, key);
        }
    }

    /// A worker is through with a lease; without a settlement the delivery waits for the next start.
    /// A pass that is still there was not used.
    pub(super) fn give_back(self: &Arc<Self>, seq: Seq, settlement: Option<&Settlement>, pass: Option<Pass>) {
        if let Some(pass) = pass {
            self.heard(&pass, Heard::Nothing, Duration::ZERO);
        }
        let news = {
            let mut queue = self.queue();
            queue.give_back(seq);
            // Who began to wait after the attempt had ended, and before the store heard of it, has heard nothing yet.
            queue.tell(seq, waited(settlement));
            settlement.is_some_and(|settlement| queue.settled(settlement))
        };
        if news {
            self.news.notify_one();
        }
    }

    fn show_breaker(&self, (before, after): (BreakerState, BreakerState)) {
        if let Some(metrics) = self.metrics.as_ref().filter(|_| before != after) {
            metrics.set_breaker_open(after.is_open());
        }
    }

    fn tell_breaker(&self, (before, after): (BreakerState, BreakerState)) {
        let destination = &self.name;
        let (from, to) = (before.as_str(), after.as_str());
        match after {
            _ if before == after => {}
            // Switched on or off by the rules file, with nothing held back.
            BreakerState::Off if before == BreakerState::Closed => {}
            BreakerState::Closed if before == BreakerState::Off => {}
            BreakerState::Open if before == BreakerState::Probing => {
                tracing::warn!(%destination, from, to, "a probe failed; the destination is left alone until the next");
            }
            BreakerState::Open => {
                tracing::warn!(%destination, from, to, "the destination fails again and again; it is left alone but for probes");
            }
            BreakerState::Probing => tracing::info!(%destination, from, to, "one delivery is attempted to see how the destination is"),
            BreakerState::Ramping => tracing::info!(%destination, from, to, "deliveries begin again, few at a time"),
            BreakerState::Closed | BreakerState::Off => tracing::info!(%destination, from, to, "deliveries flow freely again"),
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
        let (now, wall) = (self.clock.instant(), self.clock.now());
        let to_wall = |at: Instant| wall.plus(at.saturating_duration_since(now));
        let queue = self.queue();
        let gate = queue.gate();
        LaneState {
            destination: self.name.clone(),
            queued: queue.waiting(),
            in_flight: queue.in_flight(),
            paused_by_file: gate.is_paused_by_file(),
            paused_by_operator: gate.is_paused_by_operator(),
            held_until: gate.held_until(now).map(to_wall),
            breaker: gate.breaker().state(),
            next_probe_at: gate.breaker().probe_at().map(to_wall),
            latency_ms: queue.latency_ms(),
        }
    }
}

/// What an attempt that ended so means to those who wait for it.
fn waited(settlement: Option<&Settlement>) -> Waited {
    match settlement.map(|settlement| settlement.next) {
        Some(Next::Delivered) => Waited::Confirmed,
        Some(Next::RetryAt(_) | Next::Dead) | None => Waited::Failed,
    }
}
