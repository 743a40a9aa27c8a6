//! Destinations that do whatever a destination can do wrong: every attempt ends in time, has its right name, and leaves nothing behind.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{payment, signed},
    sink::{Manners, Reply, Sink},
    until::{until, until_eq},
};
use hookgate::domain::pem::Pem;
use std::{
    collections::HashSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, sign::SingleCertAndKey};

const TIMEOUT: Duration = Duration::from_millis(500);
const EVENTS: usize = 6;

/// A good answer, to be cut.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nserver: sink\r\ncontent-length: 10\r\n\r\n0123456789";

/// What a destination does with a request, and what an attempt at it is called.
fn misdeeds() -> Vec<(String, Reply, &'static str)> {
    let raw = |text: &str| Reply::Raw(text.as_bytes().to_vec());
    let answer = |status: u16| {
        let headers = vec![("connection", "close".to_owned()), ("location", "http://127.0.0.1:1/".to_owned())];
        Reply::Answer { status, headers, body: Vec::new() }
    };
    let slowly = Duration::from_millis(20);
    let mut all: Vec<(String, Reply, &str)> = [
        ("silence", Reply::Silence, "timeout"),
        ("late", answer(200).after(TIMEOUT * 10), "timeout"),
        ("drip", Reply::Drip(slowly), "timeout"),
        ("drip-head", Reply::DripHead(slowly), "timeout"),
        ("half-an-answer", Reply::RawThenSilence(ANSWER[..50].to_vec()), "timeout"),
        ("some-interim", raw_then_silence("HTTP/1.1 102 Processing\r\n\r\n"), "timeout"),
        ("reset", Reply::Reset, "protocol"),
        ("half-close", Reply::HalfClose, "protocol"),
        ("flood", Reply::Flood, "protocol"),
        ("switched", raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), "protocol"),
        ("wrong-chunks", Reply::WrongChunks, "protocol"),
        ("cut-chunks", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"), "protocol"),
        ("huge-chunk", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), "protocol"),
        ("two-lengths", raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), "protocol"),
        ("negative-length", raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), "protocol"),
        ("no-http", raw("220 mail.example.com ESMTP\r\n"), "protocol"),
        ("http-2", Reply::Raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff".to_vec()), "protocol"),
        ("long-head", Reply::Raw([b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 200_000]].concat()), "protocol"),
        ("many-headers", Reply::Raw([b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(5_000), b"\r\n".to_vec()].concat()), "protocol"),
        ("endless", Reply::Endless, "2xx"),
        ("gigabyte", Reply::Huge(1 << 30), "2xx"),
        ("redirect", answer(307), "3xx"),
        ("not-found", answer(404), "4xx"),
        ("failing", answer(503), "5xx"),
    ]
    .map(|(name, reply, result)| (name.to_owned(), reply, result))
    .into();
    // In the version, the code, the reason, a name, a value, the end of the head, before, in and at the end of the body.
    for place in [1, 8, 9, 11, 14, 17, 20, 28, 54, 55, 56, ANSWER.len() - 1] {
        all.push((format!("closed-at-{place}"), Reply::Raw(ANSWER[..place].to_vec()), "protocol"));
        all.push((format!("reset-at-{place}"), Reply::RawThenReset(ANSWER[..place].to_vec()), "protocol"));
    }
    all
}

/// What the attempts at them have to say.
const CAUSES: [(&str, &str); 5] = [
    ("tls-expired", "the certificate has expired"),
    ("tls-of-another-host", "the certificate is for another host"),
    ("tls-of-unknown-issuer", "the certificate's issuer is not known here"),
    ("nobody-there", "refused"),
    ("blackhole", "no answer within 500ms"),
];

/// A port where nobody answers: the system has no room for one more connection that is not accepted, and is silent to all others.
struct Blackhole {
    address: SocketAddr,
    _full: (TcpListener, Vec<TcpStream>),
}

impl Blackhole {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("it is bound");
        let mut inside = Vec::new();
        while let Ok(Ok(stream)) = timeout(TIMEOUT, TcpStream::connect(address)).await {
            inside.push(stream);
        }
        Self { address, _full: (listener, inside) }
    }
}

