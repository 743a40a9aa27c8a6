//! The same bytes again: what did not get through is helped, what did is not sent twice.

use super::*;
use hookgate::domain::event::Reason;

contract! {
    a_dead_delivery_is_due_again_with_a_fresh_run
    a_delivery_that_waits_for_its_retry_is_tried_now_unless_it_just_was
    what_is_on_its_way_is_left_alone
    what_was_delivered_is_absorbed_for_a_time_and_then_sent_again_with_a_flag
    what_went_nowhere_is_planned_anew
    another_source_adds_what_its_rules_say_and_repeats_nothing
    two_sources_at_once_both_get_their_destinations
    what_is_in_quarantine_stays_there
    what_was_discarded_does_not_come_back
    only_what_was_delivered_before_is_repeated
    a_drop_is_not_undone_by_another_source_that_has_no_rule
    a_removed_destination_is_not_woken
    what_was_helped_is_there_after_a_kill
}

/// Appends again, and gives the code and the destinations that are due.
async fn again(store: &Arc<dyn Store>, new: NewEvent) -> (u16, Vec<Name>) {
    match store.append(new).await.unwrap() {
        Appended::Duplicate { answer: Respond::Now(code), due, lease: None, .. } => (code, due),
        other => panic!("no duplicate: {other:?}"),
    }
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn at_source(source: &str, mut new: NewEvent) -> NewEvent {
    Arc::get_mut(&mut new.event).unwrap().source = name(source);
    new
}

async fn settled(store: &Arc<dyn Store>, lease: &Lease, next: Next) {
    store.settle(settlement(lease, next)).await.unwrap();
}

async fn lease(store: &Arc<dyn Store>, destination: &str) -> Lease {
    let leased = store.lease(&name(destination), 10).await.unwrap();
    assert_eq!(leased.leases.len(), 1, "{destination}");
    leased.leases.into_iter().next().unwrap()
}

async fn a_dead_delivery_is_due_again_with_a_fresh_run(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders", "audit"])).await;
    settled(&store, &leases[0], Next::Dead).await;
    settled(&store, &leases[1], Next::Delivered).await;
    assert_eq!(again(&store, to(event(1), &["orders", "audit"])).await, (201, names(&["orders"])));
    assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Waiting, DeliveryStatus::Delivered]);
    let lease = lease(&store, "orders").await;
    assert_eq!((lease.attempts, lease.run, lease.event.flags), (1, Run::default(), Flags::default()));
    settled(&store, &lease, Next::Delivered).await;
    assert_eq!(again(&store, to(event(1), &["orders", "audit"])).await.1, []);
    assert_eq!(store.event(event(1).id).await.unwrap().unwrap().attempts.len(), 3);
}

async fn a_delivery_that_waits_for_its_retry_is_tried_now_unless_it_just_was(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["lately", "long ago"])).await;
    settled(&store, &leases[0], Next::RetryAt(in_an_hour())).await;
    let mut before = settlement(&leases[1], Next::RetryAt(in_an_hour()));
    before.attempt.at = Timestamp::from_millis(house.clock.now().millis() - 30_000);
    store.settle(before).await.unwrap();
    assert_eq!(again(&store, to(event(1), &[])).await.1, names(&["long ago"]));
    assert!(store.lease(&name("lately"), 10).await.unwrap().leases.is_empty());
    let lease = lease(&store, "long ago").await;
    assert_eq!((lease.attempts, lease.run.attempts), (1, 1), "its run goes on");
}

async fn what_is_on_its_way_is_left_alone(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    assert_eq!(again(&store, to(event(1), &["orders"])).await.1, []);
    assert!(store.lease(&name("orders"), 10).await.unwrap().leases.is_empty());
    settled(&store, &leases[0], Next::Delivered).await;
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered]).await;
}

async fn what_was_delivered_is_absorbed_for_a_time_and_then_sent_again_with_a_flag(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    let mut hour_ago = settlement(&leases[0], Next::Delivered);
    hour_ago.attempt.at = Timestamp::from_millis(house.clock.now().millis() - 3_600_000);
    store.settle(hour_ago).await.unwrap();
    let longer = NewEvent { dedupe: Duration::from_secs(7_200), ..to(event(1), &["orders"]) };
    assert_eq!(again(&store, longer).await.1, []);
    assert_eq!(again(&store, to(event(1), &["orders"])).await.1, names(&["orders"]));
    let lease = lease(&store, "orders").await;
    assert_eq!((lease.attempts, lease.event.flags, lease.event.id), (1, Flags::REPEATED, event(1).id));
}

async fn what_went_nowhere_is_planned_anew(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for (number, routing) in [(1, Routing::Unmatched), (2, Routing::Dropped)] {
        let mut nowhere = to(event(number), &[]);
        (nowhere.plan.routing, nowhere.plan.answer) = (routing, Respond::Now(200));
        stored(&store, nowhere).await;
        let mut still = to(event(number), &[]);
        still.plan.answer = Respond::Now(200);
        assert_eq!(again(&store, still).await, (200, Vec::new()));
        assert_eq!(again(&store, to(event(number), &["orders"])).await, (201, names(&["orders"])));
        let summary = store.event(event(number).id).await.unwrap().unwrap().summary;
        assert_eq!((summary.routing, summary.answer, &*summary.rules), (Routing::Routed, Some(201), &[name("all")][..]));
        let lease = lease(&store, "orders").await;
        assert_eq!((lease.event.id, &*lease.rules, lease.attempts), (event(number).id, &[name("all")][..], 0));
        settled(&store, &lease, Next::Delivered).await;
        assert_eq!(again(&store, to(event(number), &["elsewhere"])).await, (201, Vec::new()), "it went somewhere");
    }
}

