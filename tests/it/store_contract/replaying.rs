//! What operators send again: one event, where it went, elsewhere, or where other rules send it.

use super::*;
use hookgate::{
    domain::event::Reason,
    store::{Replayed, Retried, Selection},
};

contract! {
    whatever_became_of_a_delivery_its_replay_is_a_fresh_run_with_a_flag_and_counts_on
    what_is_on_its_way_is_not_doubled
    what_waits_for_its_turn_keeps_its_place_and_is_no_replay
    a_replay_goes_also_where_the_event_never_went
    a_replay_by_other_rules_goes_where_they_say_and_names_them
    what_went_nowhere_goes_somewhere_once_an_operator_or_a_rule_says_so
    a_destination_that_is_not_served_is_left_out_and_named
    neither_quarantine_nor_what_was_discarded_is_replayed
    a_replay_is_there_after_a_kill
    a_repeat_of_a_replayed_event_has_both_flags
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn begun(due: &[&str], in_flight: &[&str], removed: &[&str]) -> Option<Replayed> {
    Some(Replayed::Begun(Retried { due: names(due), in_flight: names(in_flight), removed: names(removed), ..Retried::default() }))
}

fn elsewhere(destinations: &[&str]) -> Selection {
    Selection::to(&names(destinations))
}

async fn lease(store: &Arc<dyn Store>, destination: &str) -> Lease {
    let mut leased = store.lease(&name(destination), 10).await.unwrap();
    assert_eq!(leased.leases.len(), 1, "{destination}");
    leased.leases.remove(0)
}

async fn whatever_became_of_a_delivery_its_replay_is_a_fresh_run_with_a_flag_and_counts_on(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    assert_eq!(store.replay(event(1).id, Selection::Planned).await.unwrap(), None);
    let all_of_them = ["done", "dead", "later", "closed"];
    let (_, leases, _) = stored(&store, to(event(1), &all_of_them)).await;
    let ends = [Next::Delivered, Next::Dead, Next::RetryAt(in_an_hour()), Next::Dead];
    for (lease, next) in leases.iter().zip(ends).rev() {
        store.settle(settlement(lease, next)).await.unwrap();
        if *lease.destination == *"closed" {
            store.discard(event(1).id).await.unwrap();
        }
    }
    for turn in 1..3 {
        assert_eq!(store.replay(event(1).id, Selection::Planned).await.unwrap(), begun(&all_of_them, &[], &[]));
        assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Waiting; 4]);
        for destination in all_of_them {
            let lease = lease(&store, destination).await;
            assert_eq!((lease.event.id, lease.attempts, lease.run), (event(1).id, turn, Run::default()), "{destination}");
            assert_eq!((lease.event.flags, &*lease.rules), (Flags::REPLAYED, &[name("all")][..]));
            store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
        }
        until("all attempts are kept", || async {
            store.event(event(1).id).await.unwrap().unwrap().attempts.len() == 4 * (turn as usize + 1)
        })
        .await;
    }
}

async fn what_is_on_its_way_is_not_doubled(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["out", "done"])).await;
    store.settle(settlement(&leases[1], Next::Delivered)).await.unwrap();
    assert_eq!(store.replay(event(1).id, Selection::Planned).await.unwrap(), begun(&["done"], &["out"], &[]));
    assert!(store.lease(&name("out"), 10).await.unwrap().leases.is_empty());
    let again = lease(&store, "done").await;
    assert_eq!(store.replay(event(1).id, elsewhere(&["done", "out"])).await.unwrap(), begun(&[], &["done", "out"], &[]));
    for lease in [&leases[0], &again] {
        store.settle(settlement(lease, Next::Delivered)).await.unwrap();
    }
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered; 2]).await;
    assert!(store.lease(&name("done"), 10).await.unwrap().leases.is_empty());
}

async fn what_waits_for_its_turn_keeps_its_place_and_is_no_replay(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    for number in 1..4 {
        stored(&store, to(event(number), &["orders"])).await;
    }
    store.close().await.unwrap();
    drop(store);
    store = house.open();
    assert_eq!(store.replay(event(1).id, Selection::Planned).await.unwrap(), begun(&[], &["orders"], &[]));
    let leases = store.lease(&name("orders"), 10).await.unwrap().leases;
    assert_eq!(leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(), [1, 2, 3].map(|number| event(number).id));
    assert!(leases.iter().all(|lease| lease.event.flags == Flags::default()));
}

async fn a_replay_goes_also_where_the_event_never_went(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    assert_eq!(store.replay(event(1).id, elsewhere(&["ledger"])).await.unwrap(), begun(&["ledger"], &[], &[]));
    assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Delivered, DeliveryStatus::Waiting]);
    let first = lease(&store, "ledger").await;
    assert_eq!((first.attempts, first.event.flags, first.rules.len()), (0, Flags::REPLAYED, 0), "no rule sends it there");
    // A crash before the settlement: it is made again, and has not forgotten what it is.
    store.close().await.unwrap();
    drop(store);
    store = house.open();
    let again = lease(&store, "ledger").await;
    assert_eq!(again.event.flags, Flags::REPLAYED);
    store.settle(settlement(&again, Next::RetryAt(house.clock.now()))).await.unwrap();
    until("its retry", || async { store.stats().await.unwrap().destinations.iter().all(|of| of.retrying == 0) }).await;
    assert_eq!(lease(&store, "ledger").await.event.flags, Flags::REPLAYED, "a retry is one too");
    assert!(store.lease(&name("orders"), 10).await.unwrap().leases.is_empty());
}

