//! A store on a small disk that fills and gets room again: what fits goes on, the rest is held, and nobody is told otherwise.

use crate::{
    store_contract::{House, SQLITE, all, event, ids, signed, to, until},
    store_faults::SmallDisk,
};
use hookgate::{
    domain::id::EventId,
    store::{Appended, NewEvent, Store, StoreError, sqlite::Room},
    tasks,
};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// An eighth of a disk of 16 MiB.
const RESERVE: u64 = 2 << 20;

/// An event of about a megabyte.
fn large(number: usize) -> NewEvent {
    let body = std::iter::repeat_with(fastrand::alphanumeric).take(1_000_000).collect::<String>();
    to(signed(&format!("signature of large {number}"), &body), &[])
}

type Sent = JoinHandle<Result<Appended, StoreError>>;

/// Hands events to the store in this order, and waits for none of them.
async fn send(store: &Arc<dyn Store>, events: Vec<NewEvent>) -> Vec<(EventId, Sent)> {
    let mut sent = Vec::new();
    for new in events {
        let (id, store, (handed, is_handed)) = (new.event.id, store.clone(), tokio::sync::oneshot::channel());
        let append = tasks::spawn(async move {
            let mut append = pin!(store.append(new));
            let mut handed = Some(handed);
            std::future::poll_fn(move |context| {
                let polled = append.as_mut().poll(context);
                let _ = handed.take().map(|handed| handed.send(()));
                polled
            })
            .await
        });
        is_handed.await.unwrap();
        sent.push((id, append));
    }
    sent
}

/// A store on the disk, once its reserve is made.
async fn store_on(disk: &SmallDisk) -> (House, Arc<dyn Store>) {
    let house = House { folder: tempfile::tempdir_in(disk.path()).unwrap(), room: Room::default(), ..House::new(SQLITE) };
    let store = house.open();
    until_reserved(&store).await;
    (house, store)
}

async fn until_reserved(store: &Arc<dyn Store>) {
    until("the reserve", || async { store.stats().await.unwrap().reserve_bytes == RESERVE }).await;
    assert!(store.health().is_ok());
}

async fn until_failing(store: &Arc<dyn Store>) {
    until("health tells", || async { matches!(store.health(), Err(StoreError::Failing(_))) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_do_not_fit_the_room_on_the_disk_let_those_pass_that_do_and_health_tells_of_them_all_the_while() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a small disk cannot be mounted here; that takes root");
        return;
    };
    let (house, store) = store_on(&disk).await;
    disk.fill();
    let larges = send(&store, (0..24).map(large).collect()).await;
    until_failing(&store).await;
    disk.fill();
    let smalls = send(&store, (0..50).map(|number| to(event(number), &["orders"])).collect()).await;
    disk.free();
    for (_, small) in smalls {
        while !small.is_finished() {
            assert!(store.health().is_err(), "not all that came in is stored");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(matches!(small.await.unwrap(), Ok(Appended::Stored { .. })));
    }
    assert!(matches!(store.health(), Err(StoreError::Failing(_))), "24 MB do not fit");
    // Others go on meanwhile, at once.
    let late = send(&store, vec![to(event(100), &["orders"])]).await.remove(0).1;
    assert!(matches!(late.await.unwrap(), Ok(Appended::Stored { .. })));

    // A store that closes in the middle of it tells those who wait, without delay.
    tokio::time::timeout(Duration::from_secs(5), store.close()).await.expect("it closes").unwrap();
    let mut stored = Vec::new();
    for (place, (id, large)) in larges.into_iter().enumerate() {
        match large.await.unwrap() {
            Ok(Appended::Stored { .. }) => stored.push((place, id)),
            Err(StoreError::Closed) => {}
            other => panic!("{other:?}"),
        }
    }
    let places: Vec<_> = stored.iter().map(|(place, _)| *place).collect();
    assert!(places.len() >= 4 && places == (0..places.len()).collect::<Vec<_>>(), "the first ones that fit: {places:?}");
    drop(store);
    let store = house.open();
    let found = ids(&store, all()).await;
    assert_eq!(found.len(), 51 + stored.len());
    assert!(stored.iter().all(|(_, id)| found.contains(id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_while_the_disk_was_full_is_stored_in_the_order_in_which_it_came() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a small disk cannot be mounted here; that takes root");
        return;
    };
    let (_house, store) = store_on(&disk).await;
    disk.fill();
    // They use up the reserve, and are too many for one transaction when there is room again.
    let mut sent = send(&store, (0..7).map(large).collect()).await;
    until_failing(&store).await;
    disk.fill();
    sent.extend(send(&store, (0..200).map(|number| to(event(number), &["orders"])).collect()).await);
    disk.free();
    let mut keys = Vec::new();
    for (_, sent) in sent {
        match sent.await.unwrap() {
            Ok(Appended::Stored { seq, .. }) => keys.push(seq),
            other => panic!("{other:?}"),
        }
    }
    assert!(keys.is_sorted(), "{keys:?}");
    // Only when nothing failed for a while the reserve takes its room again, and then nobody is called any more.
    until_reserved(&store).await;
}
