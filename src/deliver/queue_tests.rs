//! The bookkeeping of a lane, step by step and under any order of steps.

use super::*;
use crate::deliver::{breaker, retry::Retry};
use crate::domain::{
    attempt::{Attempt, AttemptResult},
    delivery::{Accepted, HeldBody, Run, Seq},
    event::Flags,
    id::EventId,
    name::Name,
    quantity::Rate,
    status_set::StatusSet,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use tokio::sync::Semaphore;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn start() -> Instant {
    crate::domain::clock::Clock::system().instant()
}

fn policy(concurrency: usize) -> Policy {
    let breaker = Some(breaker::Settings::STANDARD);
    Policy {
        concurrency,
        retry: Retry::STANDARD,
        give_up_on: StatusSet::gone(),
        breaker,
        order_wait: Duration::ZERO,
        rate_limit: None,
        paused: false,
    }
}

fn queue(concurrency: usize) -> Queue {
    Queue::new(&policy(concurrency), start())
}

fn lease(seq: i64) -> Lease {
    Lease {
        event: Arc::new(Accepted {
            seq: Seq(seq),
            id: EventId::from_halves(0, 0),
            source: Name::unchecked("ottu"),
            received_at: NOW,
            content_type: None,
            verified: true,
            flags: Flags::default(),
            first: None,
        }),
        destination: Name::unchecked("orders"),
        rules: Vec::new(),
        attempts: 0,
        run: Run::default(),
        order: None,
        body: None,
    }
}

fn settlement(millis: u64, next: Next) -> Settlement {
    let attempt = Attempt {
        number: 1,
        at: NOW,
        duration: Duration::from_millis(millis),
        result: AttemptResult::Status5xx,
        status: None,
        response: None,
        error: None,
    };
    Settlement { seq: Seq(1), destination: Name::unchecked("orders"), attempt, run: Run::default(), next, order_wait: None }
}

fn leases(count: usize) -> Leased {
    from(0, count)
}

fn from(first: usize, count: usize) -> Leased {
    Leased { leases: (first..first + count).map(|seq| lease(seq as i64)).collect(), next_due: None }
}

fn hired(queue: &mut Queue) -> usize {
    let now = start();
    std::iter::from_fn(|| queue.hire(now).then_some(())).count()
}

#[test]
fn as_many_workers_are_hired_as_there_is_work_up_to_the_concurrency() {
    let mut queue = queue(3);
    assert_eq!(hired(&mut queue), 0);
    queue.push(lease(1), start());
    assert_eq!(hired(&mut queue), 1);
    queue.leased(leases(9));
    assert_eq!(hired(&mut queue), 2);
}

#[test]
fn where_the_concurrency_is_lowered_workers_leave_as_they_come_back() {
    let now = start();
    let mut queue = queue(4);
    queue.leased(leases(9));
    assert_eq!(hired(&mut queue), 4);
    assert!((0..4).all(|_| queue.take(now).is_some()));
    queue.change(&policy(2), now);
    let goes_on = [0, 1, 2, 3].map(|seq| {
        queue.give_back(Seq(seq));
        queue.take(now).is_some()
    });
    assert_eq!(goes_on, [false, false, true, true]);
    assert_eq!((queue.in_flight(), hired(&mut queue)), (2, 0));
}

#[test]
fn whatever_becomes_of_one_that_is_kept_in_order_the_store_is_asked_for_the_next_one() {
    for next in [Next::Delivered, Next::Dead, Next::RetryAt(NOW)] {
        let mut queue = queue(1);
        assert!(matches!(queue.refill(NOW), Refill::Ask(_)));
        queue.leased(leases(0));
        let asks = |queue: &mut Queue| matches!(queue.refill(Timestamp::from_millis(0)), Refill::Ask(_));
        assert_eq!((queue.settled(&settlement(1, next)), asks(&mut queue)), (matches!(next, Next::RetryAt(_)), false), "{next:?}");
        let ordered = Settlement { order_wait: Some(Duration::ZERO), ..settlement(1, next) };
        assert_eq!((queue.settled(&ordered), asks(&mut queue)), (true, true), "{next:?}");
    }
}

#[test]
fn leases_are_taken_in_the_order_in_which_they_came() {
    let mut queue = queue(1);
    for seq in [5, 3, 9] {
        queue.push(lease(seq), start());
    }
    assert!(queue.hire(start()));
    let taken: Vec<_> = std::iter::from_fn(|| queue.take(start()).map(|(lease, _)| lease.event.seq.0)).collect();
    assert_eq!(taken, [5, 3, 9]);
}

#[test]
fn a_lane_that_is_paused_or_drains_gives_nothing_and_asks_for_nothing() {
    let mut paused = Queue::new(&Policy { paused: true, ..policy(3) }, start());
    paused.push(lease(1), start());
    assert_eq!((hired(&mut paused), paused.refill(NOW)), (0, Refill::Wait(None)));
    let mut draining = queue(3);
    draining.leased(leases(3));
    assert_eq!(hired(&mut draining), 3);
    draining.drain(start());
    assert!(draining.take(start()).is_none());
    assert_eq!((hired(&mut draining), draining.refill(NOW)), (0, Refill::Wait(None)));
}

#[test]
fn what_may_not_start_yet_has_no_worker_and_an_alarm_that_is_set_once() {
    let began = start();
    let mut queue = Queue::new(&Policy { rate_limit: Rate::parse("1/s").ok(), ..policy(3) }, began);
    assert!(!queue.lacks_alarm(began), "nothing waits");
    queue.leased(leases(3));
    assert_eq!([queue.hire(began), queue.hire(began)], [true, false]);
    assert!(queue.take(began).is_some());
    assert!(queue.lacks_alarm(began) && queue.lacks_alarm(began), "until the timer is set");
    let wait = queue.set_alarm(began).unwrap();
    assert!(!queue.lacks_alarm(began));
    assert_eq!([queue.hire(wait.until), queue.hire(wait.until)], [true, false]);
    assert!(queue.take(began).is_none(), "a worker that comes too early leaves");
    assert!(!queue.lacks_alarm(began));
    assert!(queue.hire(wait.until) && queue.take(wait.until).is_some());
    assert_eq!(queue.waiting(), 1);
}

#[test]
fn a_probe_has_one_worker() {
    let began = start();
    let mut queue =
        Queue::new(&Policy { breaker: Some(breaker::Settings { open_after: 1, ..breaker::Settings::STANDARD }), ..policy(3) }, began);
    queue.leased(leases(4));
    assert!(queue.hire(began));
    let (_, pass) = queue.take(began).unwrap();
    queue.ended(&pass, Heard::Fails, Duration::ZERO, began);
    queue.give_back(Seq(0));
    assert!(queue.take(began).is_none(), "the worker leaves");
    let later = queue.set_alarm(began).unwrap().until;
    assert_eq!(later, began + Duration::from_secs(30));
    assert_eq!([queue.hire(later), queue.hire(later)], [true, false]);
    let (_, probe) = queue.take(later).unwrap();
    assert!(probe.is_probe() && !queue.hire(later) && queue.set_alarm(later).is_none());
    queue.ended(&probe, Heard::Lives, Duration::ZERO, later);
    assert_eq!([queue.hire(later), queue.hire(later), queue.hire(later)], [true, true, false]);
}

#[test]
fn the_store_is_asked_at_the_start_and_then_when_something_is_due() {
    let mut queue = queue(1);
    assert_eq!(queue.refill(NOW), Refill::Ask(WINDOW));
    queue.leased(Leased::default());
    assert_eq!(queue.refill(NOW), Refill::Wait(None));
    queue.leased(Leased { leases: Vec::new(), next_due: Some(NOW.plus(Duration::from_secs(5))) });
    assert_eq!(queue.refill(NOW), Refill::Wait(Some(Duration::from_secs(5))));
    assert_eq!(queue.refill(NOW.plus(Duration::from_secs(5))), Refill::Ask(WINDOW));
    assert!(queue.told_of_backlog());
    assert!(!queue.told_of_backlog(), "the second time is no news");
    assert_eq!(queue.refill(NOW), Refill::Ask(WINDOW));
}

#[test]
fn a_retry_brings_the_next_look_forward_and_never_back() {
    let mut queue = queue(1);
    queue.refill(NOW);
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert!(queue.settled(&settlement(1, Next::RetryAt(at(9)))));
    assert!(queue.settled(&settlement(1, Next::RetryAt(at(4)))));
    assert!(!queue.settled(&settlement(1, Next::RetryAt(at(7)))));
    assert_eq!(queue.refill(NOW), Refill::Wait(Some(Duration::from_secs(4))));
}

#[test]
fn what_is_heard_while_the_store_is_asked_is_not_forgotten() {
    let mut queue = queue(1);
    assert!(matches!(queue.refill(NOW), Refill::Ask(_)));
    queue.settled(&settlement(1, Next::RetryAt(NOW.plus(Duration::from_secs(2)))));
    queue.leased(Leased { leases: Vec::new(), next_due: Some(NOW.plus(Duration::from_secs(3600))) });
    assert_eq!(queue.refill(NOW), Refill::Wait(Some(Duration::from_secs(2))));
    assert!(queue.told_of_backlog());
    assert_eq!(queue.refill(NOW), Refill::Ask(WINDOW));
}

#[test]
fn a_full_queue_is_refilled_once_half_of_it_is_gone() {
    let mut queue = queue(1);
    queue.leased(leases(LOW + 1));
    assert!(queue.hire(start()));
    assert_eq!(queue.refill(NOW), Refill::Wait(None));
    assert!(queue.take(start()).is_some());
    assert!(!queue.room_again());
    queue.give_back(Seq(0));
    assert!(queue.take(start()).is_some());
    assert!(queue.room_again());
    assert!(!queue.room_again(), "it is said once");
    assert_eq!(queue.refill(NOW), Refill::Ask(WINDOW - LOW));
}

#[test]
fn latency_is_a_mean_that_forgets() {
    let mut queue = queue(1);
    assert_eq!(queue.latency_ms(), None);
    queue.settled(&settlement(100, Next::Delivered));
    assert_eq!(queue.latency_ms(), Some(100));
    queue.settled(&settlement(200, Next::Delivered));
    assert_eq!(queue.latency_ms(), Some(110));
}

/// A lane with three leases that hold their bytes, and the room that these take part of.
fn holding(policy: &Policy, now: Instant) -> (Queue, Arc<Semaphore>) {
    let room = Arc::new(Semaphore::new(100));
    let mut queue = Queue::new(policy, now);
    assert!((0..3).all(|seq| queue.push(held(seq, &room), now).is_none()));
    (queue, room)
}

fn held(seq: i64, room: &Arc<Semaphore>) -> Lease {
    let permit = room.clone().try_acquire_many_owned(10).unwrap();
    Lease { body: Some(HeldBody { bytes: Bytes::from_static(b"0123456789"), permit }), ..lease(seq) }
}

#[test]
fn a_lane_whose_gate_shuts_lets_the_bytes_of_all_that_waits_go_and_takes_none_in() {
    type Shuts = fn(&mut Queue, Instant);
    fn hears(queue: &mut Queue, heard: Heard, hold: Duration, now: Instant) {
        let pass = queue.gate_mut().start(now);
        queue.ended(&pass, heard, hold, now);
    }
    let shuts: [(&str, Shuts); 4] = [
        ("the file pauses it", |queue, now| queue.change(&Policy { paused: true, ..policy(3) }, now)),
        ("an operator pauses it", |queue, now| queue.pause(now)),
        ("the destination asks for time", |queue, now| hears(queue, Heard::Busy, Duration::from_secs(9), now)),
        ("its breaker opens", |queue, now| (0..10).for_each(|_| hears(queue, Heard::Fails, Duration::ZERO, now))),
    ];
    for (what, shut) in shuts {
        let now = start();
        let (mut queue, room) = holding(&policy(3), now);
        hears(&mut queue, Heard::Fails, Duration::ZERO, now);
        assert_eq!(room.available_permits(), 70, "{what}: before");
        shut(&mut queue, now);
        assert_eq!(room.available_permits(), 100, "{what}");
        queue.push(held(4, &room), now);
        assert_eq!((room.available_permits(), queue.waiting()), (100, 4), "{what}: what comes later");
    }
}

#[test]
fn a_probe_that_fails_and_one_that_is_in_flight_leave_the_gate_shut_and_a_ramp_opens_it() {
    let began = start();
    let (mut queue, room) =
        holding(&Policy { breaker: Some(breaker::Settings { open_after: 1, ..breaker::Settings::STANDARD }), ..policy(3) }, began);
    assert!(queue.hire(began));
    let (_, pass) = queue.take(began).unwrap();
    queue.ended(&pass, Heard::Fails, Duration::ZERO, began);
    let later = began + Duration::from_secs(30);
    let probe = queue.gate_mut().start(later);
    queue.push(held(4, &room), later);
    assert_eq!(room.available_permits(), 100, "while it is probed");
    queue.ended(&probe, Heard::Lives, Duration::ZERO, later);
    queue.push(held(5, &room), later);
    assert_eq!(room.available_permits(), 90, "once it is back");
}

#[test]
fn a_lane_that_waits_for_its_rate_or_whose_hold_is_over_keeps_the_bytes() {
    let now = start();
    let (mut queue, room) = holding(&Policy { rate_limit: Rate::parse("1/s").ok(), ..policy(3) }, now);
    assert!(queue.hire(now) && queue.take(now).is_some() && !queue.hire(now));
    queue.push(held(4, &room), now);
    let pass = queue.gate_mut().start(now);
    assert_eq!(room.available_permits(), 70, "one was taken, and one came");
    queue.ended(&pass, Heard::Busy, Duration::from_secs(2), now);
    queue.push(held(5, &room), now + Duration::from_secs(2));
    assert_eq!(room.available_permits(), 90);
}

#[derive(Debug, Clone)]
enum Step {
    Push,
    Take,
    GiveBack,
    Refill(usize),
}

proptest! {
    /// No lease is lost, no work stands without a worker, no limit is passed.
    #[test]
    fn work_is_done_by_as_many_as_it_needs(
        concurrency in 1..5usize,
        steps in proptest::collection::vec(
            prop_oneof![Just(Step::Push), Just(Step::Take), Just(Step::GiveBack), (0..9usize).prop_map(Step::Refill)], 0..200),
    ) {
        let mut queue = queue(concurrency);
        let (mut put, mut taken, mut on_their_way, mut busy) = (0, 0, 0, Vec::new());
        for step in steps {
            match step {
                Step::Push => {
                    prop_assert!(queue.push(lease(put as i64), start()).is_none());
                    put += 1;
                    on_their_way += usize::from(queue.hire(start()));
                }
                Step::Refill(count) => {
                    queue.leased(from(put, count));
                    put += count;
                    on_their_way += hired(&mut queue);
                }
                Step::Take if on_their_way > 0 => {
                    on_their_way -= 1;
                    if let Some((lease, _)) = queue.take(start()) {
                        busy.push(lease.event.seq);
                        taken += 1;
                    }
                }
                Step::GiveBack => {
                    if let Some(seq) = busy.pop() {
                        queue.give_back(seq);
                        on_their_way += 1;
                    }
                }
                Step::Take => {}
            }
            prop_assert_eq!(queue.waiting() + taken, put);
            let busy = busy.len();
            prop_assert_eq!(queue.in_flight(), busy);
            prop_assert!(busy + on_their_way <= concurrency);
            prop_assert!(on_their_way + busy >= concurrency.min(queue.waiting()), "work without a worker");
            prop_assert_eq!(queue.has_workers(), busy + on_their_way > 0);
        }
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_the_store_from_being_asked() {
    let mut queue = queue(1);
    queue.refill(NOW);
    queue.leased(Leased { leases: Vec::new(), next_due: Some(NOW.plus(Duration::from_secs(5))) });
    let set_back = Timestamp::from_millis(NOW.millis() - 86_400_000);
    assert_eq!(queue.refill(set_back), Refill::Wait(Some(Duration::from_secs(86_405))));
    queue.doubt();
    assert_eq!(queue.refill(set_back), Refill::Ask(WINDOW));
    queue.doubt();
    assert_eq!(queue.refill(set_back), Refill::Wait(None), "nothing is known to wait");
}

#[path = "queue_watch_tests.rs"]
mod watched;
