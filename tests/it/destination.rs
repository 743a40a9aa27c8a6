//! Stories of one attempt: what a destination gets, and what each of its misdeeds is called.

use crate::support::sink::{Reply, Request, Sink};
use bytes::Bytes;
use hookgate::{
    destination::{self, Destination, Receipt, SendError, Settings},
    domain::{
        attempt::AttemptResult,
        clock::{Clock, Timestamp},
        delivery::{Accepted, Delivery, Seq},
        event::Flags,
        id::EventId,
        name::Name,
        status_set::StatusSet,
        template::Template,
    },
};
use http::{HeaderName, Method};
use std::{sync::Arc, time::Duration};
use tokio::net::{TcpSocket, TcpStream};

const TIMEOUT: Duration = Duration::from_millis(400);
const BODY: &[u8] = b"{ \"amount\":\"10.000\",\t\"state\" : \"paid\" }\r\n\xff\0";

fn settings(url: &str) -> Settings {
    Settings { timeout: Duration::from_secs(20), ..Settings::to(url.parse().unwrap()) }
}

fn build(settings: Settings) -> Arc<dyn Destination> {
    destination::build(&Name::unchecked("orders"), settings)
}

fn delivery() -> Delivery {
    Delivery {
        event: Arc::new(Accepted {
            seq: Seq(1),
            id: EventId::unsigned(BODY),
            source: Name::unchecked("ottu"),
            received_at: Timestamp::from_millis(1_795_386_473_123),
            content_type: Some("application/json".into()),
            verified: true,
            flags: Flags::TYPED,
            first: None,
        }),
        rules: vec![Name::unchecked("paid"), Name::unchecked("big one")],
        attempt: 2,
        at: Timestamp::from_millis(1_795_386_480_999),
        body: Bytes::from_static(BODY),
    }
}

async fn send(url: &str) -> Result<Receipt, SendError> {
    build(settings(url)).send(&delivery(), None).await
}

/// What an impatient destination makes of it, and that it is done in time.
async fn send_in_time(url: &str) -> SendError {
    let clock = Clock::system();
    let start = clock.instant();
    let outcome = build(Settings { timeout: TIMEOUT, ..settings(url) }).send(&delivery(), None).await;
    let took = clock.instant().duration_since(start);
    assert!(took < TIMEOUT + Duration::from_secs(1), "{url} took {took:?}");
    outcome.expect_err("every one of these fails")
}

