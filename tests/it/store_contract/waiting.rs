//! An answer that waits for a delivery.

use super::*;
use hookgate::{
    domain::plan::Wait,
    store::{Progress, WINDOW},
};

contract! {
    what_an_answer_waits_for_is_told_with_a_duplicate_also_after_a_kill
    the_code_is_the_one_that_was_given_last_and_none_before
    the_delivery_that_is_waited_for_is_leased_however_many_wait_before_it
    a_duplicate_leases_what_its_answer_waits_for_where_nobody_has_it
    a_lease_that_a_duplicate_does_not_take_is_given_to_the_next_who_asks
    progress_is_told_after_all_that_was_settled_before
    what_was_delivered_and_is_sent_again_is_delivered
    what_was_delivered_and_is_replayed_is_delivered_whatever_comes_of_that_and_what_died_is_not
    an_event_that_is_kept_back_waits_for_nobody_until_it_is_released
}

fn wait() -> Wait {
    Wait { destination: name("orders"), within: Duration::from_millis(8_001), ok: 200, otherwise: 299 }
}

/// To some destinations, of which the answer waits for `orders`.
fn waiting(event: Event, destinations: &[&str]) -> NewEvent {
    let mut new = to(event, destinations);
    new.plan.answer = Respond::After(wait());
    new
}

async fn again(store: &Arc<dyn Store>, new: NewEvent) -> (Seq, Respond, Option<Box<Lease>>, Vec<Name>) {
    match store.append(new).await.unwrap() {
        Appended::Duplicate { seq, answer, lease, due } => (seq, answer, lease, due),
        other => panic!("no duplicate: {other:?}"),
    }
}

async fn answer_of(store: &Arc<dyn Store>, id: EventId) -> Option<u16> {
    store.event(id).await.unwrap().expect("the event is stored").summary.answer
}

async fn what_an_answer_waits_for_is_told_with_a_duplicate_also_after_a_kill(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (seq, leases, _) = stored(&store, waiting(event(1), &["ledger", "orders"])).await;
    assert_eq!(leases.len(), 2);
    let (killed, after) = house.killed();
    for store in [&store, &after] {
        // What the rules say by now does not count.
        let (of, answer, _, _) = again(store, to(event(1), &["ledger", "orders"])).await;
        assert_eq!((of, answer), (seq, Respond::After(wait())));
    }
    drop((after, killed));
}

async fn the_code_is_the_one_that_was_given_last_and_none_before(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (seq, ..) = stored(&store, waiting(event(1), &["orders"])).await;
    let id = event(1).id;
    assert_eq!(answer_of(&store, id).await, None);
    store.answered(seq, 299);
    until("the code", || async { answer_of(&store, id).await == Some(299) }).await;
    store.answered(seq, 200);
    // What is noted is written before the store closes.
    store.close().await.unwrap();
    drop(store);
    assert_eq!(answer_of(&house.open(), id).await, Some(200));
}

async fn the_delivery_that_is_waited_for_is_leased_however_many_wait_before_it(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for number in 0..WINDOW + 3 {
        stored(&store, to(event(number), &["orders", "ledger"])).await;
    }
    let (seq, leases, deferred) = stored(&store, waiting(event(99_999), &["orders", "ledger"])).await;
    assert_eq!((leases.len(), &*leases[0].destination, deferred), (1, "orders", vec![name("ledger")]));
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    until_states(&store, event(99_999).id, &[DeliveryStatus::Delivered, DeliveryStatus::Waiting]).await;
    assert_eq!(store.progress(seq, &name("orders")).await.unwrap(), Progress::Delivered);
}

async fn a_duplicate_leases_what_its_answer_waits_for_where_nobody_has_it(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, waiting(event(1), &["orders", "ledger"])).await;
    let (_, _, lease, due) = again(&store, waiting(event(1), &["orders", "ledger"])).await;
    assert!(lease.is_none() && due.is_empty(), "it is leased");
    for lease in &leases {
        store.settle(settlement(lease, Next::Dead)).await.unwrap();
    }
    let (seq, _, lease, due) = again(&store, waiting(event(1), &["orders", "ledger"])).await;
    let lease = lease.expect("it is due, and nobody has it");
    assert_eq!((lease.event.seq, &*lease.destination, lease.attempts, due.len()), (seq, "orders", 1, 2));
    assert!(store.lease(&name("orders"), 9).await.unwrap().leases.is_empty(), "one lease at a time");
    assert_eq!(store.lease(&name("ledger"), 9).await.unwrap().leases.len(), 1, "nobody waits for the other one");
    let (_, _, second, _) = again(&store, waiting(event(1), &["orders", "ledger"])).await;
    assert!(second.is_none());
    store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered, DeliveryStatus::Waiting]).await;
    let (_, _, third, _) = again(&store, waiting(event(1), &["orders", "ledger"])).await;
    assert!(third.is_none(), "it is done");
}

