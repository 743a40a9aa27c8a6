//! Destinations that leave the rules file and come back: what waits for them is parked, seen, and lost in no way.

use super::*;
use hookgate::store::{DestinationStats, EventStatus, Retried, WINDOW};

contract! {
    what_waits_for_a_destination_that_goes_is_parked_and_waits_again_when_it_is_back
    leases_that_are_out_when_their_destination_goes_end_by_their_settlement
    a_lease_that_nobody_took_of_a_destination_that_went_is_parked
    an_event_for_a_destination_that_is_gone_is_parked_at_once
    nothing_of_a_destination_that_is_gone_is_retried
    parked_events_go_after_keep_unresolved
    a_parked_event_that_goes_while_its_attempt_is_under_way_leaves_nothing_behind
    many_are_parked_in_steps_between_which_events_come_in
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

async fn figures(store: &Arc<dyn Store>, of: &str) -> Option<DestinationStats> {
    store.stats().await.unwrap().destinations.into_iter().find(|stats| *stats.destination == *of)
}

async fn what_waits_for_a_destination_that_goes_is_parked_and_waits_again_when_it_is_back(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    let mut leases = Vec::new();
    for number in 0..5 {
        leases.extend(stored(&store, to(event(number), &["old"])).await.1);
    }
    for (lease, next) in leases.iter().zip([Next::Delivered, Next::Dead, Next::RetryAt(in_an_hour())]) {
        store.settle(settlement(lease, next)).await.unwrap();
    }
    let kept = stored(&store, to(event(5), &["kept", "old"])).await.1;
    store.settle(settlement(&kept[0], Next::RetryAt(in_an_hour()))).await.unwrap();
    // Twice in one process, then in two that only say it again.
    for turn in 0..4 {
        if turn > 1 {
            store.close().await.unwrap();
            drop(store);
            store = house.open();
        }
        store.serve(names(&["kept", "never seen"])).await.unwrap();
        assert_eq!(states(&store, event(0).id).await, [DeliveryStatus::Delivered]);
        assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Dead]);
        for number in 2..5 {
            assert_eq!(states(&store, event(number).id).await, [DeliveryStatus::Parked], "{number} in turn {turn}");
        }
        assert_eq!(states(&store, event(5).id).await, [DeliveryStatus::Retrying, DeliveryStatus::Parked]);
        let old = figures(&store, "old").await.unwrap();
        assert_eq!((old.ready, old.retrying, old.dead, old.parked, old.oldest), (0, 0, 1, 4, None));
        assert_eq!(figures(&store, "kept").await.unwrap().parked, 0);
        let leased = store.lease(&name("old"), 10).await.unwrap();
        assert!(leased.leases.is_empty() && leased.next_due.is_none(), "{leased:?}");
        let waiting = Query { status: Some(EventStatus::Waiting), ..all() };
        assert_eq!(ids(&store, waiting).await, [5, 4, 3, 2].map(|number| event(number).id));
    }
    store.serve(names(&["kept", "old"])).await.unwrap();
    let old = figures(&store, "old").await.unwrap();
    assert_eq!((old.ready, old.retrying, old.dead, old.parked), (4, 0, 1, 0));
    let (_, leased, deferred) = stored(&store, to(event(6), &["old"])).await;
    assert_eq!((leased.len(), deferred), (0, names(&["old"])), "what was parked is ahead of what comes now");
    let again = store.lease(&name("old"), 10).await.unwrap();
    let order: Vec<_> = again.leases.iter().map(|lease| lease.event.id).collect();
    assert_eq!(order, [2, 3, 4, 5, 6].map(|number| event(number).id), "all are due, in their order");
    assert_eq!(again.next_due, None);
    let failed = &again.leases[0];
    assert_eq!((failed.attempts, failed.run.attempts, failed.run.elapsed), (1, 1, Duration::from_millis(12)), "the run goes on");
    assert_eq!(store.lease(&name("kept"), 10).await.unwrap().leases.len(), 0, "what was due later still is");
}

