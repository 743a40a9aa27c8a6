//! What only the SQLite engine has to show: its folder, a failing disk, its bounds.

use crate::store_contract::{House, SQLITE, all, event, ids, in_order, name, settlement, signed, stored, to, until, until_states};
use hookgate::{
    domain::{
        attempt::Next,
        clock::Clock,
        delivery::{DeliveryStatus, Lease},
    },
    store::{Appended, Problem, Query, Settings, StoreError, WINDOW, sqlite::Room},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

mod damaged;
mod migration;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn database(house: &House) -> PathBuf {
    house.settings().path.join("hookgate.db")
}

/// Opens a store that cannot be used, and gives the reason and the message.
fn refused(settings: &Settings) -> (Problem, String) {
    match (SQLITE.open)(settings, Room::default(), Clock::system()) {
        Err(error @ StoreError::Unusable { .. }) => {
            let message = error.to_string();
            let StoreError::Unusable { problem, .. } = error else { unreachable!("matched above") };
            (problem, message)
        }
        other => panic!("{other:?}"),
    }
}

/// Every file in the folder with its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_can_read_the_folder_and_its_files() {
    let house = House::new(SQLITE);
    let store = house.open();
    stored(&store, to(event(1), &["orders"])).await;
    let folder = house.settings().path;
    assert_eq!(mode(&folder), 0o700);
    let files = contents(&folder);
    assert!(files.len() >= 3, "{files:?}");
    for (file, _) in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_handle_on_the_folder_is_refused() {
    let house = House::new(SQLITE);
    let store = house.open();
    let (problem, message) = refused(&house.settings());
    assert!(matches!(problem, Problem::InUse) && message.contains("another process"), "{message}");
    stored(&store, to(event(1), &[])).await;
    drop(store);
    assert_eq!(ids(&house.open(), all()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let house = House::new(SQLITE);
    let store = house.open();
    for number in 0..200 {
        stored(&store, to(event(number), &["orders"])).await;
    }
    drop(store);
    let good = fs::read(database(&house)).unwrap();
    let cut = good[..good.len() / 2].to_vec();
    for bad in [b"no database at all".to_vec(), vec![0xa5; 20_000], cut] {
        fs::write(database(&house), &bad).unwrap();
        let before = contents(&house.settings().path);
        let (problem, message) = refused(&house.settings());
        assert!(matches!(problem, Problem::Damaged(_)) && message.contains("damaged"), "{message}");
        assert_eq!(contents(&house.settings().path), before);
    }
    fs::write(database(&house), good).unwrap();
    assert_eq!(ids(&house.open(), all()).await.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let house = House::new(SQLITE);
    drop(house.open());
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = contents(&house.settings().path);
    let (problem, message) = refused(&house.settings());
    assert!(matches!(problem, Problem::Newer { found: 99, .. }) && message.contains("schema version 99"), "{message}");
    assert_eq!(contents(&house.settings().path), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_whose_version_stands_in_the_log_alone_is_refused_and_left_as_it_is() {
    let house = House::new(SQLITE);
    let store = house.open();
    stored(&store, to(event(1), &["orders"])).await;
    drop(store);
    // As a newer program leaves it that crashes before the log is moved.
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; ALTER TABLE event ADD COLUMN news; PRAGMA user_version = 99;").unwrap();
    drop(connection);
    let kept = || contents(&house.settings().path).into_iter().filter(|(path, _)| !path.ends_with("hookgate.db-shm")).collect::<Vec<_>>();
    let before = kept();
    assert_ne!(before[0].1[60..64], 99_u32.to_be_bytes(), "the file does not say so yet");
    for _ in 0..2 {
        let (problem, message) = refused(&house.settings());
        assert!(matches!(problem, Problem::Newer { found: 99, .. }) && message.contains("use the newer hookgate"), "{message}");
        assert_eq!(kept(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_another_program_is_refused() {
    let house = House::new(SQLITE);
    fs::create_dir(house.settings().path).unwrap();
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    connection.execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1;").unwrap();
    drop(connection);
    assert!(matches!(refused(&house.settings()).0, Problem::Damaged(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_made_is_refused_with_its_path() {
    let house = House::new(SQLITE);
    let file = house.folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let (problem, message) = refused(&Settings { path: file.join("data"), ..house.settings() });
    assert!(matches!(problem, Problem::Io(_)) && message.contains("file/data"), "{message}");
    let (problem, _) = refused(&Settings { path: file, ..house.settings() });
    assert!(matches!(problem, Problem::Io(_)));
}

/// Runs statements on the database from outside, as a failing disk's stand-in.
fn from_outside(house: &House, sql: &str) {
    let connection = rusqlite::Connection::open(database(house)).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_fails_events_wait_and_none_is_lost() {
    let house = House::new(SQLITE);
    let store = house.open();
    let (_, leases, _) = stored(&store, to(event(1), &["orders"])).await;
    from_outside(&house, "CREATE TRIGGER fails BEFORE INSERT ON body BEGIN SELECT RAISE(FAIL, 'no space'); END");
    let waiting: Vec<_> = (2..300)
        .map(|number| {
            let store = store.clone();
            hookgate::tasks::spawn(async move { store.append(to(event(number % 200), &["orders", "new one"])).await.unwrap() })
        })
        .collect();
    store.settle(settlement(&leases[0], Next::Delivered)).await.unwrap();
    until("health tells", || async { matches!(store.health(), Err(StoreError::Failing(_))) }).await;
    assert_eq!(ids(&store, all()).await.len(), 1, "what is there can be read, and nothing else is there");
    assert!(store.stats().await.is_ok());
    assert!(waiting.iter().all(|task| !task.is_finished()), "nothing is acknowledged");
    from_outside(&house, "DROP TRIGGER fails");
    let (mut new, mut again) = (0, 0);
    for task in waiting {
        match task.await.unwrap() {
            Appended::Stored { .. } => new += 1,
            Appended::Duplicate { .. } => again += 1,
            Appended::Variant { .. } => panic!("the bytes are the same"),
        }
    }
    assert_eq!((new, again), (199, 99));
    assert!(store.health().is_ok());
    until_states(&store, event(1).id, &[DeliveryStatus::Delivered]).await;
    drop(store);
    let store = house.open();
    assert_eq!(ids(&store, Query { destination: Some("new one".into()), ..all() }).await.len(), 199);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_held_from_outside_is_waited_for() {
    let house = House::new(SQLITE);
    let store = house.open();
    let holder = rusqlite::Connection::open(database(&house)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let theirs = store.clone();
    let waiting = hookgate::tasks::spawn(async move { stored(&theirs, to(event(1), &["orders"])).await.1.len() });
    until("health tells", || async { store.health().is_err() }).await;
    assert!(!waiting.is_finished());
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    assert_eq!(waiting.await.unwrap(), 1);
    assert!(store.health().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_closes_while_the_disk_fails_tells_those_who_wait() {
    let house = House::new(SQLITE);
    let store = house.open();
    from_outside(&house, "CREATE TRIGGER fails BEFORE INSERT ON body BEGIN SELECT RAISE(FAIL, 'no space'); END");
    let theirs = store.clone();
    let waiting = hookgate::tasks::spawn(async move { theirs.append(to(event(1), &[])).await });
    until("health tells", || async { store.health().is_err() }).await;
    store.close().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(StoreError::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_fails_settlements_beyond_those_under_way_are_given_back_to_be_tried_again() {
    let house = House::new(SQLITE);
    let store = house.open();
    let mut leases = Vec::new();
    for number in 0..200 {
        leases.extend(stored(&store, to(event(number), &["orders"])).await.1);
    }
    from_outside(&house, "CREATE TRIGGER fails BEFORE INSERT ON delivery BEGIN SELECT RAISE(FAIL, 'no space'); END");
    let settle = |lease: &Lease| {
        let (store, settlement) = (store.clone(), settlement(lease, Next::Delivered));
        hookgate::tasks::spawn(async move { store.settle(settlement).await })
    };
    let mut refused = Vec::new();
    for (lease, settled) in leases.iter().map(|lease| (lease, settle(lease))).collect::<Vec<_>>() {
        match settled.await.unwrap() {
            Ok(()) => {}
            Err(StoreError::Failing(_)) => refused.push(lease),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused.len(), 200 - 128);
    from_outside(&house, "DROP TRIGGER fails");
    until("the disk to be well", || async { store.health().is_ok() }).await;
    for lease in refused {
        settle(lease).await.unwrap().unwrap();
    }
    for number in 0..200 {
        until_states(&store, event(number).id, &[DeliveryStatus::Delivered]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_waiting_deliveries_are_rows_and_not_memory() {
    const EVENTS: usize = 20_000;
    let house = House::new(SQLITE);
    let mut store = house.open();
    let mut tasks = Vec::new();
    for part in 0..50 {
        let store = store.clone();
        tasks.push(hookgate::tasks::spawn(async move {
            let mut leased = 0;
            for number in 0..EVENTS / 50 {
                leased += stored(&store, to(event(part * 1_000 + number), &["paused"])).await.1.len();
            }
            leased
        }));
    }
    let mut leased = 0;
    for task in tasks {
        leased += task.await.unwrap();
    }
    assert_eq!(leased, WINDOW, "all others are in rows");
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.destinations[0].ready, stats.destinations[0].retrying), (EVENTS as u64, 0));
    // The leased ones had no row; the oldest of them get one when 10,000 newer events have come.
    store.close().await.unwrap();
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    assert_eq!(count("SELECT count(*) FROM delivery"), EVENTS);
    assert!(count("SELECT count(*) FROM event WHERE seq >= (SELECT low_seq FROM state)") <= 10_512);
    assert_eq!(count("SELECT count(*) FROM ids"), EVENTS);
    drop((connection, store));
    store = house.open();
    let mut found = 0;
    while found < EVENTS {
        let leases = store.lease(&name("paused"), 500).await.unwrap().leases;
        assert!(!leases.is_empty(), "{found} of {EVENTS}");
        found += leases.len();
        for lease in leases {
            store.settle(settlement(&lease, Next::Delivered)).await.unwrap();
        }
    }
    assert_eq!(store.lease(&name("paused"), 500).await.unwrap().next_due, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_delivery_that_is_kept_in_order_has_a_row_before_its_outcome() {
    let house = House::new(SQLITE);
    let store = house.open();
    for number in 0..10 {
        assert_eq!(stored(&store, to(event(number), &["orders"])).await.1.len(), 1);
        assert_eq!(stored(&store, in_order(event(100 + number), &["orders"], "")).await.1.len(), 1);
    }
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    let rows = || connection.query_row("SELECT count(*) FROM delivery", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows(), 0);
    assert_eq!(stored(&store, in_order(event(200), &["orders"], "a")).await.1.len(), 1);
    assert_eq!(rows(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_indexes_follow_within_a_second() {
    let house = House::new(SQLITE);
    let store = house.open();
    stored(&store, to(event(1), &[])).await;
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    let sql = "SELECT (SELECT count(*) FROM ids) + (SELECT count(*) FROM field_index WHERE seq = (SELECT indexed_seq FROM state))";
    until("both have it", || async { connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 2 }).await;
    assert_eq!(ids(&store, Query { session: Some("signature 1".into()), ..all() }).await, [event(1).id]);
    assert!(matches!(store.append(to(event(1), &[])).await.unwrap(), Appended::Duplicate { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_moved_into_the_database_while_events_come_in_and_grows_only_while_somebody_reads() {
    let house = House::new(SQLITE);
    let store = house.open();
    let size = |suffix: &str| fs::metadata(house.settings().path.join(format!("hookgate.db{suffix}"))).unwrap().len() >> 20;
    let mut number = 0;
    let mut store_megabytes = async |megabytes: usize| {
        for _ in 0..megabytes * 4 {
            number += 1;
            let body = std::iter::repeat_with(fastrand::alphanumeric).take(400_000).collect::<String>();
            stored(&store, to(signed(&format!("signature {number}"), &body), &[])).await;
        }
    };
    // 8,000 pages are 32 MiB. Packed, such a body takes about three quarters.
    store_megabytes(48).await;
    assert!(size("") >= 24, "the database has {} MiB", size(""));
    let log = size("-wal");
    assert!(log <= 40, "the log has {log} MiB");
    let reader = rusqlite::Connection::open(database(&house)).unwrap();
    let mut transaction = reader.prepare("SELECT seq FROM event").unwrap();
    let mut rows = transaction.query([]).unwrap();
    assert!(rows.next().unwrap().is_some());
    store_megabytes(48).await;
    assert!(size("-wal") > log, "the log has {} MiB, though what is read is in it", size("-wal"));
    drop(rows);
    store_megabytes(4).await;
    store.close().await.unwrap();
    assert!(size("") >= 60, "the database has {} MiB", size(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_events_are_indexed_leaves_each_to_be_found_once() {
    const EVENTS: usize = 6_000;
    let house = House::new(SQLITE);
    let store = house.open();
    let mut tasks = Vec::new();
    for part in 0..100 {
        let store = store.clone();
        tasks.push(hookgate::tasks::spawn(async move {
            for number in 0..EVENTS / 100 {
                stored(&store, to(event(part * 1_000 + number), &[])).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (house, store) = house.killed();
    for number in [0, 1, 59, 50_007, 99_059] {
        let session = Some(format!("signature {number}"));
        assert_eq!(ids(&store, Query { session, ..all() }).await, [event(number).id]);
        assert!(matches!(store.append(to(event(number), &[])).await.unwrap(), Appended::Duplicate { .. }));
    }
    store.close().await.unwrap();
    let connection = rusqlite::Connection::open(database(&house)).unwrap();
    let sql = "SELECT (SELECT count(*) FROM ids), (SELECT count(*) FROM event WHERE seq > (SELECT indexed_seq FROM state))";
    assert_eq!(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap(), (EVENTS as i64, 0));
}
