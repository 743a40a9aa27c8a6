//! Leases, settlements, retries: what waits is tried, in its order, and nothing is lost.

use super::*;
use hookgate::store::{Retried, WINDOW};
use std::collections::HashSet;

contract! {
    beyond_the_window_deliveries_wait_in_their_order
    a_full_window_holds_up_no_other_destination
    each_settlement_leads_to_its_state
    a_failed_delivery_is_leased_again_when_it_is_due
    a_settlement_without_a_lease_changes_nothing
    after_a_kill_what_was_not_settled_is_leased_again
    a_retry_makes_what_is_dead_or_waiting_due_now
    leases_that_nobody_took_are_leased_again
    a_jump_of_the_clock_neither_holds_back_nor_repeats
}

async fn beyond_the_window_deliveries_wait_in_their_order(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut leases = Vec::new();
    for number in 0..WINDOW + 30 {
        let (_, leased, deferred) = stored(&store, to(event(number), &["orders"])).await;
        assert_eq!((leased.is_empty(), deferred.len()), (number >= WINDOW, usize::from(number >= WINDOW)));
        leases.extend(leased);
    }
    let full = store.lease(&name("orders"), 10).await.unwrap();
    assert!(full.leases.is_empty() && full.next_due.is_some_and(|due| due <= house.clock.now()));
    for lease in leases.drain(..20) {
        store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
    }
    // There is room, but others wait: the order of acceptance holds.
    let (_, leased, deferred) = stored(&store, to(event(WINDOW + 30), &["orders"])).await;
    assert_eq!((leased.len(), deferred), (0, vec![name("orders")]));
    let more = store.lease(&name("orders"), 15).await.unwrap();
    let order: Vec<_> = more.leases.iter().map(|lease| lease.event.id).collect();
    assert_eq!(order, (WINDOW..WINDOW + 15).map(|number| event(number).id).collect::<Vec<_>>());
    assert!(more.next_due.is_some_and(|due| due <= house.clock.now()));
    for lease in leases.drain(..20) {
        store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
    }
    let rest = store.lease(&name("orders"), 100).await.unwrap();
    assert_eq!(
        rest.leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>()[..],
        (WINDOW + 15..=WINDOW + 30).map(|number| event(number).id).collect::<Vec<_>>()[..]
    );
    assert_eq!(rest.next_due, None);
    let (_, leased, _) = stored(&store, to(event(WINDOW + 31), &["orders"])).await;
    assert_eq!(leased.len(), 1, "nothing waits any more");
}

async fn a_full_window_holds_up_no_other_destination(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for number in 0..WINDOW {
        stored(&store, to(event(number), &["slow"])).await;
    }
    let (_, leases, deferred) = stored(&store, to(event(WINDOW), &["slow", "fast"])).await;
    assert_eq!((leases[0].destination.clone(), leases.len(), deferred), (name("fast"), 1, vec![name("slow")]));
}

async fn each_settlement_leads_to_its_state(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["good", "busy", "gone", "idle"])).await;
    let later = in_an_hour();
    for (lease, next) in leases.iter().zip([Next::Delivered, Next::RetryAt(later), Next::Dead]) {
        store.settle(settlement(lease, next)).await.unwrap();
    }
    let wanted = [DeliveryStatus::Delivered, DeliveryStatus::Retrying, DeliveryStatus::Dead, DeliveryStatus::Waiting];
    until_states(&store, event(1).id, &wanted).await;
    let detail = store.event(event(1).id).await.unwrap().unwrap();
    let [good, busy, gone, idle] = &detail.summary.deliveries[..] else { panic!("four deliveries") };
    assert_eq!((good.attempts, good.next_attempt_at, good.last.as_ref().unwrap().status), (1, None, Some(200)));
    assert_eq!((busy.attempts, busy.next_attempt_at), (1, Some(later)));
    assert_eq!((gone.attempts, gone.next_attempt_at), (1, None));
    assert_eq!(gone.last.as_ref().unwrap().response.as_deref(), Some("busy"));
    assert_eq!((idle.attempts, idle.last.clone()), (0, None));
    assert_eq!(detail.attempts.len(), 3);
    let leased = store.lease(&name("busy"), 10).await.unwrap();
    assert_eq!((leased.leases.len(), leased.next_due), (0, Some(later)));
}

async fn a_failed_delivery_is_leased_again_when_it_is_due(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, mut leases, _) = stored(&store, to(event(1), &["orders"])).await;
    for number in 1..=3 {
        let lease = leases.remove(0);
        assert_eq!((lease.attempts, lease.run.attempts), (number - 1, number - 1));
        assert_eq!(lease.run.elapsed, Duration::from_millis(12) * (number - 1));
        store.settle(settlement(&lease, Next::RetryAt(house.clock.now()))).await.unwrap();
        leases = store.lease(&name("orders"), 10).await.unwrap().leases;
        assert_eq!(leases[0].rules, [name("all")]);
    }
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered]).await;
    let detail = store.event(event(1).id).await.unwrap().unwrap();
    assert_eq!(detail.attempts.iter().map(|(_, attempt)| attempt.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(detail.attempts[0].1.response.as_deref(), Some("busy"));
    assert_eq!(store.lease(&name("orders"), 10).await.unwrap().next_due, None);
}

async fn a_settlement_without_a_lease_changes_nothing(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    store.settle(settlement(&leases[0], Next::Dead)).await.unwrap();
    let mut stray = settlement(&leases[0], Next::Dead);
    stray.destination = name("never seen");
    store.settle(stray.clone()).await.unwrap();
    stray.seq = Seq(5);
    store.settle(stray).await.unwrap();
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered]).await;
    assert!(store.lease(&name("never seen"), 5).await.unwrap().leases.is_empty());
    assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Delivered]);
}