async fn a_lease_that_a_duplicate_does_not_take_is_given_to_the_next_who_asks(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (_, leases, _) = stored(&store, waiting(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Dead)).await.unwrap();
    until_states(&store, event(1).id, &[DeliveryStatus::Dead]).await;
    // Whoever asked goes away while the answer is on its way.
    let mut asked = store.append(waiting(event(1), &["orders"]));
    let waker = std::task::Waker::noop();
    assert!(asked.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    until_states(&store, event(1).id, &[DeliveryStatus::Waiting]).await;
    drop(asked);
    until("the lease to come back", || async { store.lease(&name("orders"), 9).await.unwrap().leases.len() == 1 }).await;
}

async fn progress_is_told_after_all_that_was_settled_before(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let orders = name("orders");
    let later = in_an_hour();
    for (number, next, wanted) in [
        (1, Next::Delivered, Progress::Delivered),
        (2, Next::Dead, Progress::Over),
        (3, Next::RetryAt(later), Progress::RetryAt(later)),
        (4, Next::RetryAt(Timestamp::default()), Progress::Open),
    ] {
        let (seq, leases, _) = stored(&store, waiting(event(number), &["orders"])).await;
        assert_eq!(store.progress(seq, &orders).await.unwrap(), Progress::Open);
        store.settle(settlement(&leases[0], next)).await.unwrap();
        assert_eq!(store.progress(seq, &orders).await.unwrap(), wanted);
        assert_eq!(store.progress(seq, &name("nobody")).await.unwrap(), Progress::Over);
    }
}

async fn what_was_delivered_and_is_sent_again_is_delivered(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let (seq, leases, _) = stored(&store, waiting(event(1), &["orders"])).await;
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    let mut repeated = waiting(event(1), &["orders"]);
    repeated.dedupe = Duration::ZERO;
    let (_, _, lease, _) = again(&store, repeated).await;
    assert!(lease.is_some(), "it is sent again");
    assert_eq!(store.progress(seq, &name("orders")).await.unwrap(), Progress::Delivered);
}

async fn what_was_delivered_and_is_replayed_is_delivered_whatever_comes_of_that_and_what_died_is_not(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    for (number, first, wanted) in [(1, Next::Delivered, Progress::Delivered), (2, Next::Dead, Progress::Over)] {
        let (seq, leases, _) = stored(&store, waiting(event(number), &["orders"])).await;
        store.settle(settlement(&leases[0], first)).await.unwrap();
        store.replay(event(number).id, hookgate::store::Selection::Planned).await.unwrap();
        let again = store.lease(&name("orders"), 9).await.unwrap().leases.remove(0);
        store.settle(settlement(&again, Next::Dead)).await.unwrap();
        assert_eq!(store.progress(seq, &name("orders")).await.unwrap(), wanted);
    }
}

async fn an_event_that_is_kept_back_waits_for_nobody_until_it_is_released(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    let mut new = waiting(event(1), &["orders"]);
    Arc::get_mut(&mut new.event).unwrap().verdict = Verdict::Quarantined(hookgate::domain::event::Reason::DuplicateKey);
    let (_, leases, _) = stored(&store, new).await;
    assert!(leases.is_empty());
    assert_eq!(answer_of(&store, event(1).id).await, Some(299));
    assert_eq!(again(&store, waiting(event(1), &["orders"])).await.1, Respond::Now(299));
    store.release(event(1).id, waiting(event(1), &["orders"]).plan).await.unwrap();
    assert_eq!(answer_of(&store, event(1).id).await, Some(299), "that was its answer");
    assert_eq!(again(&store, waiting(event(1), &["orders"])).await.1, Respond::After(wait()));
}
