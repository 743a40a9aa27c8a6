//! Quarantine has a share of the disk: beyond it, events are kept in part. What is accepted is never cut.

use super::*;
use hookgate::{
    domain::event::Reason,
    store::{Released, sqlite::Room},
};

contract! {
    beyond_the_budget_a_part_of_what_is_kept_back_is_kept_and_all_of_what_is_accepted
    small_events_are_kept_whole_beyond_the_budget
    what_is_kept_in_part_can_be_discarded_and_not_released
    the_same_bytes_again_are_kept_whole_once_there_is_room
    every_way_out_of_quarantine_gives_room_back
    the_count_is_the_same_after_a_kill
}

/// Room for two large events.
const BUDGET: u64 = 25_000;

fn house(engine: Engine) -> House {
    House { room: Room { quarantine: Some(BUDGET), ..Room::default() }, ..House::new(engine) }
}

fn body(number: usize) -> String {
    format!("{{\"number\":{number},\"text\":\"{}\"}}", "x".repeat(10_000))
}

/// A large event with two fields, of which one is long.
fn large(number: usize, verdict: Verdict) -> Event {
    let mut event = signed(&format!("signature {number}"), &body(number));
    event.verdict = verdict;
    event.fields.session_id = Some(format!("session {number} {}", "s".repeat(1_000)).into());
    event.fields.order_no = Some(format!("order {number}").into());
    event
}

const KEPT_BACK: Verdict = Verdict::Quarantined(Reason::Unsigned);

async fn kept_back(store: &Arc<dyn Store>, number: usize) -> EventId {
    let event = large(number, KEPT_BACK);
    let id = event.id;
    stored(store, to(event, &["orders"])).await;
    id
}

async fn flags(store: &Arc<dyn Store>, id: EventId) -> Flags {
    store.event(id).await.unwrap().unwrap().summary.flags
}

async fn kept(store: &Arc<dyn Store>, id: EventId) -> Bytes {
    let seq = store.event(id).await.unwrap().unwrap().summary.seq;
    store.body(seq).await.unwrap().unwrap()
}

async fn weight(store: &Arc<dyn Store>) -> u64 {
    store.stats().await.unwrap().quarantine_bytes
}

fn plan() -> Plan {
    to(event(0), &["orders"]).plan
}

async fn beyond_the_budget_a_part_of_what_is_kept_back_is_kept_and_all_of_what_is_accepted(engine: Engine) {
    let house = house(engine);
    let store = house.open();
    let ids = [kept_back(&store, 1).await, kept_back(&store, 2).await, kept_back(&store, 3).await];
    for id in &ids[..2] {
        assert!(flags(&store, *id).await.is_empty());
    }
    assert_eq!(flags(&store, ids[2]).await, Flags::TRUNCATED);
    assert_eq!(kept(&store, ids[1]).await, body(2));
    assert_eq!(kept(&store, ids[2]).await, body(3)[..4_096]);
    let fields = store.event(ids[2]).await.unwrap().unwrap().summary.fields;
    assert_eq!((fields.session_id.as_deref(), fields.order_no.as_deref()), (None, Some("order 3")), "a field can be as long as a body");
    let accepted = large(4, Verdict::Accepted);
    let id = accepted.id;
    stored(&store, to(accepted, &["orders"])).await;
    assert_eq!((flags(&store, id).await, kept(&store, id).await), (Flags::default(), Bytes::from(body(4))));
}

async fn small_events_are_kept_whole_beyond_the_budget(engine: Engine) {
    let house = House { room: Room { quarantine: Some(0), ..Room::default() }, ..House::new(engine) };
    let store = house.open();
    let mut small = event(1);
    small.verdict = KEPT_BACK;
    let id = small.id;
    stored(&store, to(small, &[])).await;
    assert!(flags(&store, id).await.is_empty());
    assert!(matches!(store.release(id, plan()).await.unwrap(), Some(Released::Released { .. })));
}

async fn what_is_kept_in_part_can_be_discarded_and_not_released(engine: Engine) {
    let house = House { room: Room { quarantine: Some(0), ..Room::default() }, ..House::new(engine) };
    let store = house.open();
    let id = kept_back(&store, 1).await;
    assert_eq!(store.release(id, plan()).await.unwrap(), Some(Released::Truncated));
    assert_eq!(states(&store, id).await, []);
    assert!(store.discard(id).await.unwrap().unwrap().was_quarantined);
    assert_eq!(store.release(id, plan()).await.unwrap(), Some(Released::NotQuarantined));
    assert!(store.append(to(large(1, KEPT_BACK), &[])).await.is_ok());
    assert_eq!(flags(&store, id).await, Flags::TRUNCATED.with(Flags::DISCARDED), "what is closed is not taken up again");
}

async fn the_same_bytes_again_are_kept_whole_once_there_is_room(engine: Engine) {
    let house = house(engine);
    let mut store = house.open();
    let ids = [kept_back(&store, 1).await, kept_back(&store, 2).await, kept_back(&store, 3).await];
    let again = || to(large(3, KEPT_BACK), &[]);
    store.append(again()).await.unwrap();
    assert_eq!(flags(&store, ids[2]).await, Flags::TRUNCATED, "there is no room yet");
    store.discard(ids[0]).await.unwrap();
    // Also where the event is in the index already.
    store.close().await.unwrap();
    drop(store);
    store = house.open();
    store.append(again()).await.unwrap();
    assert_eq!((flags(&store, ids[2]).await, kept(&store, ids[2]).await), (Flags::default(), Bytes::from(body(3))));
    let session = large(3, KEPT_BACK).fields.session_id.map(String::from);
    assert_eq!(super::ids(&store, Query { session, ..all() }).await, [ids[2]], "it is found by what was left out");
    let before = weight(&store).await;
    store.append(again()).await.unwrap();
    assert_eq!(weight(&store).await, before, "it is counted once");
    assert!(matches!(store.release(ids[2], plan()).await.unwrap(), Some(Released::Released { .. })));
    store.serve(vec![name("orders")]).await.unwrap();
    let lease = store.lease(&name("orders"), 1).await.unwrap().leases.remove(0);
    assert_eq!(store.body(lease.event.seq).await.unwrap().unwrap(), body(3));
}

async fn every_way_out_of_quarantine_gives_room_back(engine: Engine) {
    let house = House { keep_unresolved: Duration::ZERO, ..house(engine) };
    let store = house.open();
    assert_eq!(store.stats().await.unwrap().quarantine_budget, BUDGET);
    for number in 0..3 {
        let id = kept_back(&store, number).await;
        assert!(weight(&store).await > 10_000);
        match number {
            0 => assert!(store.discard(id).await.unwrap().is_some()),
            1 => assert!(store.release(id, plan()).await.unwrap().is_some()),
            _ => {
                until("it is removed", || async {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    store.expire().await.unwrap();
                    store.event(id).await.unwrap().is_none()
                })
                .await;
            }
        }
        assert_eq!(weight(&store).await, 0, "way {number}");
    }
}

async fn the_count_is_the_same_after_a_kill(engine: Engine) {
    let house = house(engine);
    let store = house.open();
    for number in 0..4 {
        kept_back(&store, number).await;
    }
    let before = weight(&store).await;
    let (_house, store) = house.killed();
    assert_eq!(weight(&store).await, before);
    let id = kept_back(&store, 5).await;
    assert_eq!(flags(&store, id).await, Flags::TRUNCATED, "there is no room after a start either");
}
