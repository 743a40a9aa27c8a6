//! An operator's pauses: written down for good, and nothing else depends on them.

use super::*;

contract! {
    pauses_are_there_after_a_crash_and_so_is_their_end
    a_pause_needs_no_events_and_changes_nothing_for_them
}

async fn pauses_are_there_after_a_crash_and_so_is_their_end(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    assert_eq!(store.paused().await.unwrap(), []);
    for text in ["orders", "never seen", "orders"] {
        store.pause(name(text)).await.unwrap();
    }
    store.resume(name("nor this one")).await.unwrap();
    let (_copy, after) = house.killed();
    assert_eq!(after.paused().await.unwrap(), [name("orders"), name("never seen")]);
    store.serve(vec![name("erp")]).await.unwrap();
    store.resume(name("orders")).await.unwrap();
    store.resume(name("orders")).await.unwrap();
    let (_copy, after) = house.killed();
    assert_eq!(after.paused().await.unwrap(), [name("never seen")], "it stays for a destination that is not served");
    store.close().await.unwrap();
    assert!(matches!(store.pause(name("orders")).await, Err(StoreError::Closed)));
}

async fn a_pause_needs_no_events_and_changes_nothing_for_them(engine: Engine) {
    let house = House::new(engine);
    let store = house.open();
    store.pause(name("orders")).await.unwrap();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    assert_eq!(leases.len(), 1, "whether it is attempted is the lane's matter");
    store.give_back(leases);
    until("the lease to be there again", || async { store.lease(&name("orders"), 10).await.unwrap().leases.len() == 1 }).await;
}
