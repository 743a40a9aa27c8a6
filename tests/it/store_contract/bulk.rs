//! Bulk replays: every event that is found is replayed once, whatever happens between two steps.

use super::*;
use hookgate::{
    domain::{event::Reason, quantity::Rate},
    store::{Aim, BULK_AHEAD, BULKS, Bulk, BulkId, BulkOrder, BulkState, BulkStep, Direction, Selection, Stepped, Tally, Which},
};

contract! {
    each_event_is_replayed_once_from_the_oldest_to_the_newest_and_none_that_came_later
    a_kill_between_any_two_steps_leaves_nothing_out_and_repeats_nothing
    a_step_that_was_made_is_not_made_again
    a_cancelled_one_makes_no_more_steps_and_what_it_began_goes_on
    it_waits_while_a_destination_has_enough_to_do_and_goes_on_where_it_was
    it_waits_while_many_stand_in_line_at_a_destination
    what_is_left_out_is_counted_by_its_reason
    only_so_many_go_on_at_a_time_and_no_number_is_given_twice
    those_that_ended_are_forgotten_after_keep_and_those_that_go_on_are_not
    what_is_wanted_is_there_after_a_restart
}

fn order(aim: Aim) -> BulkOrder {
    let filter = Query { since: Some(Timestamp::from_millis(1_000)), ..Query::default() };
    BulkOrder { filter, aim, rate: Rate::parse("50/s").unwrap() }
}

async fn begin(store: &Arc<dyn Store>, aim: Aim) -> Bulk {
    store.begin_bulk(order(aim)).await.unwrap().expect("there is room for one more")
}

async fn now(store: &Arc<dyn Store>, id: BulkId) -> Bulk {
    store.bulks(Which::One(id)).await.unwrap().remove(0)
}

/// The next step, of so many events.
async fn step(store: &Arc<dyn Store>, id: BulkId, limit: usize) -> BulkStep {
    let bulk = now(store, id).await;
    let query =
        Query { direction: Direction::OldestFirst, cursor: Some(bulk.cursor), last: Some(bulk.last), limit, ..bulk.order.filter.clone() };
    let page = store.search(query).await.unwrap();
    let selection = match &bulk.order.aim {
        Aim::Planned | Aim::Reroute => Selection::Planned,
        Aim::To(names) => Selection::to(names),
    };
    let events = page.events.iter().map(|event| (event.seq, Some(selection.clone()))).collect();
    BulkStep { id, from: bulk.cursor, events, damaged: page.damaged, to: page.next, total: None }
}

async fn advance(store: &Arc<dyn Store>, id: BulkId, limit: usize) -> Stepped {
    store.advance(step(store, id, limit).await).await.unwrap().expect("it goes on")
}

async fn delivered(store: &Arc<dyn Store>, numbers: std::ops::Range<usize>, destinations: &[&str]) {
    for number in numbers.clone() {
        for lease in stored(store, to(event(number), destinations)).await.1 {
            store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
        }
    }
    until("they are delivered", || async { store.stats().await.unwrap().destinations.iter().all(|of| of.ready == 0) }).await;
}

/// Leases all that is due, and gives the events in their order.
async fn due(store: &Arc<dyn Store>, destination: &str) -> Vec<EventId> {
    let leases = store.lease(&name(destination), 2_000).await.unwrap().leases;
    assert!(leases.iter().all(|lease| lease.event.flags == Flags::REPLAYED));
    leases.iter().map(|lease| lease.event.id).collect()
}

fn ids_of(numbers: std::ops::Range<usize>) -> Vec<EventId> {
    numbers.map(|number| event(number).id).collect()
}

async fn each_event_is_replayed_once_from_the_oldest_to_the_newest_and_none_that_came_later(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    delivered(&store, 0..10, &["orders", "audit"]).await;
    let bulk = begin(&store, Aim::Planned).await;
    assert_eq!((bulk.state, bulk.total, bulk.tally, bulk.order), (BulkState::Running, None, Tally::default(), order(Aim::Planned)));
    delivered(&store, 10..12, &["orders", "audit"]).await;
    let first = advance(&store, bulk.id, 4).await;
    assert_eq!((first.due, first.held_by), (vec![(name("audit"), 4), (name("orders"), 4)], None));
    assert_eq!((first.bulk.tally.events, first.bulk.tally.due, first.bulk.state), (4, 8, BulkState::Running));
    let counted = BulkStep { total: Some(10), ..step(&store, bulk.id, 4).await };
    assert_eq!(store.advance(counted).await.unwrap().unwrap().bulk.total, Some(10));
    let last = advance(&store, bulk.id, 4).await.bulk;
    assert_eq!((last.tally.events, last.tally.due, last.total, last.state), (10, 20, Some(10), BulkState::Done));
    assert!(last.ended_at.is_some());
    assert_eq!(now(&store, bulk.id).await, last);
    assert_eq!(store.bulks(Which::Running).await.unwrap(), []);
    assert_eq!(due(&store, "orders").await, ids_of(0..10));
    assert_eq!(due(&store, "audit").await, ids_of(0..10));
}

