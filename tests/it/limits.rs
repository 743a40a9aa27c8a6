//! The limits of the public listener, with short times and few connections: who is let in, who has to go, and the stop.

mod house;
mod requests;

use crate::support::{
    sender::{Connection, request},
    until::until_eq,
};
use hookgate::{
    domain::pem::Pem,
    receive::{
        Network, TrustedProxies,
        server::{Limits, Settings, Stage},
        tls::{Files, Tls},
    },
};
use house::{AGES, House, webhook};
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_head_that_takes_too_long_ends_its_connection_and_an_idle_one_may_wait_longer() {
    let limits = Limits { head: Duration::from_millis(300), idle: Duration::from_secs(600), ..Limits::default() };
    let house = House::open(limits);
    let mut silent = Connection::open(house.address).await;
    let mut idle = Connection::open(house.address).await;
    idle.send(&webhook()).await;
    assert_eq!(idle.answer().await.expect("an answer").code, 200);
    let mut slow = Connection::open(house.address).await;
    for byte in &webhook()[..20] {
        slow.send(&[*byte]).await;
    }
    assert!(silent.is_closed().await, "a new connection has to send its head");
    assert!(slow.is_closed().await, "a head has to end");
    idle.send(&webhook()).await;
    assert_eq!(idle.answer().await.expect("an answer").code, 200, "between two requests there is time");
    idle.send(b"POST /webho").await;
    assert!(idle.is_closed().await, "the head of a later request has to end too");
}

#[tokio::test]
async fn a_tls_handshake_is_a_part_of_the_wait_for_a_head() {
    let files = Files { cert: "tests/data/tls/localhost.pem".into(), key: "tests/data/tls/localhost.key".into() };
    let read = |files: &Files| Ok(Pem { cert: std::fs::read(&files.cert)?, key: std::fs::read(&files.key)? });
    let pem = read(&files).expect("they are in the repository");
    let tls = Some(Tls::new(files, read, &pem).expect("they fit"));
    let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
    let house = House::with(Settings { limits, tls: tls.clone(), ..Settings::default() });
    let (mut silent, mut slow) = (Connection::open(house.address).await, Connection::open(house.address).await);
    slow.send(&[22, 3, 1, 2, 0, 1]).await;
    assert!(silent.is_closed().await && slow.is_closed().await, "a handshake has to end");

    let house = House::with(Settings { limits: Limits { connections: 2, ..Limits::default() }, tls, ..Settings::default() });
    let mut first = Connection::open(house.address).await;
    let _others = (Connection::open(house.address).await, Connection::open(house.address).await);
    assert!(first.is_closed().await, "it waited longest without a head");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let house = House::open(Limits { idle: Duration::from_millis(300), ..Limits::default() });
    let mut idle = Connection::open(house.address).await;
    idle.send(&webhook()).await;
    assert_eq!(idle.answer().await.expect("an answer").code, 200);
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn a_full_house_closes_who_waited_longest_without_a_head_and_never_refuses() {
    let house = House::open(Limits { connections: 4, ..Limits::default() });
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(Connection::open(house.address).await);
    }
    for round in 0..4 {
        let mut proper = Connection::open(house.address).await;
        proper.send(&webhook()).await;
        assert_eq!(proper.answer().await.expect("an answer").code, 200, "round {round}");
        assert!(waiting.remove(0).is_closed().await, "round {round}: the oldest goes");
        waiting.push(proper);
    }
}

#[tokio::test]
async fn one_address_has_so_many_connections_without_a_head_and_busy_ones_do_not_count() {
    let house = House::open(Limits { waiting_per_address: 3, grace: Duration::ZERO, head: AGES, ..Limits::default() });
    let text = webhook();
    let mut busy = house.busy().await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(Connection::open(house.address).await);
    }
    for round in 0..3 {
        waiting.push(Connection::open(house.address).await);
        assert!(waiting.remove(0).is_closed().await, "round {round}: the one goes that waited longest");
    }
    busy.send(&text[text.len() - 1..]).await;
    assert_eq!(busy.answer().await.expect("busy ones are let be").code, 200);
    // Whoever sent a right signature is spared.
    let more: Vec<_> = (0..10).map(|_| Connection::open(house.address)).collect();
    for more in more {
        waiting.push(more.await);
    }
    for mut spared in waiting {
        spared.send(&text).await;
        assert_eq!(spared.answer().await.expect("it is still open").code, 200);
    }
}

