//! Stores of earlier versions: each is brought up to date with all that it holds, and goes on with it.

use super::{database, from_outside};
use crate::store_contract::{House, ORDER_WAIT, SQLITE, all, event, ids, in_an_hour, in_order, name, settlement, stored, to};
use hookgate::{
    domain::{
        attempt::Next,
        delivery::{DeliveryStatus, Lease, Run},
        event::{Flags, Reason, Verdict},
        id::EventId,
        quantity::Rate,
    },
    store::{Aim, Appended, BulkOrder, DestinationStats, EventStatus, NewEvent, Query, Retried, Store},
};
use std::{sync::Arc, time::Duration};

/// Each takes back the step from the version that is its place, counted from 1.
const UNDO: [&str; 7] = [
    "ALTER TABLE event DROP COLUMN first_body_half;",
    "ALTER TABLE event DROP COLUMN weight; ALTER TABLE state DROP COLUMN quarantine_bytes;",
    "DROP TABLE paused;",
    "DROP INDEX waiting; CREATE INDEX waiting ON delivery (seq) WHERE status IN (0, 1, 4);",
    "DROP TABLE replay;",
    "DROP INDEX line; DROP INDEX unpassed; ALTER TABLE delivery DROP COLUMN order_key; ALTER TABLE delivery DROP COLUMN place;
     ALTER TABLE delivery DROP COLUMN passes_at;",
    "DROP INDEX pending; CREATE INDEX pending ON delivery (destination, due_at, seq) WHERE status <= 1;",
];

/// Brings a store that is closed back to that version.
fn undo(house: &House, version: usize) {
    from_outside(house, &format!("{} PRAGMA user_version = {version}", UNDO[version - 1..].concat()));
}