async fn a_kill_between_any_two_steps_leaves_nothing_out_and_repeats_nothing(engine: Engine) {
    let mut house = House::new(engine);
    let mut store = house.open();
    delivered(&store, 0..10, &["orders"]).await;
    let id = begin(&store, Aim::To(vec![name("orders"), name("ledger")])).await.id;
    let mut steps = 0;
    while now(&store, id).await.state == BulkState::Running {
        let before = advance(&store, id, 3).await.bulk;
        let (next, reopened) = house.killed();
        (house, store) = (next, reopened);
        assert_eq!(now(&store, id).await.cursor, before.cursor);
        let waiting = Query { destination: Some("ledger".into()), ..all() };
        assert_eq!(ids(&store, waiting).await.len() as u64, before.tally.events, "as many as it says");
        steps += 1;
    }
    assert_eq!((steps, now(&store, id).await.tally.events), (4, 10));
    for destination in ["orders", "ledger"] {
        assert_eq!(due(&store, destination).await, ids_of(0..10), "{destination}");
    }
}

async fn a_step_that_was_made_is_not_made_again(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    delivered(&store, 0..6, &["orders"]).await;
    let id = begin(&store, Aim::Planned).await.id;
    let made = step(&store, id, 3).await;
    assert!(store.advance(made.clone()).await.unwrap().is_some());
    let after = now(&store, id).await;
    assert_eq!(store.advance(made).await.unwrap(), None);
    assert_eq!(store.advance(BulkStep { id: BulkId(77), ..step(&store, id, 3).await }).await.unwrap(), None);
    assert_eq!(now(&store, id).await, after);
}

async fn a_cancelled_one_makes_no_more_steps_and_what_it_began_goes_on(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    assert_eq!(store.cancel(BulkId(1)).await.unwrap(), None);
    delivered(&store, 0..6, &["orders"]).await;
    let id = begin(&store, Aim::Planned).await.id;
    advance(&store, id, 2).await;
    let next = step(&store, id, 2).await;
    let cancelled = store.cancel(id).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.tally.events), (BulkState::Cancelled, 2));
    assert_eq!(store.cancel(id).await.unwrap(), Some(cancelled.clone()), "once is enough");
    assert_eq!(store.advance(next).await.unwrap(), None);
    let (_other, store) = house.killed();
    assert_eq!(now(&store, id).await.state, BulkState::Cancelled);
    assert_eq!(due(&store, "orders").await, ids_of(0..2));
    let done = begin(&store, Aim::Planned).await.id;
    assert_eq!(advance(&store, done, 100).await.bulk.state, BulkState::Done);
    assert_eq!(store.cancel(done).await.unwrap().unwrap().state, BulkState::Done);
}

async fn it_waits_while_a_destination_has_enough_to_do_and_goes_on_where_it_was(engine: Engine) {
    const EVENTS: usize = BULK_AHEAD + 40;
    let house = House::new(engine);
    let store = house.open();
    delivered(&store, 0..EVENTS, &["slow"]).await;
    delivered(&store, EVENTS..EVENTS + 1, &["quick"]).await;
    let id = begin(&store, Aim::Planned).await.id;
    let stepped = advance(&store, id, 1_000).await;
    assert_eq!((stepped.held_by, stepped.due), (Some(name("slow")), vec![(name("slow"), BULK_AHEAD as u64)]));
    assert_eq!((stepped.bulk.tally.events, stepped.bulk.state), (BULK_AHEAD as u64, BulkState::Running));
    let again = advance(&store, id, 1_000).await;
    assert_eq!((again.held_by, again.due, again.bulk.cursor), (Some(name("slow")), Vec::new(), stepped.bulk.cursor));
    // What is leased is still to be done.
    let leases = store.lease(&name("slow"), 100).await.unwrap().leases;
    assert_eq!(advance(&store, id, 1_000).await.due, []);
    for lease in &leases {
        store.settle(settlement(lease, Next::Delivered)).await.unwrap();
    }
    let last = advance(&store, id, 1_000).await;
    assert_eq!((last.held_by, last.due), (None, vec![(name("quick"), 1), (name("slow"), 40)]));
    assert_eq!((last.bulk.tally.events, last.bulk.state), (EVENTS as u64 + 1, BulkState::Done));
    assert_eq!(due(&store, "slow").await, ids_of(100..EVENTS));
}

