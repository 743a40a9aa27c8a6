//! Deliveries that are kept in order: one at a time per value, in the order of acceptance, whatever becomes of them.

use super::*;
use hookgate::store::WINDOW;

contract! {
    of_one_value_one_at_a_time_is_leased_in_the_order_of_acceptance
    what_failed_is_tried_again_before_those_behind_it
    a_lease_that_comes_back_lets_nobody_pass
    after_a_kill_the_one_that_was_leased_comes_first_again
    a_dead_one_lets_the_next_one_pass_which_is_flagged
    the_one_that_comes_after_a_dead_one_is_flagged_and_only_that_one
    one_that_fails_for_longer_than_it_may_is_passed_and_both_are_flagged
    one_that_failed_for_long_and_was_passed_by_nobody_is_not_flagged
    thousands_behind_one_that_fails_take_no_room_from_others
    who_is_next_in_line_is_behind_nobody_and_who_waits_for_a_retry_of_another_is
}

pub const HOUR: i64 = 3_600_000;

pub fn later(house: &House) -> Next {
    Next::RetryAt(house.clock.now().plus(Duration::from_secs(3_600)))
}

/// Stores an event of that value; whether it was leased at once.
pub async fn add(store: &Arc<dyn Store>, number: usize, value: &str) -> Vec<Lease> {
    let (_, leases, deferred) = stored(store, in_order(event(number), &["orders"], value)).await;
    assert_eq!(leases.len() + deferred.len(), 1, "it is leased, or its lane is told");
    leases
}

/// The numbers of what is leased now, with whether each is flagged.
pub async fn lease(store: &Arc<dyn Store>) -> Vec<(Lease, usize, bool)> {
    let leases = store.lease(&name("orders"), 100).await.unwrap().leases;
    let number = |lease: &Lease| (0..).find(|number| event(*number).id == lease.event.id).unwrap();
    let flagged = |lease: &Lease| lease.event.flags.contains(Flags::OUT_OF_ORDER);
    leases
        .into_iter()
        .map(|lease| (number(&lease), flagged(&lease), lease))
        .map(|(number, flagged, lease)| (lease, number, flagged))
        .collect()
}

/// The only one that is leased now.
pub async fn lease_one(store: &Arc<dyn Store>, number: usize, flagged: bool) -> Lease {
    let mut leased = lease(store).await;
    assert_eq!(leased.iter().map(|(_, number, flagged)| (*number, *flagged)).collect::<Vec<_>>(), [(number, flagged)]);
    leased.remove(0).0
}

pub async fn nothing_to_lease(store: &Arc<dyn Store>) {
    assert_eq!(lease(store).await.len(), 0);
}

pub async fn settle(store: &Arc<dyn Store>, lease: &Lease, next: Next) {
    store.settle(settlement(lease, next)).await.unwrap();
}

async fn of_one_value_one_at_a_time_is_leased_in_the_order_of_acceptance(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut first = add(&store, 0, "a").await.remove(0);
    let other = add(&store, 1, "b").await.remove(0);
    for number in 2..6 {
        assert!(add(&store, number, "a").await.is_empty(), "{number} waits for the first of its value");
    }
    let leased = store.lease(&name("orders"), 100).await.unwrap();
    assert!(leased.leases.is_empty() && leased.next_due.is_none(), "nothing to wait for: {leased:?}");
    for number in 2..6 {
        settle(&store, &first, Next::Delivered).await;
        first = lease_one(&store, number, false).await;
        nothing_to_lease(&store).await;
    }
    settle(&store, &other, Next::Delivered).await;
    assert_eq!(add(&store, 6, "b").await.len(), 1, "a value of which nothing waits is leased at once");
    settle(&store, &first, Next::Delivered).await;
    nothing_to_lease(&store).await;
}

async fn what_failed_is_tried_again_before_those_behind_it(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut first = add(&store, 0, "a").await.remove(0);
    add(&store, 1, "a").await;
    for attempt in 1..4 {
        settle(&store, &first, Next::RetryAt(house.clock.now())).await;
        first = lease_one(&store, 0, false).await;
        assert_eq!(first.attempts, attempt);
    }
    settle(&store, &first, later(&house)).await;
    let leased = store.lease(&name("orders"), 100).await.unwrap();
    let held_for = leased.next_due.expect("the next may go some time").since(house.clock.now());
    assert!(leased.leases.is_empty() && held_for <= ORDER_WAIT, "{held_for:?}");
    store.retry(event(0).id, None).await.unwrap();
    let first = lease_one(&store, 0, false).await;
    settle(&store, &first, Next::Delivered).await;
    lease_one(&store, 1, false).await;
}

async fn a_lease_that_comes_back_lets_nobody_pass(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    add(&store, 1, "a").await;
    store.give_back(vec![first]);
    let first = lease_one(&store, 0, false).await;
    settle(&store, &first, Next::Delivered).await;
    lease_one(&store, 1, false).await;
}

async fn after_a_kill_the_one_that_was_leased_comes_first_again(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    add(&store, 0, "a").await;
    add(&store, 1, "a").await;
    let failing = add(&store, 2, "b").await.remove(0);
    add(&store, 3, "b").await;
    settle(&store, &failing, later(&house)).await;
    until_states(&store, event(2).id, &[DeliveryStatus::Retrying]).await;
    let (house, store) = house.killed();
    let first = lease_one(&store, 0, false).await;
    settle(&store, &first, Next::Delivered).await;
    let second = lease_one(&store, 1, false).await;
    settle(&store, &second, Next::Delivered).await;
    nothing_to_lease(&store).await;
    store.close().await.unwrap();
    drop(store);
    let store = house.open();
    nothing_to_lease(&store).await;
    house.clock.jump(2 * HOUR);
    let failed = lease_one(&store, 2, false).await;
    settle(&store, &failed, Next::Delivered).await;
    lease_one(&store, 3, false).await;
}