fn raw_then_silence(text: &str) -> Reply {
    Reply::RawThenSilence(text.as_bytes().to_vec())
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)).expect("it is in the repository")
}

fn over_tls(certificate: &str) -> Sink {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let identity = Pem { cert: pem(certificate), key: pem("server.key") }.identity().expect("a pair");
    let resolver = Arc::new(SingleCertAndKey::from(identity));
    Sink::over_tls(builder.expect("versions").with_no_client_auth().with_cert_resolver(resolver), |_, _| Reply::status(200))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_destination_does_its_attempts_end_in_time_have_their_right_name_and_leave_no_descriptor() {
    let misdeeds = misdeeds();
    let replies: Vec<_> = misdeeds.iter().map(|(name, reply, _)| (format!("/{name}"), reply.clone())).collect();
    let sink = Sink::scripted(move |_, request| {
        let reply = replies.iter().find(|(path, _)| *path == request.path).map(|(_, reply)| reply.clone());
        reply.expect("every path is one of them")
    });
    let tls = ["expired.pem", "otherhost.pem", "good.pem"].map(over_tls);
    let rude = [Manners::Reset, Manners::Close, Manners::ResetAfter(100), Manners::CloseAfter(100), Manners::Silence].map(Sink::rude);
    let [reset, close, reset_after, close_after, silence] = &rude;
    let blackhole = Blackhole::open().await;
    let secure = |sink: &Sink| sink.url("/").replace("http:", "https:");

    let mut table: Vec<(String, String, &str, &[&str])> =
        misdeeds.iter().map(|(name, _, result)| (name.clone(), sink.url(&format!("/{name}")), "", std::slice::from_ref(result))).collect();
    let ca = ", tls: { ca: ca.pem }";
    // The end can come before or after there is a connection and the request has left.
    let either: &[&str] = &["connect", "protocol"];
    for (name, url, more, results) in [
        ("nobody-there", "http://127.0.0.1:1/".to_owned(), "", &["connect"][..]),
        ("no-address", format!("http://{}.invalid/", "x".repeat(64)), "", &["dns"]),
        ("resets-at-once", reset.url("/"), "", either),
        ("closes-at-once", close.url("/"), "", either),
        ("resets-a-request", reset_after.url("/"), "", &["protocol"]),
        ("closes-a-request", close_after.url("/"), "", &["protocol"]),
        ("takes-nothing", silence.url("/"), "", &["timeout"]),
        ("blackhole", format!("http://{}/", blackhole.address), "", &["timeout"]),
        ("tls-blackhole", format!("https://{}/", blackhole.address), ca, &["timeout"]),
        ("tls-nobody-there", "https://127.0.0.1:1/".to_owned(), ca, &["connect"]),
        ("tls-of-no-tls", secure(&sink), ca, &["tls"]),
        ("tls-expired", tls[0].url("/"), ca, &["tls"]),
        ("tls-of-another-host", tls[1].url("/"), ca, &["tls"]),
        ("tls-of-unknown-issuer", tls[2].url("/"), ", tls: { ca: client-ca.pem }", &["tls"]),
        ("tls-reset", secure(reset), ca, &["connect", "tls"]),
        ("tls-closed", secure(close), ca, &["connect", "tls"]),
        ("tls-reset-in-hello", secure(reset_after), ca, &["tls"]),
        ("tls-closed-in-hello", secure(close_after), ca, &["tls"]),
        ("tls-silent", secure(silence), ca, &["timeout"]),
    ] {
        table.push((name.to_owned(), url, more, results));
    }
    let lines: String = table.iter().map(|(name, url, more, _)| format!("  {name}: {{ url: '{url}'{more} }}\n")).collect();
    let names: Vec<_> = table.iter().map(|(name, ..)| name.as_str()).collect();
    let rules = format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndefaults: {{ timeout: {}ms, retry: none }}\ndestinations:\n{lines}rules: [ {{ name: all, to: [{}] }} ]\n",
        TIMEOUT.as_millis(),
        names.join(", ")
    );
    let home = Home::new(&rules);
    for name in ["ca.pem", "client-ca.pem"] {
        home.write_file(name, &pem(name));
    }
    let gateway = Gateway::start_in(home).await;
    // The first event opens what stays open.
    let mut events = vec![gateway.send(&signed(&payment("R0", "paid"))).await.event()];
    until("the first attempts", || async {
        let event = gateway.event(&events[0]).await;
        (event["attempts"].as_array()?.len() == table.len()).then_some(())
    })
    .await;
    let before = gateway.descriptors();
    for number in 1..EVENTS {
        events.push(gateway.send(&signed(&payment(&format!("R{number}"), "paid"))).await.event());
    }
    for id in &events {
        let event = until("every attempt", || async {
            let event = gateway.event(id).await;
            (event["attempts"].as_array()?.len() == table.len()).then_some(event)
        })
        .await;
        let attempts = event["attempts"].as_array().expect("a list");
        for (name, _, _, results) in &table {
            let attempt = attempts.iter().find(|attempt| attempt["destination"] == name.as_str()).expect("every destination");
            let result = attempt["result"].as_str().expect("a text");
            assert!(results.contains(&result), "{name}: wanted {results:?}, found {attempt}");
            let took = Duration::from_millis(attempt["duration_ms"].as_u64().expect("a number"));
            assert!(took <= TIMEOUT + Duration::from_secs(1), "{name} took {took:?}");
            if let Some((_, cause)) = CAUSES.iter().find(|(named, _)| named == name) {
                assert!(attempt["error"].as_str().is_some_and(|error| error.contains(cause)), "{name}: wanted {cause:?}, found {attempt}");
            }
        }
    }
    for (name, _, _, results) in &table {
        let mut counted = 0.0;
        for result in *results {
            counted += gateway.metric(&format!("hookgate_delivery_attempts_total{{destination=\"{name}\",result=\"{result}\"}}")).await;
        }
        assert_eq!(counted, EVENTS as f64, "{name}");
    }
    until_eq("descriptors to be let go", true, || async { gateway.descriptors() <= before }).await;
    sink.wait_open(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_alive_connection_that_closes_between_two_requests_is_replaced_at_once_and_costs_no_attempt() {
    // Each connection answers one request, and then goes: right behind the answer, or once the next request has come.
    for (what, first, second) in [
        ("closed while idle", Reply::status(200).then_close(), Reply::Silence),
        ("closed on the next request", Reply::status(200), Reply::HalfClose),
        ("reset on the next request", Reply::status(200), Reply::Reset),
    ] {
        let seen = Mutex::new(HashSet::new());
        let sink = Sink::scripted(move |_, request| match seen.lock().expect("nobody panics with it").insert(request.connection) {
            true => first.clone(),
            false => second.clone(),
        });
        let gateway = Gateway::start(&format!(
            "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ orders: {{ url: '{}', timeout: 5s, concurrency: 1, retry: none }} }}\nrules: [ {{ name: all, to: orders }} ]\n",
            sink.url("/")
        ))
        .await;
        let mut descriptors = 0;
        for number in 0..EVENTS {
            let id = gateway.send(&signed(&payment("paid", &format!("R{number}")))).await.event();
            let event = gateway.until_status(&id, "delivered").await;
            let attempts = event["attempts"].as_array().expect("a list");
            assert_eq!((attempts.len(), &attempts[0]["result"]), (1, &"2xx".into()), "{what}: {event}");
            descriptors = if number == 0 { gateway.descriptors() } else { descriptors };
        }
        let answered = gateway.metric("hookgate_delivery_attempts_total{destination=\"orders\",result=\"2xx\"}").await;
        let broken = gateway.metric("hookgate_delivery_attempts_total{destination=\"orders\",result=\"protocol\"}").await;
        assert_eq!((answered, broken), (EVENTS as f64, 0.0), "{what}");
        assert_eq!(sink.connections(), EVENTS, "{what}");
        until_eq("descriptors to be let go", true, || async { gateway.descriptors() <= descriptors }).await;
    }
}