async fn what_is_left_out_is_counted_by_its_reason(engine: Engine) {
    let mut house = House::new(engine);
    house.keep = Duration::ZERO;
    let store = house.open();
    for number in [1, 2] {
        let mut kept_back = event(number);
        kept_back.verdict = Verdict::Quarantined(Reason::Ambiguous);
        store.append(to(kept_back, &["orders"])).await.unwrap();
    }
    stored(&store, to(event(3), &[])).await;
    delivered(&store, 4..5, &["audit"]).await;
    let out = stored(&store, to(event(5), &["orders", "gone"])).await.1;
    store.settle(settlement(&out[1], Next::Dead)).await.unwrap();
    let id = begin(&store, Aim::Planned).await.id;
    let step = BulkStep { damaged: 1, ..step(&store, id, 100).await };
    assert_eq!(step.events.len(), 5);
    until("the delivered one is removed after its time", || async {
        store.expire().await.unwrap();
        store.event(event(4).id).await.unwrap().is_none()
    })
    .await;
    store.discard(event(2).id).await.unwrap();
    store.serve(vec![name("orders"), name("audit")]).await.unwrap();
    let tally = store.advance(step).await.unwrap().unwrap().bulk.tally;
    let each_once = Tally { due: 0, events: 5, in_flight: 1, removed: 1, quarantined: 1, discarded: 1, nowhere: 1, gone: 1, damaged: 1 };
    assert_eq!(tally, each_once);
}

async fn only_so_many_go_on_at_a_time_and_no_number_is_given_twice(engine: Engine) {
    let mut house = House::new(engine);
    house.keep = Duration::ZERO;
    let store = house.open();
    let mut begun = Vec::new();
    for _ in 0..BULKS {
        begun.push(begin(&store, Aim::Planned).await.id);
    }
    assert_eq!(store.begin_bulk(order(Aim::Planned)).await.unwrap(), None);
    let running = store.bulks(Which::Running).await.unwrap();
    assert_eq!(running.iter().map(|bulk| bulk.id).collect::<Vec<_>>(), begun);
    let last = *begun.last().unwrap();
    store.cancel(last).await.unwrap();
    until("it is forgotten", || async {
        store.expire().await.unwrap();
        store.bulks(Which::One(last)).await.unwrap().is_empty()
    })
    .await;
    assert!(begin(&store, Aim::Planned).await.id > last);
    let newest = store.bulks(Which::Newest(2)).await.unwrap();
    assert!(newest.len() == 2 && newest[0].id > last && newest[1].id < last, "{newest:?}");
}

async fn those_that_ended_are_forgotten_after_keep_and_those_that_go_on_are_not(engine: Engine) {
    for (keep, left) in [(Duration::ZERO, 1), (MONTH, 2)] {
        let mut house = House::new(engine);
        house.keep = keep;
        let store = house.open();
        let (ended, goes_on) = (begin(&store, Aim::Planned).await.id, begin(&store, Aim::Planned).await.id);
        store.cancel(ended).await.unwrap();
        until("removal has looked", || async {
            store.expire().await.unwrap();
            store.bulks(Which::Newest(10)).await.unwrap().len() == left
        })
        .await;
        store.expire().await.unwrap();
        assert_eq!(store.bulks(Which::Newest(10)).await.unwrap().len(), left);
        assert_eq!(now(&store, goes_on).await.state, BulkState::Running);
    }
}

async fn what_is_wanted_is_there_after_a_restart(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut wanted = order(Aim::To(vec![name("orders")]));
    wanted.filter.state = Some("paid".into());
    wanted.filter.status = Some(hookgate::store::EventStatus::Dead);
    let begun = store.begin_bulk(wanted.clone()).await.unwrap().unwrap();
    store.close().await.unwrap();
    drop(store);
    let found = house.open().bulks(Which::Running).await.unwrap().remove(0);
    assert_eq!((found.id, found.order, found.last), (begun.id, wanted, begun.last));
    assert!(found.created_at.since(begun.created_at) < Duration::from_secs(1));
}

async fn it_waits_while_many_stand_in_line_at_a_destination(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    delivered(&store, 0..1, &["orders"]).await;
    for number in 1..=hookgate::store::BULK_AHEAD + 1 {
        stored(&store, in_order(event(number), &["orders"], "a")).await;
    }
    let bulk = begin(&store, Aim::Planned).await;
    assert_eq!(advance(&store, bulk.id, 1).await.held_by, Some(name("orders")));
}
