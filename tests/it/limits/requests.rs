//! The limits on one request, and on the memory of all.

use super::house::{AGES, House, webhook};
use crate::support::{
    sender::{Connection, request, sample},
    until::{until, until_eq},
};
use hookgate::{
    domain::clock::Clock,
    receive::{
        Network, TrustedProxies,
        server::{Limits, Settings},
    },
    store, tasks,
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::interval,
};

#[tokio::test]
async fn a_request_that_is_not_whole_in_time_is_answered_and_ends_its_connection() {
    let house = House::open(Limits { request: Duration::from_millis(300), ..Limits::default() });
    let text = webhook();
    let mut slow = Connection::open(house.address).await;
    slow.send(&text[..text.len() - 1]).await;
    let answer = slow.answer().await.expect("an answer");
    assert_eq!((answer.code, answer.header("connection")), (408, Some("close")));
    assert!(slow.is_closed().await);
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_has_no_more_time_than_any_other() {
    let house = House::open(Limits { request: Duration::from_millis(300), ..Limits::default() });
    let text = webhook();
    let (mut slow, mut sent) = (Connection::open(house.address).await, text.len() - 50);
    slow.send(&text[..sent]).await;
    let mut pace = interval(Duration::from_millis(30));
    // Fifty further bytes would take five times as long as a request may.
    let answer = loop {
        tokio::select! {
            answer = slow.answer() => break answer.expect("an answer"),
            _ = pace.tick() => {
                slow.send(&text[sent..=sent]).await;
                sent += 1;
            }
        }
    };
    assert_eq!((answer.code, answer.header("connection")), (408, Some("close")));
    assert!(sent < text.len(), "it was answered before it was whole");
}

#[tokio::test]
async fn a_request_is_held_for_as_long_as_its_source_says_and_then_answered_503() {
    let hold = Duration::from_secs(2);
    let house = House::in_vain(hold);
    let clock = Clock::system();
    let start = clock.instant();
    let mut held = Connection::open(house.address).await;
    held.send(&webhook()).await;
    until_eq("the request to be counted as held", 1.0, || async { house.metric("hookgate_held_requests") }).await;
    let answer = held.answer().await.expect("an answer");
    let waited = clock.instant().duration_since(start);
    assert_eq!(answer.code, 503);
    assert!(waited >= hold && waited < hold * 2, "{waited:?}");
    assert_eq!(house.metric("hookgate_held_requests"), 0.0);
    assert_eq!(house.metric("hookgate_webhooks_received_total{outcome=\"held_out\",source=\"ottu\"}"), 1.0);
}

#[tokio::test]
async fn bodies_beyond_the_memory_for_them_wait_and_are_all_answered() {
    let house = House::open(Limits { small_bodies: 64 << 10, large_bodies: 256 << 10, known_bodies: 0, ..Limits::default() });
    let mut large: serde_json::Value = serde_json::from_slice(&sample("payment.paid")).expect("JSON");
    large["extra"] = serde_json::json!("x".repeat(900_000));
    let body = large.to_string();
    let senders: Vec<_> = (0..16)
        .map(|_| {
            let (to, text) = (house.address, request("POST", "/webhooks/ottu", &[], body.as_bytes()));
            tasks::spawn(async move {
                let mut connection = Connection::open(to).await;
                connection.send(&text).await;
                connection.answer().await.expect("an answer").code
            })
        })
        .collect();
    for sender in senders {
        assert_eq!(sender.await.expect("it does not panic"), 200);
    }
}

#[tokio::test]
async fn bodies_that_strangers_never_finish_do_not_keep_a_known_sender_waiting() {
    let limits = Limits { small_bodies: 64 << 10, large_bodies: 64 << 10, known_bodies: 64 << 10, request: AGES, ..Limits::default() };
    let house = House::open(limits);
    let mut known = Connection::open(house.address).await;
    known.send(&webhook()).await;
    assert_eq!(known.answer().await.expect("an answer").code, 200);
    let unfinished = request("POST", "/webhooks/ottu", &[("expect", "100-continue")], &vec![b'x'; 60 << 10]);
    let mut strangers = Vec::new();
    for _ in 0..8 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("all of 127.0.0.0/8 is here");
        let mut stranger = Connection::over(socket.connect(house.address).await.expect("a connection"));
        stranger.send(&unfinished[..unfinished.len() - 1]).await;
        strangers.push(stranger);
    }
    // Of the strangers some are read, and the rest waits.
    assert_eq!(strangers[0].answer().await.expect("it is read").code, 100);
    for _ in 0..3 {
        known.send(&webhook()).await;
        assert_eq!(known.answer().await.expect("an answer").code, 200);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_sender_is_known_by_its_own_address() {
    let limits = Limits { small_bodies: 64 << 10, large_bodies: 64 << 10, known_bodies: 64 << 10, request: AGES, ..Limits::default() };
    let trusted_proxies = TrustedProxies::new(vec![Network::parse("127.0.0.0/8").expect("a network")]);
    let house = House::with(Settings { limits, trusted_proxies, ..Settings::default() });
    let of =
        |caller: &str, body: &[u8]| request("POST", "/webhooks/ottu", &[("x-forwarded-for", caller), ("expect", "100-continue")], body);
    let through = async |caller: &str, body: &[u8], missing: usize| {
        let mut connection = Connection::open(house.address).await;
        let text = of(caller, body);
        connection.send(&text[..text.len() - missing]).await;
        connection
    };
    let known = async || {
        let mut known = through("203.0.113.7", &sample("payment.paid"), 0).await;
        let first = known.answer().await.expect("an answer").code;
        if first == 100 { known.answer().await.expect("an answer").code } else { first }
    };
    assert_eq!(known().await, 200);
    let mut strangers = Vec::new();
    for number in 0..8 {
        strangers.push(through(&format!("198.51.100.{number}"), &vec![b'x'; 60 << 10], 1).await);
    }
    assert_eq!(strangers[0].answer().await.expect("it is read").code, 100);
    for _ in 0..3 {
        assert_eq!(known().await, 200);
    }
}

#[tokio::test]
async fn an_answer_before_the_body_is_whole_reaches_a_sender_that_goes_on_sending() {
    let house = House::open(Limits::default());
    let mut stream = TcpStream::connect(house.address).await.expect("a connection");
    let length = 4 << 20;
    stream
        .write_all(format!("POST /webhooks/ottu HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n").as_bytes())
        .await
        .expect("a head");
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..length / piece.len() {
        stream.write_all(&piece).await.expect("the peer reads on");
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("no reset");
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn an_answer_to_a_head_that_cannot_be_read_reaches_a_sender_that_goes_on_sending() {
    let house = House::open(Limits::default());
    let mut stream = TcpStream::connect(house.address).await.expect("a connection");
    let headers: String = (0..65).map(|number| format!("x-{number}: x\r\n")).collect();
    stream.write_all(format!("POST /webhooks/ottu HTTP/1.1\r\n{headers}\r\n").as_bytes()).await.expect("a head");
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..64 {
        stream.write_all(&piece).await.expect("the peer reads on");
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("no reset");
    assert!(answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_peer_that_goes_away_before_its_answer_has_its_event_stored_all_the_same() {
    let house = House::open(Limits::default());
    let mut connection = Connection::open(house.address).await;
    connection.send(&webhook()).await;
    drop(connection);
    until("the event to be stored", || async {
        let page = house.store.search(store::Query { limit: 10, ..store::Query::default() }).await.expect("a list");
        (page.events.len() == 1).then_some(())
    })
    .await;
}