#[tokio::test]
async fn a_wrong_signature_spares_nobody_and_a_trusted_proxy_is_spared() {
    let loopback = Network::parse("127.0.0.0/8").expect("a network");
    for (trusted, is_spared) in [(vec![], false), (vec![loopback], true)] {
        let limits = Limits { waiting_per_address: 2, grace: Duration::ZERO, head: AGES, ..Limits::default() };
        let house = House::with(Settings { limits, trusted_proxies: TrustedProxies::new(trusted), ..Settings::default() });
        let mut first = Connection::open(house.address).await;
        first.send(&request("POST", "/webhooks/ottu", &[], b"{}")).await;
        assert_eq!(first.answer().await.expect("an answer").code, 401);
        let mut others = (Connection::open(house.address).await, Connection::open(house.address).await);
        for other in [&mut others.0, &mut others.1] {
            other.send(&request("GET", "/healthz", &[], b"")).await;
            assert_eq!(other.answer().await.expect("an answer").code, 200);
        }
        first.send(&webhook()).await;
        assert_eq!(first.answer().await.map(|answer| answer.code), is_spared.then_some(200), "it was between two requests");
    }
}

#[tokio::test]
async fn when_every_connection_is_busy_a_new_one_waits_for_its_turn() {
    let house = House::open(Limits { connections: 2, ..Limits::default() });
    let text = webhook();
    let (mut first, mut second) = (Connection::open(house.address).await, Connection::open(house.address).await);
    for busy in [&mut first, &mut second] {
        busy.send(&text[..text.len() - 1]).await;
    }
    let mut third = Connection::open(house.address).await;
    third.send(&text).await;
    first.send(&text[text.len() - 1..]).await;
    assert_eq!(first.answer().await.expect("an answer").code, 200);
    assert_eq!(third.answer().await.expect("its turn came").code, 200);
    assert!(first.is_closed().await, "it was between two requests, and made room");
    second.send(&text[text.len() - 1..]).await;
    assert_eq!(second.answer().await.expect("busy ones are let be").code, 200);
}

#[tokio::test]
async fn a_full_house_notices_a_stop_and_answers_whoever_waits_at_the_door() {
    let house = House::open(Limits { connections: 1, request: AGES, ..Limits::default() });
    let mut busy = house.busy().await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(house.address).await;
        connection.send(&webhook()).await;
        waiting.push(connection);
    }
    house.stage.send_replace(Stage::Closing);
    for mut waiting in waiting {
        let answer = waiting.answer().await.expect("an answer");
        assert_eq!((answer.code, answer.header("connection")), (200, Some("close")));
    }
    until_eq("new connections to be refused", true, || async { TcpStream::connect(house.address).await.is_err() }).await;
    busy.send(&webhook()[webhook().len() - 1..]).await;
    assert_eq!(busy.answer().await.expect("what was open is answered").code, 200);
    house.server.await.expect("the listener ends with its last connection");
}

#[tokio::test]
async fn a_drain_answers_what_is_open_closes_what_is_idle_and_takes_no_more() {
    let house = House::open(Limits::default());
    let text = webhook();
    let (mut idle, mut busy) = (Connection::open(house.address).await, house.busy().await);
    idle.send(&text).await;
    assert_eq!(idle.answer().await.expect("an answer").code, 200);

    house.stage.send_replace(Stage::Draining);
    let mut late = Connection::open(house.address).await;
    late.send(&text).await;
    let answer = late.answer().await.expect("new connections are still served");
    assert_eq!((answer.code, answer.header("connection")), (200, Some("close")));

    house.stage.send_replace(Stage::Closing);
    assert!(idle.is_closed().await);
    until_eq("new connections to be refused", true, || async { TcpStream::connect(house.address).await.is_err() }).await;
    busy.send(&text[text.len() - 1..]).await;
    assert_eq!(busy.answer().await.expect("what was open is answered").code, 200);
    house.server.await.expect("the listener ends with its last connection");
}

#[tokio::test]
async fn whoever_has_connected_before_the_stop_is_answered() {
    let house = House::open(Limits::default());
    let mut idle = Connection::open(house.address).await;
    idle.send(&webhook()).await;
    assert_eq!(idle.answer().await.expect("an answer").code, 200);
    // The listener's task has not run since: it finds these in its backlog, and the order to stop.
    let mut connected = Vec::new();
    for number in 0..20 {
        let stream = std::net::TcpStream::connect(house.address).expect("the kernel takes it");
        stream.set_nonblocking(true).expect("a socket");
        let mut connection = Connection::over(TcpStream::from_std(stream).expect("a socket"));
        if number % 2 == 0 {
            connection.send(&webhook()).await;
        }
        connected.push(connection);
    }
    house.stage.send_replace(Stage::Closing);
    assert!(idle.is_closed().await);
    for (number, mut connection) in connected.into_iter().enumerate() {
        if number % 2 == 1 {
            connection.send(&webhook()).await;
        }
        let answer = connection.answer().await.unwrap_or_else(|| panic!("connection {number} is answered"));
        assert_eq!(answer.code, 200);
        assert!(number % 2 == 0 || answer.header("connection") == Some("close"));
    }
    house.server.await.expect("it ends");
    assert!(TcpStream::connect(house.address).await.is_err(), "no more are let in");
}
