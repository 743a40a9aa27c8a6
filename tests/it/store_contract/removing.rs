//! Removal: what is done goes after `keep`, what needs a look after `keep_unresolved`, what waits never.

use super::*;
use hookgate::domain::event::Reason;

contract! {
    finished_events_go_after_keep
    unresolved_events_go_after_keep_unresolved
    what_was_passed_over_goes_when_it_is_done
    events_younger_than_keep_stay_through_any_jump_of_the_clock
    removal_is_done_in_small_steps_and_leaves_nothing_behind
}

/// Stores one event of each fate; gives their ids in the order: delivered, dropped, dead, unmatched, quarantined, waiting.
async fn fates(store: &Arc<dyn Store>) -> [EventId; 6] {
    let (_, leases, _) = stored(store, to(event(0), &["orders", "audit"])).await;
    for lease in &leases {
        store.settle(settlement(lease, Next::Delivered)).await.unwrap();
    }
    let mut dropped = to(event(1), &[]);
    dropped.plan.routing = Routing::Dropped;
    stored(store, dropped).await;
    let (_, leases, _) = stored(store, to(event(2), &["orders", "audit"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    store.settle(settlement(&leases[1], Next::Dead)).await.unwrap();
    stored(store, to(event(3), &[])).await;
    let mut quarantined = event(4);
    quarantined.verdict = Verdict::Quarantined(Reason::Amount);
    stored(store, to(quarantined, &["orders"])).await;
    let (_, leases, _) = stored(store, to(event(5), &["orders", "audit"])).await;
    store.settle(settlement(&leases[0], Next::RetryAt(in_an_hour()))).await.unwrap();
    until_states(store, event(5).id, &[DeliveryStatus::Retrying, DeliveryStatus::Waiting]).await;
    [0, 1, 2, 3, 4, 5].map(|number| event(number).id)
}

/// Removes until nothing more goes and only `left` events are there.
async fn remove(store: &Arc<dyn Store>, left: &[EventId]) {
    until("only the others are left", || async {
        store.expire().await.unwrap();
        ids(store, all()).await.iter().rev().eq(left)
    })
    .await;
    for _ in 0..3 {
        assert_eq!(store.expire().await.unwrap().removed, 0);
    }
    assert!(ids(store, all()).await.iter().rev().eq(left));
}

async fn finished_events_go_after_keep(engine: Engine) {
    let mut house = House::new(engine);
    house.keep = Duration::ZERO;
    let store = house.open();
    let ids = fates(&store).await;
    remove(&store, &ids[2..]).await;
    for id in &ids[..2] {
        assert!(store.event(*id).await.unwrap().is_none());
    }
    assert!(matches!(store.append(to(event(0), &[])).await.unwrap(), Appended::Stored { .. }), "it is forgotten");
}

async fn unresolved_events_go_after_keep_unresolved(engine: Engine) {
    let mut house = House::new(engine);
    house.keep_unresolved = Duration::ZERO;
    let store = house.open();
    let ids = fates(&store).await;
    remove(&store, &[ids[0], ids[1], ids[5]]).await;
}

async fn what_was_passed_over_goes_when_it_is_done(engine: Engine) {
    let mut house = House::new(engine);
    (house.keep, house.keep_unresolved) = (Duration::ZERO, Duration::ZERO);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    stored(&store, to(event(2), &["orders"])).await;
    stored(&store, to(event(3), &[])).await;
    remove(&store, &[event(1).id, event(2).id]).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    remove(&store, &[event(2).id]).await;
}

async fn events_younger_than_keep_stay_through_any_jump_of_the_clock(engine: Engine) {
    const DAY: i64 = 86_400_000;
    let mut house = House::new(engine);
    (house.keep, house.keep_unresolved) = (Duration::from_secs(7_200), Duration::from_secs(7_200));
    let mut store = house.open();
    let ids = fates(&store).await;
    for jump in [DAY, -DAY, 3_650 * DAY, -7_300 * DAY, 3_650 * DAY] {
        house.clock.jump(jump);
        for _ in 0..3 {
            assert_eq!(store.expire().await.unwrap().removed, 0, "{jump}");
        }
        store.close().await.unwrap();
        drop(store);
        store = house.open();
        assert_eq!(store.expire().await.unwrap().removed, 0, "{jump}, after a restart");
    }
    assert!(super::ids(&store, all()).await.iter().rev().eq(&ids));
}

async fn removal_is_done_in_small_steps_and_leaves_nothing_behind(engine: Engine) {
    let mut house = House::new(engine);
    house.keep = Duration::ZERO;
    let store = house.open();
    let mut stays = Vec::new();
    for number in 0..1_000 {
        let leases = stored(&store, to(event(number), &["orders"])).await.1;
        if number % 100 == 0 {
            stays.push(event(number).id);
        } else {
            store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
        }
    }
    until_states(&store, event(999).id, &[DeliveryStatus::Delivered]).await;
    let mut removed = 0;
    let end = house.clock.instant() + Duration::from_secs(20);
    while removed < 990 {
        assert!(house.clock.instant() < end, "only {removed} of 990 within 20 s");
        let step = tokio::time::timeout(Duration::from_secs(20), store.expire()).await.unwrap().unwrap();
        assert!(step.removed <= 400, "{step:?} is no small step");
        removed += step.removed;
        tokio::task::yield_now().await;
    }
    assert!(ids(&store, all()).await.iter().rev().eq(&stays));
    let session = Query { session: Some("signature 5".into()), ..all() };
    assert!(ids(&store, session).await.is_empty());
    assert!(matches!(store.append(to(event(5), &[])).await.unwrap(), Appended::Stored { .. }));
}