async fn after_a_kill_what_was_not_settled_is_leased_again(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut leases = Vec::new();
    for number in 0..10 {
        leases.extend(stored(&store, to(event(number), &["orders"])).await.1);
    }
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    store.settle(settlement(&leases[1], Next::Dead)).await.unwrap();
    store.settle(settlement(&leases[2], Next::RetryAt(in_an_hour()))).await.unwrap();
    until_states(&store, event(2).id, &[DeliveryStatus::Retrying]).await;
    let (_other, killed) = house.killed();
    let again = killed.lease(&name("orders"), 100).await.unwrap();
    assert_eq!(
        again.leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(),
        (3..10).map(|number| event(number).id).collect::<Vec<_>>()
    );
    assert!(again.leases.iter().all(|lease| lease.body.is_none() && lease.attempts == 0));
    assert!(again.next_due.is_some_and(|due| due > house.clock.now()));
    assert_eq!(states(&killed, event(1).id).await, [DeliveryStatus::Dead]);
}

async fn a_retry_makes_what_is_dead_or_waiting_due_now(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["dead", "later", "done", "busy"])).await;
    for (lease, next) in leases.iter().zip([Next::Dead, Next::RetryAt(in_an_hour()), Next::Delivered]) {
        store.settle(settlement(lease, next)).await.unwrap();
    }
    let retried = store.retry(event(1).id, None).await.unwrap().unwrap();
    assert_eq!((retried.due, retried.in_flight), (vec![name("dead"), name("later")], vec![name("busy")]));
    for destination in ["dead", "later"] {
        let lease = store.lease(&name(destination), 10).await.unwrap().leases.remove(0);
        assert_eq!((lease.attempts, lease.run), (1, Run::default()), "the number counts on, the run begins anew");
        store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
    }
    until_states(
        &store,
        event(1).id,
        &[DeliveryStatus::Delivered, DeliveryStatus::Delivered, DeliveryStatus::Delivered, DeliveryStatus::Waiting],
    )
    .await;
    assert_eq!(store.event(event(1).id).await.unwrap().unwrap().attempts.len(), 5);
    let nothing = store.retry(event(1).id, Some(name("done"))).await.unwrap();
    assert_eq!(nothing, Some(Retried::default()));
    assert_eq!(store.retry(event(1).id, Some(name("unknown"))).await.unwrap(), Some(Retried::default()));
    assert_eq!(store.retry(event(2).id, None).await.unwrap(), None);
}

async fn leases_that_nobody_took_are_leased_again(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut found = HashSet::new();
    for number in 0..20 {
        // Polled once, so that it is on its way; then its caller goes away, unless the store was quicker.
        let append = tokio::time::timeout(Duration::ZERO, store.append(to(event(number), &["orders"]))).await;
        if let Ok(Ok(Appended::Stored { leases, .. })) = append {
            found.extend(leases.iter().map(|lease| lease.event.id));
        }
    }
    let end = house.clock.instant() + Duration::from_secs(20);
    while found.len() < 20 {
        assert!(house.clock.instant() < end, "only {} of 20 within 20 s", found.len());
        let leased = tokio::time::timeout(Duration::from_secs(20), store.lease(&name("orders"), 100)).await.unwrap().unwrap();
        found.extend(leased.leases.iter().map(|lease| lease.event.id));
        tokio::task::yield_now().await;
    }
    for number in 0..20 {
        let _ = tokio::time::timeout(Duration::ZERO, store.lease(&name("orders"), 100)).await;
        assert!(found.contains(&event(number).id));
    }
}

async fn a_jump_of_the_clock_neither_holds_back_nor_repeats(engine: Engine) {
    const DAY: i64 = 86_400_000;
    for jump in [-3_650 * DAY, -DAY, DAY, 3_650 * DAY] {
        let house = House::new(engine);
        let store = house.open();
        let (_, leases, _) = stored(&store, to(event(1), &["orders", "audit"])).await;
        let lease = &leases[0];
        house.clock.jump(jump);
        store.settle(settlement(lease, Next::RetryAt(house.clock.now()))).await.unwrap();
        assert_eq!(store.lease(&name("orders"), 10).await.unwrap().leases.len(), 1, "due at once, {jump}");
        let later = house.clock.now().plus(Duration::from_secs(3_600));
        store.settle(settlement(&leases[1], Next::RetryAt(later))).await.unwrap();
        house.clock.jump(-jump);
        let leased = store.lease(&name("audit"), 10).await.unwrap();
        let wait = leased.next_due.map_or(Duration::ZERO, |due| due.since(house.clock.now()));
        assert!(wait <= Duration::from_secs(3_601), "held back for {wait:?} after {jump}");
        let (_, _, deferred) = stored(&store, to(event(2), &["new"])).await;
        assert!(deferred.is_empty());
        store.close().await.unwrap();
        drop(store);
        let store = house.open();
        assert_eq!(store.lease(&name("new"), 10).await.unwrap().leases.len(), 1);
        assert_eq!(store.lease(&name("orders"), 10).await.unwrap().leases.len(), 1);
    }
}
