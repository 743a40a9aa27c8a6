//! The limits of the public listener, with short times and few connections: the listener itself, on a real socket,
//! in front of a real store.

use crate::support::{
    sender::{Connection, request, sample},
    until::{until, until_eq},
};
use hookgate::{
    domain::{clock::Clock, delivery::Lease, name::Name, pem::Pem, secret::Secret},
    metrics::{Labels, Metrics},
    provider::{self, Scheme, Unsigned},
    receive::{
        Dispatch, FrontDoor, Network, SourceSettings, TrustedProxies,
        server::{self, Limits, Settings, Stage},
        tls::{Files, Tls},
    },
    route::Rules,
    store::{self, Store},
    tasks,
};
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Takes nothing on: no rule sends anything anywhere.
struct Nowhere;

impl Dispatch for Nowhere {
    fn dispatch(&self, leases: Vec<Lease>, deferred: &[Name]) {
        assert!(leases.is_empty() && deferred.is_empty());
    }
}

/// A limit that no story reaches.
const AGES: Duration = Duration::from_secs(600);

struct House {
    address: SocketAddr,
    stage: watch::Sender<Stage>,
    server: JoinHandle<()>,
    store: Arc<dyn Store>,
    _folder: TempDir,
}

impl House {
    fn open(limits: Limits) -> Self {
        Self::with(Settings { limits, ..Settings::default() })
    }

    fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = Name::of_part("ottu").expect("a name");
        let metrics = Arc::new(Metrics::new(&Labels { sources: vec![name.clone()], ..Labels::default() }));
        let stored = store::Settings {
            path: folder.path().join("data"),
            keep: Duration::from_secs(3600),
            keep_unresolved: Duration::from_secs(3600),
        };
        let clock = Clock::system();
        let store = store::open(&stored, clock.clone(), Arc::clone(&metrics)).expect("a store");
        let source = SourceSettings {
            name: name.clone(),
            path: "/webhooks/ottu".to_owned(),
            allow_ips: Vec::new(),
            provider_timeout: Duration::from_secs(15),
            hold: Duration::from_secs(60),
            dedupe: Duration::from_secs(3600),
            keys: Arc::new([]),
        };
        let provider = provider::Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new("test-hmac-key")], unsigned: Unsigned::Reject };
        let rules = Rules { answers: HashMap::from([(name, 200)]), ..Rules::default() };
        let door = FrontDoor::new(vec![(source, provider)], Arc::new(rules), Arc::clone(&store), Arc::new(Nowhere), clock.clone(), metrics);
        let listener = server::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (stage, stages) = watch::channel(Stage::Open);
        let server = tasks::spawn(server::serve(listener, Arc::new(door), settings, clock, stages));
        Self { address, stage, server, store, _folder: folder }
    }

    /// A connection whose head is read, and of whose webhook the last byte is missing.
    async fn busy(&self) -> Connection {
        let mut busy = Connection::open(self.address).await;
        let asking = request("POST", "/webhooks/ottu", &[("expect", "100-continue")], &sample("payment.paid"));
        busy.send(&asking[..asking.len() - 1]).await;
        assert_eq!(busy.answer().await.expect("its head was read").code, 100);
        busy
    }
}

fn webhook() -> Vec<u8> {
    request("POST", "/webhooks/ottu", &[], &sample("payment.paid"))
}

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