async fn leases_that_are_out_when_their_destination_goes_end_by_their_settlement(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut leases = Vec::new();
    for number in 0..5 {
        leases.extend(stored(&store, to(event(number), &["old"])).await.1);
    }
    // Those of the last two are leased from rows.
    for lease in leases.drain(3..) {
        store.settle(settlement(&lease, Next::RetryAt(house.clock.now()))).await.unwrap();
    }
    leases.extend(store.lease(&name("old"), 2).await.unwrap().leases);
    assert_eq!(leases.len(), 5);
    store.serve(Vec::new()).await.unwrap();
    let nexts = [Next::Delivered, Next::RetryAt(in_an_hour()), Next::Dead, Next::RetryAt(in_an_hour()), Next::Delivered];
    for (lease, next) in leases.iter().zip(nexts) {
        store.settle(settlement(lease, next)).await.unwrap();
    }
    until_states(&store, event(4).id, &[DeliveryStatus::Delivered]).await;
    let (delivered, dead, parked) = (DeliveryStatus::Delivered, DeliveryStatus::Dead, DeliveryStatus::Parked);
    for (number, wanted) in [delivered, parked, dead, parked, delivered].into_iter().enumerate() {
        assert_eq!(states(&store, event(number).id).await, [wanted], "{number}");
    }
    store.serve(names(&["old"])).await.unwrap();
    let again = store.lease(&name("old"), 10).await.unwrap().leases;
    assert_eq!(again.iter().map(|lease| (lease.event.id, lease.attempts)).collect::<Vec<_>>(), [(event(1).id, 1), (event(3).id, 2)]);
    // It goes and is back while attempts are under way: none is leased a second time.
    store.serve(Vec::new()).await.unwrap();
    store.serve(names(&["old"])).await.unwrap();
    assert!(store.lease(&name("old"), 10).await.unwrap().leases.is_empty());
    store.settle(settlement(&again[0], Next::RetryAt(house.clock.now()))).await.unwrap();
    assert_eq!(store.lease(&name("old"), 10).await.unwrap().leases.len(), 1);
}

async fn a_lease_that_nobody_took_of_a_destination_that_went_is_parked(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut leased = Vec::new();
    for number in 0..20 {
        // Polled once, so that it is on its way; then its caller goes away, unless the store was quicker.
        let append = tokio::time::timeout(Duration::ZERO, store.append(to(event(number), &["old"]))).await;
        if let Ok(Ok(Appended::Stored { leases, .. })) = append {
            leased.extend(leases.iter().map(|lease| lease.event.id));
        }
    }
    store.serve(Vec::new()).await.unwrap();
    let stored = ids(&store, all()).await.len();
    assert!(stored > 0);
    let old = figures(&store, "old").await.unwrap();
    assert_eq!((old.parked, old.ready), (stored as u64, 0));
    store.serve(names(&["old"])).await.unwrap();
    let end = house.clock.instant() + Duration::from_secs(20);
    while leased.len() < stored {
        assert!(house.clock.instant() < end, "only {} of {stored} within 20 s", leased.len());
        leased.extend(store.lease(&name("old"), 100).await.unwrap().leases.iter().map(|lease| lease.event.id));
    }
    leased.sort_by_key(ToString::to_string);
    leased.dedup();
    assert_eq!(leased.len(), stored, "each is leased once");
}

async fn an_event_for_a_destination_that_is_gone_is_parked_at_once(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    store.serve(names(&["kept"])).await.unwrap();
    let (_, leases, deferred) = stored(&store, to(event(1), &["old", "kept"])).await;
    assert_eq!((leases[0].destination.clone(), leases.len(), deferred.len()), (name("kept"), 1, 0));
    assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Parked, DeliveryStatus::Waiting]);
    let (_other, store) = house.killed();
    assert_eq!(states(&store, event(1).id).await, [DeliveryStatus::Parked, DeliveryStatus::Waiting]);
    store.serve(names(&["old", "kept"])).await.unwrap();
    assert_eq!(store.lease(&name("old"), 10).await.unwrap().leases.len(), 1);
}

async fn nothing_of_a_destination_that_is_gone_is_retried(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["parked", "dead", "done", "kept", "out"])).await;
    for (lease, next) in leases.iter().zip([Next::RetryAt(in_an_hour()), Next::Dead, Next::Delivered, Next::Dead]) {
        store.settle(settlement(lease, next)).await.unwrap();
    }
    store.serve(names(&["kept"])).await.unwrap();
    let retried = store.retry(event(1).id, None).await.unwrap().unwrap();
    assert_eq!(
        retried,
        Retried { due: names(&["kept"]), held_back: Vec::new(), in_flight: names(&["out"]), removed: names(&["parked", "dead"]) }
    );
    let (parked, dead, done) = (DeliveryStatus::Parked, DeliveryStatus::Dead, DeliveryStatus::Delivered);
    assert_eq!(states(&store, event(1).id).await, [parked, dead, done, DeliveryStatus::Waiting, parked]);
    store.serve(names(&["dead"])).await.unwrap();
    let retried = store.retry(event(1).id, Some(name("dead"))).await.unwrap().unwrap();
    assert_eq!((retried.due, retried.removed), (names(&["dead"]), Vec::new()));
}

