//! Rows that this program would not have written: they fail whoever needs them, and nobody else.

use super::{database, from_outside};
use crate::store_contract::{House, SQLITE, all, event, in_order, name, settlement, signed, stored, to, until, until_states};
use hookgate::{
    domain::{attempt::Next, clock::Clock, delivery::DeliveryStatus, event::Flags, plan::Respond, quantity::Rate},
    store::{Aim, Appended, BulkOrder, BulkStep, Direction, Query, Selection, StoreError},
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_holds_up_nobody_else() {
    let house = House::new(SQLITE);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Dead)).await.unwrap();
    until_states(&store, event(1).id, &[DeliveryStatus::Dead]).await;
    from_outside(&house, "UPDATE event SET plan = x'05'; UPDATE body SET body = x'0701'");
    assert!(matches!(store.retry(event(1).id, None).await, Err(StoreError::Failing(_))));
    let error = store.body(leases[0].event.seq).await.unwrap_err().to_string();
    assert!(error.contains("kept in form 7"), "{error}");
    assert!(store.kept(leases[0].event.seq).await.unwrap_err().is_damage());
    assert!(store.event(event(1).id).await.is_err());
    assert!(store.health().is_ok());
    assert_eq!(stored(&store, to(event(2), &["orders"])).await.1.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_stops_neither_its_lane_nor_removal() {
    let mut house = House::new(SQLITE);
    house.keep = Duration::ZERO;
    let store = house.open();
    for number in 1..=3 {
        stored(&store, to(event(number), &["orders"])).await;
    }
    store.close().await.unwrap();
    drop(store);
    let store = house.open();
    from_outside(&house, "UPDATE event SET plan = x'05' WHERE seq = (SELECT min(seq) FROM event)");
    let leases = store.lease(&name("orders"), 10).await.unwrap().leases;
    assert_eq!(leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(), [event(2).id, event(3).id]);
    assert!(store.lease(&name("orders"), 10).await.unwrap().leases.is_empty());
    for lease in &leases {
        store.settle(settlement(lease, Next::Delivered)).await.unwrap();
    }
    until("the others are removed", || async {
        store.expire().await.unwrap();
        store.event(event(2).id).await.unwrap().is_none() && store.event(event(3).id).await.unwrap().is_none()
    })
    .await;
    assert!(store.event(event(1).id).await.is_err(), "it is left as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_stops_neither_a_list_nor_a_bulk_replay_and_is_counted() {
    let house = House::new(SQLITE);
    let store = house.open();
    for number in 1..=3 {
        stored(&store, to(event(number), &["orders"])).await;
    }
    let order = BulkOrder { filter: Query::default(), aim: Aim::Planned, rate: Rate::parse("1/s").unwrap() };
    let bulk = store.begin_bulk(order).await.unwrap().unwrap();
    let all_of_them = store.search(Query { direction: Direction::OldestFirst, ..all() }).await.unwrap().events;
    from_outside(&house, "UPDATE event SET plan = x'05' WHERE seq = (SELECT min(seq) FROM event)");
    for direction in [Direction::NewestFirst, Direction::OldestFirst] {
        let page = store.search(Query { direction, ..all() }).await.unwrap();
        assert_eq!((page.events.len(), page.damaged, page.next), (2, 1, None));
    }
    // It was well when it was found, and is not when its turn comes.
    let events = all_of_them.iter().map(|event| (event.seq, Some(Selection::Planned))).collect();
    let step = BulkStep { id: bulk.id, from: bulk.cursor, events, damaged: 0, to: None, total: None };
    let tally = store.advance(step).await.unwrap().unwrap().bulk.tally;
    assert_eq!((tally.events, tally.damaged, tally.in_flight), (3, 1, 2));
    assert!(store.event(event(1).id).await.is_err_and(|error| error.is_damage()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_holds_up_nobody_who_is_in_order_with_it() {
    let house = House::new(SQLITE);
    let store = house.open();
    for number in 1..=3 {
        stored(&store, in_order(event(number), &["orders"], "a")).await;
    }
    drop(store);
    from_outside(&house, "UPDATE event SET plan = x'05' WHERE seq = (SELECT min(seq) FROM event)");
    let store = house.open();
    for number in 2..=3 {
        let mut leases = Vec::new();
        while leases.is_empty() {
            let leased = store.lease(&name("orders"), 10).await.unwrap();
            assert!(!leased.leases.is_empty() || leased.next_due.is_some(), "the lane looks again");
            leases = leased.leases;
        }
        assert_eq!((leases.len(), leases[0].event.id), (1, event(number).id));
        assert!(leases[0].event.flags.contains(Flags::OUT_OF_ORDER));
        store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    }
    assert!(store.event(event(1).id).await.is_err(), "it is left as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_fails_only_who_needs_it_of_those_in_one_commit() {
    let house = House::new(SQLITE);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::RetryAt(Clock::system().now()))).await.unwrap();
    let mut again = Vec::new();
    until("its retry", || async { store.stats().await.unwrap().destinations[0].retrying == 0 }).await;
    again.append(&mut store.lease(&name("orders"), 1).await.unwrap().leases);
    from_outside(&house, "UPDATE delivery SET repeated = 'perhaps'");
    let holder = rusqlite::Connection::open(database(&house)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let append = |number: usize| {
        let store = store.clone();
        hookgate::tasks::spawn(async move { store.append(to(event(number), &["orders"])).await })
    };
    let first = append(2);
    until("the writer is held up", || async { store.health().is_err() }).await;
    // These are taken together when it goes on.
    store.settle(settlement(&again[0], Next::Delivered)).await.unwrap();
    let others = (3..10).map(append).collect::<Vec<_>>();
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    for stored in others.into_iter().chain([first]) {
        assert!(matches!(stored.await.unwrap(), Ok(Appended::Stored { .. })));
    }
    assert!(store.health().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_a_damaged_event_is_answered_as_stored() {
    let house = House::new(SQLITE);
    let store = house.open();
    stored(&store, to(event(1), &["orders"])).await;
    from_outside(&house, "UPDATE event SET plan = x'05'");
    assert!(matches!(store.append(to(event(1), &["orders"])).await.unwrap(), Appended::Duplicate { answer: Respond::Now(201), .. }));
    from_outside(&house, "UPDATE body SET body = x'0701'");
    let harmless = signed("signature 1", "{\"number\":1} ");
    assert!(matches!(store.append(to(harmless, &["orders"])).await.unwrap(), Appended::Variant { stored: true }));
}
