//! Search, paging, states and figures.

use super::*;
use hookgate::{
    domain::event::Reason,
    store::{DestinationStats, Direction, EventStatus},
};

contract! {
    each_filter_finds_exactly_what_it_says
    a_delivery_is_filtered_by_its_own_state
    the_strongest_state_is_that_of_the_event
    pages_have_every_event_once_while_more_come
    a_list_can_end_at_an_event_whatever_came_after_it
    figures_count_what_is_not_done
}

/// Stores 60 events that differ in everything that can be searched by, and settles some of their deliveries.
async fn many(store: &Arc<dyn Store>) -> Vec<(NewEvent, EventStatus)> {
    let mut kept = Vec::new();
    for number in 0..60 {
        let make = || {
            let mut new = event(number);
            new.received_at = Timestamp::from_millis(1_700_000_000_000 + number as i64 * 1_000);
            new.source = name(if number % 2 == 0 { "shop" } else { "till" });
            new.kind = Kind::ALL[number % 3];
            let pick = |list: [&str; 3]| Some(list[number / 3 % 3].into());
            new.fields.state = pick(["paid", "canceled", "failed"]);
            new.fields.result = pick(["success", "failed", "error"]);
            new.fields.operation = pick(["refund", "void", "capture"]);
            new.fields.reference_number = Some(format!("ref {}", number % 7).into());
            new.fields.order_no = Some(format!("order {}", number % 5).into());
            new.fields.session_id = Some(format!("session {number}").into());
            let mut new = to(new, [&["orders", "audit"][..], &["orders"], &[]][number % 3]);
            new.plan.rules = vec![name(if number % 4 == 0 { "fourth" } else { "all" })];
            if number % 12 == 11 {
                new.plan.routing = Routing::Dropped;
            }
            new
        };
        let mut status = [EventStatus::Waiting, EventStatus::Waiting, EventStatus::Unmatched][number % 3];
        if number % 12 == 11 {
            status = EventStatus::Dropped;
        }
        let (_, leases, _) = stored(store, make()).await;
        if let (1, [lease]) = (number % 6, &leases[..]) {
            store.settle(settlement(lease, Next::Dead)).await.unwrap();
            status = EventStatus::Dead;
        } else if number % 6 == 3 {
            for lease in &leases {
                store.settle(settlement(lease, Next::Delivered)).await.unwrap();
            }
            status = EventStatus::Delivered;
        }
        kept.push((make(), status));
    }
    until_states(store, kept[57].0.event.id, &[DeliveryStatus::Delivered; 2]).await;
    kept
}

/// Searches in both directions, and compares with what a look at every event finds.
async fn compare(store: &Arc<dyn Store>, kept: &[(NewEvent, EventStatus)], query: Query, wanted: impl Fn(&NewEvent, EventStatus) -> bool) {
    let expected: Vec<_> = kept.iter().rev().filter(|(new, status)| wanted(new, *status)).map(|(new, _)| new.event.id).collect();
    assert!(!expected.is_empty(), "{query:?} tells nothing");
    for limit in [1, 7, 100] {
        let found = ids(store, Query { limit, ..query.clone() }).await;
        assert_eq!(found, expected, "{query:?} by {limit}");
        let mut found = ids(store, Query { limit, direction: Direction::OldestFirst, ..query.clone() }).await;
        found.reverse();
        assert_eq!(found, expected, "{query:?} by {limit}, the oldest first");
    }
}

async fn each_filter_finds_exactly_what_it_says(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    let kept = many(&store).await;
    for _ in 0..2 {
        let text = |text: &str| Some(text.to_owned());
        compare(&store, &kept, all(), |_, _| true).await;
        compare(&store, &kept, Query { from: text("till"), ..all() }, |new, _| &*new.event.source == "till").await;
        compare(&store, &kept, Query { kind: Some(Kind::Operation), ..all() }, |new, _| new.event.kind == Kind::Operation).await;
        let paid = Query { state: text("paid"), result: text("success"), operation: text("refund"), ..all() };
        compare(&store, &kept, paid, |new, _| new.event.fields.state.as_deref() == Some("paid")).await;
        let reference = Query { reference: text("ref 3"), ..all() };
        compare(&store, &kept, reference, |new, _| new.event.fields.reference_number.as_deref() == Some("ref 3")).await;
        let session = Query { session: text("session 31"), ..all() };
        compare(&store, &kept, session, |new, _| new.event.fields.session_id.as_deref() == Some("session 31")).await;
        let order = Query { order: text("order 2"), from: text("shop"), ..all() };
        let is_it = |new: &NewEvent, _| new.event.fields.order_no.as_deref() == Some("order 2") && &*new.event.source == "shop";
        compare(&store, &kept, order, is_it).await;
        compare(&store, &kept, Query { rule: text("fourth"), ..all() }, |new, _| new.plan.rules[0] == name("fourth")).await;
        let audit = |new: &NewEvent, _| new.plan.targets.iter().any(|target| target.destination == name("audit"));
        compare(&store, &kept, Query { destination: text("audit"), ..all() }, audit).await;
        let (since, until) = (kept[10].0.event.received_at, kept[20].0.event.received_at);
        let between = |new: &NewEvent, _| (since..=until).contains(&new.event.received_at);
        compare(&store, &kept, Query { since: Some(since), until: Some(until), ..all() }, between).await;
        for wanted in [EventStatus::Waiting, EventStatus::Dead, EventStatus::Unmatched, EventStatus::Dropped, EventStatus::Delivered] {
            compare(&store, &kept, Query { status: Some(wanted), ..all() }, |_, status| status == wanted).await;
        }
        let dead = Query { status: Some(EventStatus::Dead), destination: text("orders"), ..all() };
        compare(&store, &kept, dead, |_, status| status == EventStatus::Dead).await;
        for nothing in
            [Query { from: text("nobody"), ..all() }, Query { rule: text("none"), ..all() }, Query { session: text(""), ..all() }]
        {
            assert!(ids(&store, nothing).await.is_empty());
        }
        store.close().await.unwrap();
        drop(store);
        store = house.open();
    }
}