async fn a_replay_by_other_rules_goes_where_they_say_and_names_them(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders", "audit"])).await;
    for lease in &leases {
        store.settle(settlement(lease, Next::Delivered)).await.unwrap();
    }
    let mut plan = to(event(1), &["orders", "ledger"]).plan;
    plan.targets.iter_mut().for_each(|target| target.rules = names(&["new"]));
    (plan.rules, plan.answer) = (names(&["all", "new"]), Respond::Now(200));
    assert_eq!(store.replay(event(1).id, Selection::Rerouted(plan)).await.unwrap(), begun(&["orders", "ledger"], &[], &[]));
    for destination in ["orders", "ledger"] {
        let lease = lease(&store, destination).await;
        assert_eq!((&*lease.rules, lease.event.flags), (&names(&["new"])[..], Flags::REPLAYED), "{destination}");
    }
    let summary = store.event(event(1).id).await.unwrap().unwrap().summary;
    assert_eq!((summary.answer, summary.rules, summary.routing), (Some(201), names(&["all", "new"]), Routing::Routed));
    let targets: Vec<_> = summary.deliveries.iter().map(|delivery| (&*delivery.destination, &*delivery.rules[0])).collect();
    assert_eq!(targets, [("orders", "new"), ("audit", "all"), ("ledger", "new")]);
}

async fn what_went_nowhere_goes_somewhere_once_an_operator_or_a_rule_says_so(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let routing = async |number: usize| store.event(event(number).id).await.unwrap().unwrap().summary.routing;
    stored(&store, to(event(1), &[])).await;
    assert_eq!(store.replay(event(1).id, Selection::Planned).await.unwrap(), begun(&[], &[], &[]));
    assert_eq!(store.replay(event(1).id, Selection::Rerouted(to(event(1), &[]).plan)).await.unwrap(), begun(&[], &[], &[]));
    assert_eq!(routing(1).await, Routing::Unmatched);
    let plan = Plan { rules: names(&["new"]), ..to(event(1), &["orders"]).plan };
    assert_eq!(store.replay(event(1).id, Selection::Rerouted(plan)).await.unwrap(), begun(&["orders"], &[], &[]));
    assert_eq!((routing(1).await, store.event(event(1).id).await.unwrap().unwrap().summary.rules), (Routing::Routed, names(&["new"])));
    let mut tapped = to(event(2), &["tap"]);
    tapped.plan.routing = Routing::Unmatched;
    let (_, leases, _) = stored(&store, tapped).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    assert_eq!(store.replay(event(2).id, elsewhere(&["tap"])).await.unwrap(), begun(&["tap"], &[], &[]));
    assert_eq!(routing(2).await, Routing::Unmatched, "a copy is no delivery that somebody decided on");
    assert_eq!(store.replay(event(2).id, elsewhere(&["orders"])).await.unwrap(), begun(&["orders"], &[], &[]));
    assert_eq!(routing(2).await, Routing::Routed);
}

async fn a_destination_that_is_not_served_is_left_out_and_named(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["kept", "gone", "parked"])).await;
    for lease in &leases[..2] {
        store.settle(settlement(lease, Next::Delivered)).await.unwrap();
    }
    store.settle(settlement(&leases[2], Next::RetryAt(in_an_hour()))).await.unwrap();
    store.serve(names(&["kept"])).await.unwrap();
    assert_eq!(store.replay(event(1).id, Selection::Planned).await.unwrap(), begun(&["kept"], &[], &["gone", "parked"]));
    assert_eq!(store.replay(event(1).id, elsewhere(&["never seen"])).await.unwrap(), begun(&[], &[], &["never seen"]));
    assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Waiting, DeliveryStatus::Delivered, DeliveryStatus::Parked]);
    store.serve(names(&["kept", "gone", "parked"])).await.unwrap();
    assert_eq!(lease(&store, "parked").await.event.flags, Flags::default(), "what was left out is no replay");
    assert!(store.lease(&name("gone"), 10).await.unwrap().leases.is_empty());
}

async fn neither_quarantine_nor_what_was_discarded_is_replayed(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut kept_back = event(1);
    kept_back.verdict = Verdict::Quarantined(Reason::Ambiguous);
    store.append(to(kept_back, &["orders"])).await.unwrap();
    let selections = || [Selection::Planned, elsewhere(&["orders"]), Selection::Rerouted(to(event(1), &["orders"]).plan)];
    for selection in selections() {
        assert_eq!(store.replay(event(1).id, selection).await.unwrap(), Some(Replayed::Quarantined));
    }
    store.discard(event(1).id).await.unwrap();
    for selection in selections() {
        assert_eq!(store.replay(event(1).id, selection).await.unwrap(), Some(Replayed::Discarded));
    }
    assert_eq!(states(&store, event(1).id).await, []);
}

async fn a_replay_is_there_after_a_kill(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    assert_eq!(store.replay(event(1).id, elsewhere(&["orders", "ledger"])).await.unwrap(), begun(&["orders", "ledger"], &[], &[]));
    let (_other, store) = house.killed();
    for destination in ["orders", "ledger"] {
        assert_eq!(lease(&store, destination).await.event.flags, Flags::REPLAYED, "{destination}");
    }
}

async fn a_repeat_of_a_replayed_event_has_both_flags(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    store.replay(event(1).id, Selection::Planned).await.unwrap();
    let again = lease(&store, "orders").await;
    store.settle(settlement(&again, Next::Delivered)).await.unwrap();
    let long_after = NewEvent { dedupe: Duration::ZERO, ..to(event(1), &["orders"]) };
    assert!(matches!(store.append(long_after).await.unwrap(), Appended::Duplicate { due, .. } if due == names(&["orders"])));
    assert_eq!(lease(&store, "orders").await.event.flags, Flags::REPLAYED.with(Flags::REPEATED));
}
