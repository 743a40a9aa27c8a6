//! What operators decide: an event leaves quarantine and goes on, or it is closed.

use super::*;
use hookgate::{
    domain::event::Reason,
    store::{Discarded, EventStatus, Released},
};

contract! {
    a_released_event_goes_where_the_plan_says
    only_what_is_in_quarantine_is_released
    a_released_event_that_no_rule_matches_is_unmatched
    a_discarded_event_is_dropped_and_its_dead_deliveries_are_discarded
    what_was_decided_is_there_after_a_kill
    what_was_closed_goes_after_keep
}

async fn quarantined(store: &Arc<dyn Store>, number: usize) -> EventId {
    let mut kept_back = event(number);
    kept_back.verdict = Verdict::Quarantined(Reason::Ambiguous);
    let id = kept_back.id;
    assert!(matches!(store.append(to(kept_back, &["orders"])).await.unwrap(), Appended::Stored { .. }));
    id
}

fn plan(destinations: &[&str]) -> Plan {
    to(event(0), destinations).plan
}

fn due(destinations: &[&str]) -> Option<Released> {
    Some(Released::Released { due: destinations.iter().map(|text| name(text)).collect() })
}

async fn status(store: &Arc<dyn Store>, id: EventId) -> EventStatus {
    store.event(id).await.unwrap().unwrap().summary.status()
}

async fn a_released_event_goes_where_the_plan_says(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let id = quarantined(&store, 1).await;
    assert_eq!(store.stats().await.unwrap().quarantined.len(), 1);
    store.serve(vec![name("orders")]).await.unwrap();
    assert_eq!(store.release(id, plan(&["orders", "gone"])).await.unwrap(), due(&["orders"]));
    assert_eq!(states(&store, id).await, [DeliveryStatus::Waiting, DeliveryStatus::Parked]);
    let lease = store.lease(&name("orders"), 10).await.unwrap().leases.remove(0);
    assert_eq!((lease.event.id, lease.event.flags, &*lease.rules), (id, Flags::RELEASED, &[name("all")][..]));
    assert_eq!(store.body(lease.event.seq).await.unwrap().unwrap(), "{\"number\":1}");
    store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
    assert!(store.stats().await.unwrap().quarantined.iter().all(|(.., count)| *count == 0));
}

async fn only_what_is_in_quarantine_is_released(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    assert_eq!(store.release(event(1).id, plan(&["orders"])).await.unwrap(), None);
    stored(&store, to(event(1), &["orders"])).await;
    assert_eq!(store.release(event(1).id, plan(&["audit"])).await.unwrap(), Some(Released::NotQuarantined));
    assert_eq!(states(&store, event(1).id).await.len(), 1);
    let id = quarantined(&store, 2).await;
    assert_eq!(store.release(id, plan(&["orders"])).await.unwrap(), due(&["orders"]));
    assert_eq!(store.release(id, plan(&["orders"])).await.unwrap(), Some(Released::NotQuarantined), "once is enough");
}

async fn a_released_event_that_no_rule_matches_is_unmatched(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let id = quarantined(&store, 1).await;
    assert_eq!(store.release(id, plan(&[])).await.unwrap(), due(&[]));
    assert_eq!(status(&store, id).await, EventStatus::Unmatched);
}

async fn a_discarded_event_is_dropped_and_its_dead_deliveries_are_discarded(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    assert_eq!(store.discard(event(1).id).await.unwrap(), None);
    let (_, leases, _) = stored(&store, to(event(1), &["dead", "done", "out"])).await;
    store.settle(settlement(&leases[0], Next::Dead)).await.unwrap();
    store.settle(settlement(&leases[1], Next::Delivered)).await.unwrap();
    let discarded = Discarded { was_quarantined: false, deliveries: vec![name("dead")] };
    assert_eq!(store.discard(event(1).id).await.unwrap(), Some(discarded));
    assert_eq!(store.discard(event(1).id).await.unwrap(), Some(Discarded::default()));
    let (discarded, delivered, waiting) = (DeliveryStatus::Discarded, DeliveryStatus::Delivered, DeliveryStatus::Waiting);
    assert_eq!(states(&store, event(1).id).await, [discarded, delivered, waiting]);
    assert_eq!(store.retry(event(1).id, Some(name("dead"))).await.unwrap().unwrap().due, []);
    let id = quarantined(&store, 2).await;
    assert_eq!(store.discard(id).await.unwrap(), Some(Discarded { was_quarantined: true, deliveries: Vec::new() }));
    assert_eq!(status(&store, id).await, EventStatus::Dropped);
    assert_eq!(store.release(id, plan(&["orders"])).await.unwrap(), Some(Released::NotQuarantined));
}

async fn what_was_decided_is_there_after_a_kill(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (released, dropped) = (quarantined(&store, 1).await, quarantined(&store, 2).await);
    store.release(released, plan(&["orders"])).await.unwrap();
    store.discard(dropped).await.unwrap();
    let (_other, store) = house.killed();
    assert_eq!(status(&store, dropped).await, EventStatus::Dropped);
    let leases = store.lease(&name("orders"), 10).await.unwrap().leases;
    assert_eq!(leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(), [released]);
}

async fn what_was_closed_goes_after_keep(engine: Engine) {
    let mut house = House::new(engine);
    house.keep = Duration::ZERO;
    let store = house.open();
    let (closed, left) = (quarantined(&store, 1).await, quarantined(&store, 2).await);
    let passed = to(event(3), &[]);
    stored(&store, passed).await;
    until("removal has passed them", || async {
        store.expire().await.unwrap();
        let mut dropped = to(event(4), &[]);
        dropped.plan.routing = Routing::Dropped;
        store.append(dropped).await.unwrap();
        until("it is indexed", || async { store.expire().await.unwrap().removed > 0 }).await;
        store.event(event(4).id).await.unwrap().is_none()
    })
    .await;
    store.discard(closed).await.unwrap();
    until("the closed one goes", || async {
        store.expire().await.unwrap();
        store.event(closed).await.unwrap().is_none()
    })
    .await;
    assert_eq!(status(&store, left).await, EventStatus::Quarantined);
}