#[tokio::test]
async fn a_destination_gets_the_bytes_received_and_the_headers_of_the_contract() {
    let sink = Sink::always(Reply::status(200));
    let headers = vec![(HeaderName::from_static("x-tenant"), Template::plain("shop-1"))];
    let put = build(Settings { method: Method::PUT, headers, ..settings(&sink.url("/hooks/payments?from=ottu&x=%20")) });
    assert_eq!(put.send(&delivery(), None).await, Ok(Receipt { status: 200 }));
    let requests = sink.requests();
    let [request] = &requests[..] else { panic!("one request and not {}", requests.len()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/hooks/payments?from=ottu&x=%20"));
    assert_eq!(request.body, BODY);
    assert!(request.header("traceparent").is_some_and(|parent| parent.starts_with("00-") && parent.ends_with("-00")));
    let others = request.headers.iter().filter(|(name, _)| name != "traceparent");
    let mut headers: Vec<_> = others.map(|(name, value)| format!("{name}: {value}")).collect();
    headers.sort();
    let wanted = [
        format!("content-length: {}", BODY.len()),
        "content-type: application/json".to_owned(),
        "hookgate-attempt: 2".to_owned(),
        "hookgate-flags: typed".to_owned(),
        "hookgate-received: 1795386473123".to_owned(),
        "hookgate-rules: paid,big%20one".to_owned(),
        "hookgate-source: ottu".to_owned(),
        "hookgate-verified: true".to_owned(),
        format!("host: 127.0.0.1:{}", sink.port()),
        concat!("user-agent: hookgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        format!("webhook-id: {}", EventId::unsigned(BODY)),
        "webhook-timestamp: 1795386480".to_owned(),
        "x-tenant: shop-1".to_owned(),
    ];
    assert_eq!(headers, wanted);
}

#[tokio::test]
async fn a_body_of_a_mebibyte_arrives_whole() {
    let sink = Sink::always(Reply::status(204));
    let body: Bytes = (0..1 << 20).map(|place: u32| (place % 251) as u8).collect();
    let large = Delivery { body: body.clone(), ..delivery() };
    assert_eq!(build(settings(&sink.url("/"))).send(&large, None).await, Ok(Receipt { status: 204 }));
    assert!(sink.requests()[0].body == body);
}

#[tokio::test]
async fn silence_and_drip_are_timeouts() {
    for reply in [Reply::Silence, Reply::Drip(Duration::from_millis(20)), Reply::status(200).after(Duration::from_secs(60))] {
        let sink = Sink::always(reply);
        assert_eq!(send_in_time(&sink.url("/")).await, SendError::Timeout(TIMEOUT));
        sink.wait_open(0).await;
    }
}

#[tokio::test]
async fn a_host_that_lets_nobody_in_is_a_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut callers = Vec::new();
    // Nobody accepts; once the kernel's queue is full, it lets further callers knock in vain.
    while let Ok(caller) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        callers.push(caller);
        assert!(callers.len() < 100, "the queue has an end");
    }
    assert_eq!(send_in_time(&format!("http://{address}/")).await, SendError::Timeout(TIMEOUT));
}

#[tokio::test]
async fn a_closed_port_is_a_failure_to_connect() {
    let listener = TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let error = send_in_time(&format!("http://{address}/")).await;
    assert_eq!(error, SendError::Connect(format!("{address}: connection refused").into()));
}

#[tokio::test]
async fn a_host_without_an_address_is_a_failure_of_dns() {
    let host = "x".repeat(64);
    let error = send_in_time(&format!("http://{host}.invalid/")).await;
    assert_eq!(error.result(), AttemptResult::Dns, "{error}");
    assert!(error.to_string().contains(&host), "{error}");
}

#[tokio::test]
async fn a_destination_that_speaks_no_tls_is_a_failure_of_tls() {
    let sink = Sink::always(Reply::status(200));
    let error = send_in_time(&sink.url("/").replace("http:", "https:")).await;
    assert_eq!(error, SendError::Tls("the answer is not TLS".into()));
    assert_eq!(sink.requests().len(), 0);
}

#[tokio::test]
async fn broken_exchanges_are_failures_of_the_protocol() {
    let closed = "closed before the answer was whole";
    let many_interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
    let huge_head = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 200_000]].concat();
    for (reply, cause) in [
        (Reply::Reset, "connection reset"),
        (Reply::HalfClose, closed),
        (Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()), ""),
        (Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()), closed),
        (Reply::Raw(b"no HTTP at all\r\n\r\n".to_vec()), "malformed answer"),
        (Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\nx".to_vec()), "malformed answer"),
        (Reply::Raw(huge_head), "malformed answer"),
        (Reply::Raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec()), "switched"),
        (Reply::Raw(many_interim), "too many interim answers"),
        (Reply::WrongChunks, ""),
    ] {
        let sink = Sink::always(reply.clone());
        let error = send_in_time(&sink.url("/")).await;
        let shown: String = format!("{reply:?}").chars().take(60).collect();
        assert_eq!(error.result(), AttemptResult::Protocol, "{shown}: {error}");
        assert!(error.to_string().contains(cause), "{shown}: {error}");
        assert_eq!(sink.requests().len(), 1, "{shown}");
        sink.wait_open(0).await;
    }
}

