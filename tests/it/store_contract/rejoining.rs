//! What comes back to a line, or was away with it: retried, repeated, parked, released, and what is left when others are removed.

use super::{
    ordering::{HOUR, add, at_once, later, lease, lease_one, nothing_to_lease, settle},
    *,
};
use hookgate::store::{Retried, WINDOW};

contract! {
    a_dead_one_that_is_retried_goes_to_the_end_of_its_line
    a_retry_of_one_that_waits_for_another_keeps_its_place
    a_duplicate_puts_a_dead_one_at_the_end_of_its_line
    what_was_parked_is_in_order_again
    a_destination_that_is_back_before_its_attempt_has_ended_gets_no_second_one
    a_new_one_is_in_line_behind_what_is_still_parked
    what_is_released_is_in_order_with_what_came_meanwhile
    a_removed_one_lets_the_next_one_go
}

async fn a_dead_one_that_is_retried_goes_to_the_end_of_its_line(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    for number in 1..3 {
        add(&store, number, "a").await;
    }
    settle(&store, &first, Next::Dead).await;
    let second = lease_one(&store, 1, true).await;
    let retried = store.retry(event(0).id, None).await.unwrap().unwrap();
    assert_eq!(retried, Retried { held_back: vec![name("orders")], ..Retried::default() });
    add(&store, 3, "a").await;
    settle(&store, &second, Next::Delivered).await;
    for (number, flagged) in [(2, false), (0, true), (3, false)] {
        let lease = lease_one(&store, number, flagged).await;
        assert_eq!((lease.attempts, lease.run), if number == 0 { (1, Run::default()) } else { (0, Run::default()) });
        settle(&store, &lease, Next::Delivered).await;
    }
    nothing_to_lease(&store).await;
}

async fn a_retry_of_one_that_waits_for_another_keeps_its_place(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    for number in 1..3 {
        add(&store, number, "a").await;
    }
    settle(&store, &first, later(&house)).await;
    for number in [2, 1] {
        let retried = store.retry(event(number).id, None).await.unwrap().unwrap();
        assert_eq!(retried, Retried { held_back: vec![name("orders")], ..Retried::default() }, "{number}");
    }
    nothing_to_lease(&store).await;
    let retried = store.retry(event(0).id, None).await.unwrap().unwrap();
    assert_eq!(retried, Retried { due: vec![name("orders")], ..Retried::default() });
    for number in 0..3 {
        let lease = lease_one(&store, number, false).await;
        settle(&store, &lease, Next::Delivered).await;
    }
}

async fn a_duplicate_puts_a_dead_one_at_the_end_of_its_line(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    add(&store, 1, "a").await;
    settle(&store, &first, Next::Dead).await;
    let Appended::Duplicate { due, .. } = store.append(in_order(event(0), &["orders"], "a")).await.unwrap() else { panic!("it is known") };
    assert_eq!(due, [name("orders")], "its lane is told");
    let second = lease_one(&store, 1, true).await;
    settle(&store, &second, Next::Delivered).await;
    let first = lease_one(&store, 0, true).await;
    settle(&store, &first, Next::Delivered).await;
    house.clock.jump(2 * HOUR);
    let mut again = event(0);
    again.received_at = house.clock.now();
    store.append(in_order(again, &["orders"], "a")).await.unwrap();
    let repeated = lease(&store).await.remove(0).0;
    assert!(repeated.event.flags.contains(Flags::REPEATED) && repeated.order.is_some());
    assert!(add(&store, 2, "a").await.is_empty());
    settle(&store, &repeated, Next::Delivered).await;
    lease_one(&store, 2, false).await;
}

async fn what_was_parked_is_in_order_again(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    add(&store, 1, "a").await;
    settle(&store, &first, Next::Dead).await;
    let second = lease_one(&store, 1, true).await;
    for number in 2..4 {
        add(&store, number, "a").await;
    }
    store.retry(event(0).id, None).await.unwrap();
    settle(&store, &second, later(&house)).await;
    store.serve(Vec::new()).await.unwrap();
    let (_, leases, _) = stored(&store, in_order(event(4), &["orders"], "a")).await;
    assert!(leases.is_empty());
    let (_house, store) = house.killed();
    store.serve(vec![name("orders")]).await.unwrap();
    for (number, flagged) in [(1, true), (2, false), (3, false), (0, true), (4, false)] {
        let lease = lease_one(&store, number, flagged).await;
        settle(&store, &lease, Next::Delivered).await;
    }
}

async fn a_destination_that_is_back_before_its_attempt_has_ended_gets_no_second_one(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let first = add(&store, 0, "a").await.remove(0);
    add(&store, 1, "a").await;
    for served in [vec![], vec![name("orders")]] {
        store.serve(served).await.unwrap();
        nothing_to_lease(&store).await;
    }
    let (_house, killed) = house.killed();
    lease_one(&killed, 0, false).await;
    settle(&store, &first, Next::Delivered).await;
    lease_one(&store, 1, false).await;
}

async fn a_new_one_is_in_line_behind_what_is_still_parked(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    store.serve(Vec::new()).await.unwrap();
    at_once(&store, 500, |number| to(event(number), &["orders"])).await;
    for number in 500..503 {
        stored(&store, in_order(event(number), &["orders"], "a")).await;
    }
    // Polled once: the destination is served from then on, and the first 500 are taken up.
    let _ = tokio::time::timeout(Duration::ZERO, store.serve(vec![name("orders")])).await;
    assert!(add(&store, 503, "a").await.is_empty());
    store.serve(vec![name("orders")]).await.unwrap();
    for number in 500..=503 {
        let mut leases = store.lease(&name("orders"), WINDOW).await.unwrap().leases;
        leases.retain(|lease| lease.order.is_some());
        assert_eq!(leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(), [event(number).id]);
        settle(&store, &leases[0], Next::Delivered).await;
    }
}

async fn what_is_released_is_in_order_with_what_came_meanwhile(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut kept_back = event(0);
    kept_back.verdict = Verdict::Quarantined(hookgate::domain::event::Reason::Ambiguous);
    let new = in_order(kept_back, &["orders"], "a");
    let plan = new.plan.clone();
    store.append(new).await.unwrap();
    let first = add(&store, 1, "a").await.remove(0);
    store.release(event(0).id, plan).await.unwrap();
    nothing_to_lease(&store).await;
    settle(&store, &first, Next::Delivered).await;
    let released = lease(&store).await.remove(0).0;
    assert!(released.event.flags.contains(Flags::RELEASED));
}

async fn a_removed_one_lets_the_next_one_go(engine: Engine) {
    loop {
        let house = House { keep_unresolved: Duration::from_secs(1), ..House::new(engine) };
        let store = house.open();
        store.serve(Vec::new()).await.unwrap();
        stored(&store, in_order(event(0), &["orders"], "a")).await;
        at_once(&store, 500, |number| to(event(1 + number), &["other"])).await;
        // Polled once: 500 are taken up, of one destination after the other.
        let _ = tokio::time::timeout(Duration::ZERO, store.serve(vec![name("orders"), name("other")])).await;
        store.stats().await.unwrap();
        assert!(add(&store, 501, "a").await.is_empty());
        if states(&store, event(0).id).await != [DeliveryStatus::Parked] {
            continue;
        }
        until("the first one to be removed", || async {
            store.expire().await.unwrap();
            store.event(event(0).id).await.unwrap().is_none()
        })
        .await;
        lease_one(&store, 501, false).await;
        return;
    }
}