async fn a_delivery_is_filtered_by_its_own_state(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["done", "gone", "idle"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    store.settle(settlement(&leases[1], Next::Dead)).await.unwrap();
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered, DeliveryStatus::Dead, DeliveryStatus::Waiting]).await;
    let wanted = [("done", EventStatus::Delivered), ("gone", EventStatus::Dead), ("idle", EventStatus::Waiting)];
    for (destination, _) in wanted {
        for (other, status) in wanted {
            let query = Query { destination: Some(destination.to_owned()), status: Some(status), ..all() };
            assert_eq!(ids(&store, query).await.len(), usize::from(other == destination), "{destination} {status:?}");
        }
    }
}

async fn the_strongest_state_is_that_of_the_event(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let retry = Next::RetryAt(in_an_hour());
    let table: [(&[Next], Routing, EventStatus); 9] = [
        (&[Next::Delivered, Next::Dead, retry], Routing::Routed, EventStatus::Waiting),
        (&[Next::Delivered, Next::Dead], Routing::Routed, EventStatus::Dead),
        (&[Next::Delivered, Next::Delivered], Routing::Routed, EventStatus::Delivered),
        (&[], Routing::Unmatched, EventStatus::Unmatched),
        (&[], Routing::Dropped, EventStatus::Dropped),
        (&[Next::Delivered], Routing::Unmatched, EventStatus::Unmatched),
        (&[Next::Delivered], Routing::Dropped, EventStatus::Dropped),
        (&[Next::Dead], Routing::Unmatched, EventStatus::Dead),
        (&[retry], Routing::Dropped, EventStatus::Waiting),
    ];
    for (number, (outcomes, routing, wanted)) in table.into_iter().enumerate() {
        let mut new = to(event(number), &["a", "b", "c"][..outcomes.len()]);
        new.plan.routing = routing;
        let (_, leases, _) = stored(&store, new).await;
        for (lease, next) in leases.iter().zip(outcomes) {
            store.settle(settlement(lease, *next)).await.unwrap();
        }
        until(&format!("{outcomes:?} {routing:?} is {wanted:?}"), || async {
            store.event(event(number).id).await.unwrap().unwrap().summary.status() == wanted
        })
        .await;
    }
    let mut quarantined = event(100);
    quarantined.verdict = Verdict::Quarantined(Reason::CaseTwin);
    stored(&store, to(quarantined, &[])).await;
    assert_eq!(store.event(event(100).id).await.unwrap().unwrap().summary.status(), EventStatus::Quarantined);
}

async fn pages_have_every_event_once_while_more_come(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for number in 0..100 {
        stored(&store, to(event(number), &["orders"])).await;
    }
    let mut found = Vec::new();
    let mut cursor = None;
    for step in 0.. {
        let page = store.search(Query { limit: 9, cursor, ..all() }).await.unwrap();
        found.extend(page.events.iter().map(|event| event.id));
        stored(&store, to(event(1_000 + step), &[])).await;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(found, (0..100).rev().map(|number| event(number).id).collect::<Vec<_>>());
}

async fn a_list_can_end_at_an_event_whatever_came_after_it(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut keys = Vec::new();
    for number in 0..9 {
        keys.push(stored(&store, to(event(number), &["orders"])).await.0);
    }
    for direction in [Direction::NewestFirst, Direction::OldestFirst] {
        for status in [None, Some(EventStatus::Waiting)] {
            let query = Query { last: Some(keys[5]), cursor: None, direction, status, limit: 2, ..all() };
            let mut found = ids(&store, query).await;
            found.sort_by_key(|id| (0..9).position(|number| event(number).id == *id));
            assert_eq!(found, (0..6).map(|number| event(number).id).collect::<Vec<_>>(), "{direction:?} {status:?}");
        }
    }
    let behind = Query { cursor: Some(keys[6]), direction: Direction::OldestFirst, ..all() };
    assert_eq!(ids(&store, behind).await, [event(7).id, event(8).id]);
}

async fn figures_count_what_is_not_done(engine: Engine) {
    let house = House::new(engine);
    let mut store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["a", "b", "c"])).await;
    stored(&store, to(event(2), &["a", "b"])).await;
    let oldest = event(2).id;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    store.settle(settlement(&leases[1], Next::RetryAt(in_an_hour()))).await.unwrap();
    store.settle(settlement(&leases[2], Next::Dead)).await.unwrap();
    let first = store.event(event(1).id).await.unwrap().unwrap().summary.received_at;
    let second = store.event(oldest).await.unwrap().unwrap().summary.received_at;
    let of = |text: &str, ready, retrying, dead, oldest| DestinationStats {
        destination: name(text),
        ready,
        retrying,
        held_back: 0,
        dead,
        parked: 0,
        oldest,
    };
    let wanted = [of("a", 1, 0, 0, Some(second)), of("b", 1, 1, 0, Some(first)), of("c", 0, 0, 1, None)];
    for _ in 0..2 {
        until("the figures are right", || async { store.stats().await.unwrap().destinations == wanted }).await;
        let stats = store.stats().await.unwrap();
        assert!(stats.bytes > 4_096 && stats.free_bytes > 0 && stats.quarantined.is_empty());
        store.close().await.unwrap();
        drop(store);
        store = house.open();
    }
}