async fn parked_events_go_after_keep_unresolved(engine: Engine) {
    for (keep, keep_unresolved) in [(Duration::ZERO, MONTH), (Duration::ZERO, Duration::ZERO), (MONTH, Duration::ZERO)] {
        let mut house = House::new(engine);
        (house.keep, house.keep_unresolved) = (keep, keep_unresolved);
        let store = house.open();
        let (_, leases, _) = stored(&store, to(event(1), &["old"])).await;
        stored(&store, to(event(2), &["old"])).await;
        stored(&store, to(event(3), &["kept"])).await;
        store.settle(settlement(&leases[0], Next::RetryAt(in_an_hour()))).await.unwrap();
        until("removal has passed them", || async {
            // What goes at once has no deliveries; behind it the others were looked at, and left.
            let mut dropped = to(event(4), &[]);
            dropped.plan.routing = if keep.is_zero() { Routing::Dropped } else { Routing::Unmatched };
            store.append(dropped).await.unwrap();
            until("it is indexed", || async { store.expire().await.unwrap().removed > 0 }).await;
            store.event(event(4).id).await.unwrap().is_none()
        })
        .await;
        let three = [3, 2, 1].map(|number| event(number).id);
        assert_eq!(ids(&store, all()).await, three, "what waits stays for ever");
        store.serve(names(&["kept"])).await.unwrap();
        let left = if keep_unresolved.is_zero() { &three[..1] } else { &three[..] };
        until("only the others are left", || async {
            store.expire().await.unwrap();
            ids(&store, all()).await == left
        })
        .await;
        for _ in 0..3 {
            assert_eq!(store.expire().await.unwrap().removed, 0);
        }
        if !keep_unresolved.is_zero() {
            store.serve(names(&["kept", "old"])).await.unwrap();
            let again = store.lease(&name("old"), 1).await.unwrap().leases;
            store.settle(settlement(&again[0], Next::Delivered)).await.unwrap();
            until("it goes when it is delivered", || async { store.expire().await.unwrap().removed == 1 }).await;
            assert_eq!(ids(&store, all()).await, three[..2]);
        }
    }
}

async fn a_parked_event_that_goes_while_its_attempt_is_under_way_leaves_nothing_behind(engine: Engine) {
    let mut house = House::new(engine);
    house.keep_unresolved = Duration::ZERO;
    let store = house.open();
    let mut leases = Vec::new();
    for number in 0..2 {
        leases.extend(stored(&store, to(event(number), &["old"])).await.1);
    }
    store.serve(Vec::new()).await.unwrap();
    until("both are gone", || async {
        store.expire().await.unwrap();
        ids(&store, all()).await.is_empty()
    })
    .await;
    assert_eq!(store.body(leases[0].event.seq).await.unwrap(), None);
    store.settle(settlement(&leases[0], Next::RetryAt(house.clock.now()))).await.unwrap();
    store.settle(settlement(&leases[1], Next::Delivered)).await.unwrap();
    store.serve(names(&["old"])).await.unwrap();
    assert!(store.lease(&name("old"), 10).await.unwrap().leases.is_empty());
    assert_eq!(figures(&store, "old").await, None);
    assert_eq!(stored(&store, to(event(3), &["old"])).await.1.len(), 1, "others are not held up");
}

async fn many_are_parked_in_steps_between_which_events_come_in(engine: Engine) {
    const EVENTS: usize = 2 * WINDOW + 3_000;
    let house = House::new(engine);
    let store = house.open();
    let mut tasks = Vec::new();
    for part in 0..10 {
        let store = store.clone();
        tasks.push(hookgate::tasks::spawn(async move {
            for number in 0..EVENTS / 10 {
                stored(&store, to(event(part * 10_000 + number), &["old", "kept"])).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all_of_them = (EVENTS / 10 * 10) as u64;
    for (served, parked, ready) in [(&["kept"][..], all_of_them, 0), (&["kept", "old"][..], 0, all_of_them)] {
        let (theirs, served) = (store.clone(), names(served));
        let serving = hookgate::tasks::spawn(async move { theirs.serve(served).await });
        let mut came = 0;
        while !serving.is_finished() {
            stored(&store, to(event(1_000_000 + 10_000 * ready as usize + came), &["other"])).await;
            came += 1;
        }
        serving.await.unwrap().unwrap();
        assert!(came > 3, "only {came} events came in meanwhile");
        let old = figures(&store, "old").await.unwrap();
        assert_eq!((old.parked, old.ready, old.retrying), (parked, ready, 0));
        assert_eq!(figures(&store, "kept").await.unwrap().ready, all_of_them);
    }
    // The leases that were out all the while still are: the rest of the window is what there is room for.
    assert!(store.lease(&name("old"), WINDOW).await.unwrap().leases.is_empty());
    let (_other, store) = house.killed();
    store.serve(names(&["old"])).await.unwrap();
    let leased = store.lease(&name("old"), WINDOW).await.unwrap();
    assert!(leased.leases.len() == WINDOW && leased.leases.is_sorted_by_key(|lease| lease.event.seq));
}