/// The first column of what is asked for, from outside.
fn column<T: rusqlite::types::FromSql>(house: &House, sql: &str) -> Vec<T> {
    let connection = rusqlite::Connection::open(database(house)).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The indexes as they were made, and the columns of all tables in their order.
fn schema(house: &House) -> [Vec<String>; 2] {
    [
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
        "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid",
    ]
    .map(|sql| column(house, sql))
}

/// Opens the store of an earlier version.
fn brought_up_to_date(house: &House, wanted: &[Vec<String>; 2]) -> Arc<dyn Store> {
    assert_ne!(schema(house), *wanted);
    let store = house.open();
    assert_eq!(schema(house), *wanted, "it has the schema of a new store");
    assert_eq!(column::<String>(house, "PRAGMA integrity_check"), ["ok"], "the indexes have the rows that they should");
    store
}

fn numbered(numbers: &[usize]) -> Vec<EventId> {
    numbers.iter().map(|number| event(*number).id).collect()
}

async fn lease(store: &Arc<dyn Store>, destination: &str) -> Vec<Lease> {
    store.lease(&name(destination), 10).await.unwrap().leases
}

/// What is leased now is this event alone, and whether it is out of order.
async fn lease_one(store: &Arc<dyn Store>, number: usize, flagged: bool) -> Lease {
    let mut leases = lease(store, "orders").await;
    let found: Vec<_> = leases.iter().map(|lease| (lease.event.id, lease.event.flags.contains(Flags::OUT_OF_ORDER))).collect();
    assert_eq!(found, [(event(number).id, flagged)]);
    leases.remove(0)
}

async fn settle(store: &Arc<dyn Store>, lease: &Lease, next: Next) {
    store.settle(settlement(lease, next)).await.unwrap();
}

async fn figures(store: &Arc<dyn Store>, destination: &str) -> DestinationStats {
    let stats = store.stats().await.unwrap();
    stats.destinations.into_iter().find(|stats| *stats.destination == *destination).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_earlier_version_is_brought_up_to_date_with_what_it_holds() {
    for version in 1..=UNDO.len() {
        let house = House::new(SQLITE);
        let quarantine_bytes = fill(&house).await;
        let wanted = schema(&house);
        undo(&house, version);
        let store = brought_up_to_date(&house, &wanted);
        let found = store.stats().await.unwrap().quarantine_bytes;
        assert!(found > 0 && found.abs_diff(quarantine_bytes) < 200, "{quarantine_bytes} and {found}");
        everything_is_there(&store).await;
        what_waited_goes_on(&house, &store).await;
        what_is_new_works(&store).await;
    }
}

/// Makes a store that has a row of each state, a delivery without one, and an event in quarantine. Gives what that one counts.
async fn fill(house: &House) -> u64 {
    let store = house.open();
    let (now, later) = (Next::RetryAt(house.clock.now()), Next::RetryAt(in_an_hour()));
    let outcomes: [(usize, &str, &[Next]); 7] = [
        (1, "orders", &[]),
        (2, "orders", &[now, later]),
        (3, "orders", &[Next::Delivered]),
        (4, "orders", &[Next::Dead]),
        (5, "old", &[later]),
        (6, "orders", &[Next::Delivered]),
        (7, "orders", &[Next::Dead]),
    ];
    for (number, destination, outcomes) in outcomes {
        let mut leases = stored(&store, to(event(number), &[destination])).await.1;
        for next in outcomes {
            settle(&store, &leases.remove(0), *next).await;
            leases = lease(&store, destination).await;
        }
    }
    let again = NewEvent { dedupe: Duration::ZERO, ..to(event(6), &["orders"]) };
    let Appended::Duplicate { due, .. } = store.append(again).await.unwrap() else { panic!("it is known") };
    assert_eq!(due, [name("orders")]);
    assert_eq!(store.discard(event(7).id).await.unwrap().unwrap().deliveries, [name("orders")]);
    store.serve(vec![name("orders")]).await.unwrap();
    let mut kept_back = event(8);
    kept_back.verdict = Verdict::Quarantined(Reason::Ambiguous);
    stored(&store, to(kept_back, &["orders"])).await;
    store.close().await.unwrap();
    drop(store);
    // The first one has a row from this start on, the last one none until the next.
    let store = house.open();
    stored(&store, to(event(9), &["audit"])).await;
    let quarantine_bytes = store.stats().await.unwrap().quarantine_bytes;
    store.close().await.unwrap();
    assert_eq!(column::<i64>(house, "SELECT status FROM delivery ORDER BY seq"), [0, 1, 2, 3, 4, 0, 5]);
    quarantine_bytes
}

async fn everything_is_there(store: &Arc<dyn Store>) {
    use DeliveryStatus::{Dead, Delivered, Discarded, Parked, Retrying, Waiting};
    let states = [
        (1, Waiting, 0),
        (2, Retrying, 2),
        (3, Delivered, 1),
        (4, Dead, 1),
        (5, Parked, 1),
        (6, Waiting, 1),
        (7, Discarded, 1),
        (9, Waiting, 0),
    ];
    for (number, status, attempts) in states {
        let detail = store.event(event(number).id).await.unwrap().unwrap();
        let delivery = &detail.summary.deliveries[0];
        assert_eq!((delivery.status, delivery.attempts, detail.attempts.len()), (status, attempts, attempts as usize), "{number}");
        assert_eq!(delivery.next_attempt_at.is_some(), status == Retrying, "{number}");
    }
    let lists: [(_, &[usize]); 5] = [
        (None, &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Some(EventStatus::Waiting), &[9, 6, 5, 2, 1]),
        (Some(EventStatus::Dead), &[4]),
        (Some(EventStatus::Quarantined), &[8]),
        (Some(EventStatus::Delivered), &[7, 3]),
    ];
    for (status, wanted) in lists {
        assert_eq!(ids(store, Query { status, ..all() }).await, numbered(wanted), "{status:?}");
    }
    let orders = figures(store, "orders").await;
    assert_eq!((orders.ready, orders.retrying, orders.held_back, orders.dead, orders.parked), (2, 1, 0, 1, 0));
    let old = figures(store, "old").await;
    assert_eq!((old.ready, old.retrying, old.held_back, old.dead, old.parked), (0, 0, 0, 0, 1));
}

async fn what_waited_goes_on(house: &House, store: &Arc<dyn Store>) {
    let leased = store.lease(&name("orders"), 10).await.unwrap();
    let due: Vec<_> = leased.leases.iter().map(|lease| (lease.event.id, lease.attempts, lease.event.flags)).collect();
    assert_eq!(due, [(event(1).id, 0, Flags::default()), (event(6).id, 1, Flags::REPEATED)]);
    assert!(leased.leases.iter().all(|lease| lease.order.is_none()));
    assert!(leased.next_due.is_some_and(|due| due > house.clock.now()), "the one that failed is due later");
    assert_eq!(lease(store, "audit").await.len(), 1);
    for lease in &leased.leases {
        settle(store, lease, Next::Delivered).await;
    }
    for (number, attempts) in [(2, 2), (4, 1)] {
        let retried = store.retry(event(number).id, None).await.unwrap();
        assert_eq!(retried, Some(Retried { due: vec![name("orders")], ..Retried::default() }));
        let lease = lease_one(store, number, false).await;
        assert_eq!((lease.attempts, lease.run), (attempts, Run::default()));
        settle(store, &lease, Next::Delivered).await;
    }
    store.serve(["orders", "old", "audit"].map(name).to_vec()).await.unwrap();
    let parked = lease(store, "old").await;
    assert_eq!((parked.len(), parked[0].attempts, parked[0].run.attempts), (1, 1, 1), "its run goes on");
    assert_eq!(ids(store, Query { status: Some(EventStatus::Waiting), ..all() }).await, numbered(&[9, 5]));
    assert_eq!(ids(store, Query { status: Some(EventStatus::Dead), ..all() }).await, []);
}

async fn what_is_new_works(store: &Arc<dyn Store>) {
    let first = stored(store, in_order(event(10), &["orders"], "a")).await.1.remove(0);
    for number in [11, 12] {
        assert!(stored(store, in_order(event(number), &["orders"], "a")).await.1.is_empty());
    }
    assert_eq!(figures(store, "orders").await.held_back, 2);
    settle(store, &first, Next::Dead).await;
    let second = lease_one(store, 11, true).await;
    settle(store, &second, Next::Delivered).await;
    lease_one(store, 12, false).await;
    store.pause(name("orders")).await.unwrap();
    assert_eq!(store.paused().await.unwrap(), [name("orders")]);
    let order = BulkOrder { filter: Query::default(), aim: Aim::Planned, rate: Rate::parse("1/s").unwrap() };
    assert!(store.begin_bulk(order).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_an_earlier_version_go_on_in_their_order() {
    let house = House::new(SQLITE);
    let store = house.open();
    let dead = stored(&store, in_order(event(1), &["orders"], "b")).await.1.remove(0);
    settle(&store, &dead, Next::Dead).await;
    let failed = stored(&store, in_order(event(2), &["orders"], "a")).await.1.remove(0);
    for number in [3, 4] {
        stored(&store, in_order(event(number), &["orders"], "a")).await;
    }
    settle(&store, &failed, Next::RetryAt(in_an_hour())).await;
    store.close().await.unwrap();
    drop(store);
    let wanted = schema(&house);
    undo(&house, 7);
    let store = brought_up_to_date(&house, &wanted);
    let orders = figures(&store, "orders").await;
    assert_eq!((orders.ready, orders.retrying + orders.held_back, orders.dead), (0, 3, 1), "all of the line are due later");
    let leased = store.lease(&name("orders"), 10).await.unwrap();
    let held_for = leased.next_due.expect("the next may go some time").since(house.clock.now());
    assert!(leased.leases.is_empty() && held_for <= ORDER_WAIT, "{held_for:?}");
    let retried = store.retry(event(2).id, None).await.unwrap();
    assert_eq!(retried, Some(Retried { due: vec![name("orders")], ..Retried::default() }));
    for number in [2, 3, 4] {
        let lease = lease_one(&store, number, false).await;
        settle(&store, &lease, Next::Delivered).await;
    }
    stored(&store, in_order(event(5), &["orders"], "b")).await;
    lease_one(&store, 5, true).await;
}