#[tokio::test]
async fn interim_answers_within_reason_are_passed_over() {
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(3);
    let sink = Sink::always(Reply::Raw([&hints[..], b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"].concat()));
    assert_eq!(send(&sink.url("/")).await, Ok(Receipt { status: 202 }));
}

#[tokio::test]
async fn of_an_endless_answer_the_status_counts_and_the_connection_goes() {
    let sink = Sink::always(Reply::Endless);
    assert_eq!(send(&sink.url("/")).await, Ok(Receipt { status: 200 }));
    sink.wait_open(0).await;
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let sink = Sink::always(Reply::Raw(b"HTTP/1.0 500 Oops\r\n\r\nall of it".to_vec()));
    let wanted = SendError::Status { status: 500, response: "all of it".into(), retry_after: None };
    assert_eq!(send(&sink.url("/")).await, Err(wanted));
}

#[tokio::test]
async fn of_a_failed_answer_two_kibibytes_are_kept_as_text() {
    let body = [b"\xffno\0 ".to_vec(), vec![b'x'; 50_000]].concat();
    let sink = Sink::always(Reply::with_body(422, body));
    let Err(SendError::Status { status: 422, response, retry_after: None }) = send(&sink.url("/")).await else { panic!("answered 422") };
    assert!(response.starts_with("\u{fffd}no\0 xxx"));
    assert_eq!(response.len(), 2048 + '\u{fffd}'.len_utf8() - 1);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_never_followed() {
    let other = Sink::always(Reply::status(200));
    for status in [301, 302, 303, 307, 308] {
        let sink = Sink::always(Reply::with_header(status, "location", other.url("/elsewhere")));
        let error = send(&sink.url("/")).await.unwrap_err();
        assert_eq!((error.status(), error.result()), (Some(status), AttemptResult::Status3xx));
        assert_eq!(sink.requests().len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn what_counts_as_success_is_set_and_not_guessed() {
    let sink = Sink::in_turn([Reply::status(404), Reply::status(200)]);
    let odd = build(Settings { success: StatusSet::parse(["404", "3xx"]).unwrap(), ..settings(&sink.url("/")) });
    assert_eq!(odd.send(&delivery(), None).await, Ok(Receipt { status: 404 }));
    let error = odd.send(&delivery(), None).await.unwrap_err();
    assert_eq!((error.status(), error.result()), (Some(200), AttemptResult::Status2xx));
}

#[tokio::test]
async fn retry_after_is_handed_on_as_it_came() {
    let sink = Sink::always(Reply::with_header(503, "retry-after", "Sun, 22 Nov 2026 22:28:23 GMT"));
    let Err(SendError::Status { retry_after, .. }) = send(&sink.url("/")).await else { panic!("answered 503") };
    assert_eq!(retry_after.as_deref(), Some("Sun, 22 Nov 2026 22:28:23 GMT"));
}

#[tokio::test]
async fn one_connection_serves_many_deliveries_failed_ones_too() {
    let sink = Sink::scripted(|number, _| match number % 3 {
        0 => Reply::with_body(200, "ok"),
        1 => Reply::with_body(500, vec![b'x'; 60_000]),
        _ => Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
    });
    let destination = build(settings(&sink.url("/")));
    for number in 0..30 {
        assert_eq!(destination.send(&delivery(), None).await.is_ok(), number % 3 != 1, "{number}");
    }
    // Every third answer ends its connection.
    assert_eq!(sink.connections(), 10);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_within_the_attempt() {
    let sink = Sink::always(Reply::status(200).then_close());
    let destination = build(settings(&sink.url("/")));
    for _ in 0..5 {
        assert_eq!(destination.send(&delivery(), None).await, Ok(Receipt { status: 200 }));
    }
    assert_eq!((sink.requests().len(), sink.connections()), (5, 5));
}

#[tokio::test]
async fn a_connection_that_closes_on_a_request_is_replaced_once() {
    for misdeed in [Reply::HalfClose, Reply::Reset] {
        // The first connection takes one request and no second; all others work.
        let script = move |number: usize, request: &Request| match (request.connection, number) {
            (0, 1) => misdeed.clone(),
            _ => Reply::status(200),
        };
        let sink = Sink::scripted(script);
        let destination = build(settings(&sink.url("/")));
        for _ in 0..2 {
            assert_eq!(destination.send(&delivery(), None).await, Ok(Receipt { status: 200 }));
        }
        let requests = sink.requests();
        assert_eq!(requests.iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0, 1]);
        assert!(requests.iter().all(|request| request.header("hookgate-attempt") == Some("2") && request.body == BODY));
    }
}

#[tokio::test]
async fn a_destination_that_closes_on_every_request_is_asked_twice_and_no_more() {
    let sink = Sink::in_turn([Reply::status(200), Reply::HalfClose]);
    let destination = build(settings(&sink.url("/")));
    destination.send(&delivery(), None).await.unwrap();
    let error = destination.send(&delivery(), None).await.unwrap_err();
    assert_eq!(error.result(), AttemptResult::Protocol);
    assert_eq!(sink.requests().len(), 3);
}

#[tokio::test]
async fn a_broken_answer_on_a_reused_connection_is_not_asked_for_again() {
    let sink = Sink::in_turn([Reply::status(200), Reply::Raw(b"HTTP/1.1 2".to_vec())]);
    let destination = build(settings(&sink.url("/")));
    destination.send(&delivery(), None).await.unwrap();
    let error = destination.send(&delivery(), None).await.unwrap_err();
    assert_eq!(error.result(), AttemptResult::Protocol);
    assert_eq!(sink.requests().len(), 2);
}

#[tokio::test]
async fn idle_connections_that_the_destination_closes_are_let_go() {
    let (gate, _) = tokio::sync::watch::channel(false);
    let sink = Sink::always(Reply::status(200).when(&gate).then_close());
    let destination: Arc<dyn Destination> = build(settings(&sink.url("/")));
    let all: Vec<_> = (0..8)
        .map(|_| {
            let destination = destination.clone();
            hookgate::tasks::spawn(async move { destination.send(&delivery(), None).await })
        })
        .collect();
    sink.wait_in_hand(8).await;
    gate.send_replace(true);
    for one in all {
        one.await.unwrap().unwrap();
    }
    sink.wait_open(0).await;
    let waiting = || sockets_in_close_wait(sink.port());
    // The sink has closed its halves; ours are closed when we look.
    while waiting() > 0 {
        destination.tidy();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn credentials_in_the_url_are_sent_as_basic_authorization() {
    let sink = Sink::always(Reply::status(200));
    let destination = build(settings(&sink.url("/x").replace("http://", "http://shop:s%20cret@")));
    destination.send(&delivery(), None).await.unwrap();
    let requests = sink.requests();
    assert_eq!(requests[0].header("authorization"), Some("Basic c2hvcDpzIGNyZXQ="));
    assert_eq!(requests[0].header("host"), Some(&*format!("127.0.0.1:{}", sink.port())));
    assert!(!format!("{destination:?}").contains("cret"));
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named_and_its_value_is_not() {
    let sink = Sink::always(Reply::status(200));
    let headers = vec![(HeaderName::from_static("x-key"), Template::secret("se\ncret"))];
    let error = build(Settings { headers, ..settings(&sink.url("/")) }).send(&delivery(), None).await.unwrap_err();
    assert!(error.to_string().contains("x-key") && !error.to_string().contains("cret"), "{error}");
    assert_eq!(sink.connections(), 0);
}

/// Our sockets to that port whose other side has closed, by the kernel's own list.
fn sockets_in_close_wait(port: u16) -> usize {
    const CLOSE_WAIT: &str = "08";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let peer = format!(":{port:04X}");
    table
        .lines()
        .filter(|line| {
            let mut columns = line.split_whitespace().skip(2);
            columns.next().is_some_and(|remote| remote.ends_with(&peer)) && columns.next() == Some(CLOSE_WAIT)
        })
        .count()
}