async fn a_dead_one_lets_the_next_one_pass_which_is_flagged(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    add(&store, 1, "a").await;
    add(&store, 2, "a").await;
    settle(&store, &first, Next::Dead).await;
    let second = lease_one(&store, 1, true).await;
    settle(&store, &second, Next::RetryAt(house.clock.now())).await;
    let second = lease_one(&store, 1, true).await;
    settle(&store, &second, Next::Delivered).await;
    lease_one(&store, 2, false).await;
}

async fn the_one_that_comes_after_a_dead_one_is_flagged_and_only_that_one(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for round in [0, 10] {
        let first = lease_or_add(&store, round, false).await;
        settle(&store, &first, Next::Dead).await;
        let second = lease_or_add(&store, round + 1, true).await;
        settle(&store, &second, Next::Delivered).await;
        let third = lease_or_add(&store, round + 2, false).await;
        settle(&store, &third, Next::Delivered).await;
    }
    store.retry(event(0).id, None).await.unwrap();
    let again = lease_one(&store, 0, true).await;
    settle(&store, &again, Next::Dead).await;
    let next = lease_or_add(&store, 20, true).await;
    settle(&store, &next, Next::Delivered).await;
    let alone = add(&store, 21, "b").await.remove(0);
    settle(&store, &alone, Next::Dead).await;
    store.retry(event(21).id, None).await.unwrap();
    lease_one(&store, 21, false).await;
}

async fn lease_or_add(store: &Arc<dyn Store>, number: usize, flagged: bool) -> Lease {
    match add(store, number, "a").await.pop() {
        Some(lease) => {
            assert_eq!(lease.event.flags.contains(Flags::OUT_OF_ORDER), flagged, "{number}");
            lease
        }
        None => lease_one(store, number, flagged).await,
    }
}

async fn one_that_fails_for_longer_than_it_may_is_passed_and_both_are_flagged(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    for number in 1..4 {
        add(&store, number, "a").await;
    }
    settle(&store, &first, later(&house)).await;
    nothing_to_lease(&store).await;
    house.clock.jump(300_000);
    nothing_to_lease(&store).await;
    house.clock.jump(301_000);
    let second = lease_one(&store, 1, true).await;
    settle(&store, &second, Next::RetryAt(house.clock.now().plus(Duration::from_secs(60)))).await;
    nothing_to_lease(&store).await;
    house.clock.jump(61_000);
    let second = lease_one(&store, 1, true).await;
    settle(&store, &second, Next::Delivered).await;
    let third = lease_one(&store, 2, true).await;
    house.clock.jump(HOUR);
    nothing_to_lease(&store).await;
    settle(&store, &third, Next::Delivered).await;
    let mut leased = lease(&store).await;
    assert_eq!(leased.len(), 1, "one at a time, also of those that are passed");
    let (next, number, flagged) = leased.remove(0);
    assert_eq!((number, flagged), (0, true), "it has waited longest");
    settle(&store, &next, Next::Delivered).await;
    lease_one(&store, 3, false).await;
}

async fn one_that_failed_for_long_and_was_passed_by_nobody_is_not_flagged(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    settle(&store, &first, later(&house)).await;
    house.clock.jump(2 * HOUR);
    let first = lease_one(&store, 0, false).await;
    add(&store, 1, "a").await;
    settle(&store, &first, Next::Delivered).await;
    lease_one(&store, 1, false).await;
}

async fn thousands_behind_one_that_fails_take_no_room_from_others(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    settle(&store, &first, later(&house)).await;
    assert_eq!(at_once(&store, 5_000, |number| in_order(event(number + 1), &["orders"], "a")).await, 0);
    let others = at_once(&store, WINDOW, |number| in_order(event(20_000 + number), &["orders"], &format!("b {number}"))).await;
    assert_eq!(others, WINDOW, "the window is as wide as before");
    let stats = store.stats().await.unwrap().destinations.remove(0);
    assert_eq!((stats.ready, stats.retrying, stats.held_back), (WINDOW as u64, 1, 5_000), "one that failed, and all behind it");
    assert!(add(&store, 30_000, "c").await.is_empty(), "now it is full");
}

/// Stores so many events, many of them in one commit; gives how many were leased.
pub async fn at_once(store: &Arc<dyn Store>, count: usize, new: fn(usize) -> NewEvent) -> usize {
    let task = |number| {
        let store = store.clone();
        hookgate::tasks::spawn(async move { stored(&store, new(number)).await.1.len() })
    };
    let mut leased = 0;
    for task in (0..count).map(task).collect::<Vec<_>>() {
        leased += task.await.unwrap();
    }
    leased
}

async fn who_is_next_in_line_is_behind_nobody_and_who_waits_for_a_retry_of_another_is(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let progress = async |number: usize| {
        let seq = store.event(event(number).id).await.unwrap().unwrap().summary.seq;
        store.progress(seq, &name("orders")).await.unwrap()
    };
    let first = add(&store, 1, "a").await;
    add(&store, 2, "a").await;
    assert_eq!(progress(2).await, hookgate::store::Progress::Open, "the first one is being attempted");
    store.settle(settlement(&first[0], Next::Delivered)).await.unwrap();
    add(&store, 3, "a").await;
    for number in [2, 3] {
        assert_eq!(progress(number).await, hookgate::store::Progress::Open, "nothing has failed, though nobody has asked for {number} yet");
    }
    let second = store.lease(&name("orders"), 9).await.unwrap().leases;
    store.settle(settlement(&second[0], later(&house))).await.unwrap();
    assert_eq!(progress(3).await, hookgate::store::Progress::Behind);
}