async fn another_source_adds_what_its_rules_say_and_repeats_nothing(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["done", "dead", "other"])).await;
    settled(&store, &leases[0], Next::Delivered).await;
    settled(&store, &leases[1], Next::Dead).await;
    settled(&store, &leases[2], Next::Dead).await;
    let mut there = at_source("second shop", to(event(1), &["done", "dead", "new"]));
    (there.plan.answer, there.dedupe) = (Respond::Now(200), Duration::ZERO);
    there.plan.rules = vec![name("all"), name("theirs")];
    assert_eq!(again(&store, there).await, (201, names(&["dead", "new"])));
    let summary = store.event(event(1).id).await.unwrap().unwrap().summary;
    assert_eq!((&*summary.source, &*summary.rules), ("shop", &[name("all"), name("theirs")][..]));
    let (delivered, dead, waiting) = (DeliveryStatus::Delivered, DeliveryStatus::Dead, DeliveryStatus::Waiting);
    assert_eq!(states(&store, event(1).id).await, [delivered, waiting, dead, waiting]);
    for destination in ["dead", "new"] {
        settled(&store, &lease(&store, destination).await, Next::Delivered).await;
    }
    until_states(&store, event(1).id, &[delivered, delivered, dead, delivered]).await;
}

async fn what_is_in_quarantine_stays_there(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut kept_back = event(1);
    kept_back.verdict = Verdict::Quarantined(Reason::Ambiguous);
    store.append(to(kept_back, &["orders"])).await.unwrap();
    assert_eq!(again(&store, to(event(1), &["orders"])).await.1, []);
    assert_eq!(again(&store, at_source("second shop", to(event(1), &["orders"]))).await.1, []);
    assert_eq!(states(&store, event(1).id).await, []);
}

async fn a_removed_destination_is_not_woken(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["gone", "kept"])).await;
    settled(&store, &leases[0], Next::Dead).await;
    settled(&store, &leases[1], Next::Dead).await;
    store.serve(names(&["kept"])).await.unwrap();
    assert_eq!(again(&store, to(event(1), &[])).await.1, names(&["kept"]));
    assert_eq!(again(&store, at_source("second shop", to(event(1), &["gone too"]))).await.1, []);
    let (dead, waiting, parked) = (DeliveryStatus::Dead, DeliveryStatus::Waiting, DeliveryStatus::Parked);
    assert_eq!(states(&store, event(1).id).await, [dead, waiting, parked]);
}

async fn what_was_helped_is_there_after_a_kill(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    settled(&store, &leases[0], Next::Dead).await;
    stored(&store, to(event(2), &[])).await;
    again(&store, to(event(1), &["orders"])).await;
    again(&store, to(event(2), &["audit"])).await;
    let (_other, store) = house.killed();
    assert_eq!(lease(&store, "orders").await.event.id, event(1).id);
    assert_eq!(lease(&store, "audit").await.event.id, event(2).id);
}

async fn two_sources_at_once_both_get_their_destinations(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for number in 0..50 {
        let (mine, theirs) = (to(event(number), &["orders"]), at_source("second shop", to(event(number), &["audit"])));
        let (one, other) = tokio::join!(store.append(mine), store.append(theirs));
        let stored = [one.unwrap(), other.unwrap()].into_iter().filter(|appended| matches!(appended, Appended::Stored { .. })).count();
        assert_eq!(stored, 1);
        assert_eq!(states(&store, event(number).id).await, [DeliveryStatus::Waiting; 2], "event {number}");
    }
}

async fn what_was_discarded_does_not_come_back(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    stored(&store, to(signed("one", "genuine"), &["orders"])).await;
    let forged = || to(signed("one", "forged"), &["orders"]);
    assert!(matches!(store.append(forged()).await.unwrap(), Appended::Variant { stored: true }));
    let id = signed("one", "forged").id;
    assert!(store.discard(id).await.unwrap().unwrap().was_quarantined);
    assert_eq!(again(&store, forged()).await.1, []);
    assert_eq!(again(&store, at_source("second shop", forged())).await.1, []);
    let summary = store.event(id).await.unwrap().unwrap().summary;
    assert_eq!((summary.routing, summary.flags, summary.deliveries.len()), (Routing::Dropped, Flags::DISCARDED, 0));
}

async fn only_what_was_delivered_before_is_repeated(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["done", "dead"])).await;
    settled(&store, &leases[0], Next::Delivered).await;
    settled(&store, &leases[1], Next::Dead).await;
    let long_after = NewEvent { dedupe: Duration::ZERO, ..to(event(1), &[]) };
    assert_eq!(again(&store, long_after).await.1, names(&["done", "dead"]));
    let first = lease(&store, "done").await;
    assert_eq!(first.event.flags, Flags::REPEATED);
    assert_eq!(lease(&store, "dead").await.event.flags, Flags::default());
    settled(&store, &first, Next::RetryAt(house.clock.now())).await;
    until("its retry", || async { store.stats().await.unwrap().destinations.iter().all(|of| of.retrying == 0) }).await;
    assert_eq!(lease(&store, "done").await.event.flags, Flags::REPEATED, "a retry is one too");
}

async fn a_drop_is_not_undone_by_another_source_that_has_no_rule(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut dropped = to(event(1), &[]);
    dropped.plan.routing = Routing::Dropped;
    stored(&store, dropped).await;
    let mut unmatched = at_source("second shop", to(event(1), &["tap"]));
    (unmatched.plan.routing, unmatched.plan.answer) = (Routing::Unmatched, Respond::Now(200));
    assert_eq!(again(&store, unmatched).await, (201, names(&["tap"])));
    let summary = store.event(event(1).id).await.unwrap().unwrap().summary;
    assert_eq!((summary.routing, summary.deliveries.len()), (Routing::Dropped, 1));
}
