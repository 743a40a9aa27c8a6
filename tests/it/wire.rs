//! Requests as bytes: what two readers could read in two ways, alone and behind proxies. Behind each row comes a whole
//! request to another source: where a row ends the connection, that one must never be seen.

use crate::support::{
    gateway::Gateway,
    proxy::{Kind, Proxy},
    sender::{Connection, request, sample},
    until::{PATIENCE, until_eq},
};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

const RULES: &str = "
allow: [literal-secret, catch-all-hides-unmatched]
sources:
  ottu: { secret: test-hmac-key }
  smuggled: { secret: test-hmac-key }
destinations: { orders: { url: 'http://127.0.0.1:9', paused: true } }
rules: [ { name: all, to: orders } ]
";

/// What is sent, and which answers it gets from the gateway alone.
struct Row {
    name: &'static str,
    bytes: Vec<u8>,
    codes: &'static [u16],
}

fn rows() -> Vec<Row> {
    let body = sample("payment.paid");
    let length = format!("content-length: {}", body.len());
    let plus = format!("content-length: +{}", body.len());
    let other = format!("content-length: {}", body.len() - 1);
    let list = format!("content-length: {0}, {0}", body.len());
    let size = format!("{:x}", body.len());
    let chunk = |size: &str| [size.as_bytes(), b"\r\n", &body, b"\r\n0\r\n\r\n"].concat();
    let (chunked, te) = (chunk(&size), "transfer-encoding: chunked");
    let line = "POST /webhooks/ottu HTTP/1.1";
    let long = format!("x-long: {}", "x".repeat(17 << 10));
    let many: Vec<String> = (0..65).map(|number| format!("x-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["host: a", &length]).collect();
    let row =
        |name, head: &[&str], body: &[u8], codes| Row { name, bytes: [head.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat(), codes };
    vec![
        row("a plain one", &[line, "host: a", &length], &body, &[200, 200]),
        row("a chunked one", &[line, "host: a", te], &chunked, &[200, 200]),
        row("identity, chunked", &[line, "host: a", "transfer-encoding: identity, chunked"], &chunked, &[400]),
        row("an unknown coding", &[line, "host: a", "transfer-encoding: xchunked"], &chunked, &[400]),
        row("a coding behind a vertical tab", &[line, "host: a", "transfer-encoding: \x0bchunked", &length], &body, &[400]),
        row("chunked twice", &[line, "host: a", te, te], &chunked, &[400]),
        row("chunked in HTTP/1.0", &["POST /webhooks/ottu HTTP/1.0", "host: a", te], &chunked, &[400]),
        row("no host", &[line, &length], &body, &[400]),
        row("two hosts", &[line, "host: a", "host: b", &length], &body, &[400]),
        row("absolute form", &["POST http://a/webhooks/ottu HTTP/1.1", "host: a", &length], &body, &[400]),
        row("a folded line", &[line, "host: a", "x-folded: 1", " 2", &length], &body, &[400]),
        row("a blank before the colon", &[line, "host: a", &length.replace(':', " :")], &body, &[400]),
        row("differing lengths", &[line, "host: a", &length, &other], &body, &[400]),
        row("a signed length", &[line, "host: a", &plus], &body, &[400]),
        row("a negative length", &[line, "host: a", "content-length: -1"], &body, &[400]),
        row("two equal lengths", &[line, "host: a", &length, &length], &body, &[200, 200]),
        row("two equal lengths in one line", &[line, "host: a", &list], &body, &[400]),
        row("a chunk's size that is none", &[line, "host: a", te], &chunk("xyz"), &[400]),
        row("a signed chunk's size", &[line, "host: a", te], &chunk(&format!("+{size}")), &[400]),
        row("a chunk's size beyond 64 bits", &[line, "host: a", te], &chunk("1ffffffffffffffff"), &[400]),
        row("a chunk's size with a C prefix", &[line, "host: a", te], &chunk(&format!("0x{size}")), &[400]),
        row("a length and chunks", &[line, "host: a", &length, te], &chunked, &[200]),
        row("chunks and a length", &[line, "host: a", te, "content-length: 5"], &chunked, &[200]),
        row("gzip", &[line, "host: a", "content-encoding: gzip", &length], &body, &[415]),
        row("a body beyond the limit", &[line, "host: a", "content-length: 1048577"], &vec![b'x'; 1_048_577], &[413]),
        row("a head beyond the limit", &[line, "host: a", &long, &length], &body, &[431]),
        row("too many headers", &[&[line][..], &many].concat(), &body, &[431]),
        row("a name with a control character", &[line, "host: a", "x\u{1}y: 1", &length], &body, &[400]),
        row("a version that is none", &["POST /webhooks/ottu HTTP/1.9.1", "host: a", &length], &body, &[400]),
        row("the preface of HTTP/2", &["PRI * HTTP/2.0", "", "SM"], b"", &[]),
    ]
}

/// Sends the bytes and the request behind them, which ends the connection; gives the answers' codes.
async fn codes(to: SocketAddr, row: &Row) -> Vec<u16> {
    let behind = request("POST", "/webhooks/smuggled", &[("connection", "close")], &sample("payment.failed"));
    let mut connection = Connection::open(to).await;
    connection.send(&[&row.bytes[..], &behind].concat()).await;
    let mut codes = Vec::new();
    while let Some(answer) = connection.answer().await {
        codes.push(answer.code);
    }
    let rest = tokio::time::timeout(PATIENCE, connection.stream.read(&mut [0])).await.expect("the connection ends");
    assert_eq!(rest.ok(), Some(0), "{}: the end can be read, without a reset", row.name);
    codes
}

/// What the gateway has answered.
async fn answered(gateway: &Gateway) -> usize {
    let text = gateway.get("/metrics").await.text();
    let series = text.lines().filter_map(|line| line.strip_prefix("hookgate_webhook_responses_total{")?.rsplit_once(' '));
    series.map(|(_, value)| value.parse::<usize>().expect("a number")).sum()
}

async fn outcomes(gateway: &Gateway) -> Vec<(String, usize)> {
    let text = gateway.get("/metrics").await.text();
    let of = |line: &str| {
        let (labels, value) = line.strip_prefix("hookgate_webhooks_received_total{outcome=\"")?.rsplit_once(' ')?;
        Some((labels.split('"').next()?.to_owned(), value.parse().expect("a number")))
    };
    let mut outcomes: Vec<(String, usize)> = Vec::new();
    for (outcome, count) in text.lines().filter_map(of) {
        match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, sum)) => *sum += count,
            None => outcomes.push((outcome, count)),
        }
    }
    outcomes
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_or_read_in_one_and_every_answer_is_read_and_counted() {
    let gateway = Gateway::start(RULES).await;
    let (mut malformed, mut too_large) = (0, 0);
    for row in rows() {
        let before = answered(&gateway).await;
        assert_eq!(codes(gateway.public, &row).await, row.codes, "{}", row.name);
        until_eq(row.name, row.codes.len(), || async { answered(&gateway).await - before }).await;
        malformed += row.codes.iter().filter(|code| matches!(code, 400 | 415)).count();
        too_large += row.codes.iter().filter(|code| matches!(code, 413 | 431)).count();
    }
    let outcomes = outcomes(&gateway).await;
    for expected in [("malformed".to_owned(), malformed), ("too_large".to_owned(), too_large)] {
        assert!(outcomes.contains(&expected), "{expected:?}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_later_head_that_cannot_be_read_is_counted_where_it_was_sent() {
    let gateway = Gateway::start(RULES).await;
    let mut connection = Connection::open(gateway.public).await;
    connection.send(&request("POST", "/webhooks/smuggled", &[], &sample("payment.paid"))).await;
    assert_eq!(connection.answer().await.expect("an answer").code, 200);
    connection.send(b"\r\nPOST /webhooks/ottu?x=1 HT").await;
    connection.send(b"TP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(connection.answer().await.expect("an answer").code, 400);
    let series = "hookgate_webhooks_received_total{outcome=\"malformed\",source=\"ottu\"}";
    until_eq("the count", 1.0, || gateway.metric(series)).await;
}

#[tokio::test]
async fn an_encoded_body_is_refused_before_it_is_read_and_http_2_is_closed_at_once() {
    let gateway = Gateway::start(RULES).await;
    let mut waiting = Connection::open(gateway.public).await;
    waiting.send(b"POST /webhooks/ottu HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ncontent-length: 900000\r\n\r\n").await;
    let answer = waiting.answer().await.expect("nothing of the body was sent");
    assert_eq!((answer.code, answer.header("connection")), (415, Some("close")));
    let mut preface = Connection::open(gateway.public).await;
    preface.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut said = Vec::new();
    preface.stream.read_to_end(&mut said).await.ok();
    assert_eq!(said, b"", "nothing that HTTP/2 could take for an answer");
}

#[tokio::test]
async fn a_head_of_no_source_that_cannot_be_read_is_answered_and_said_to_nobody() {
    let gateway = Gateway::start(RULES).await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"GET /\x01 HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"] {
        let row = Row { name: "nonsense", bytes: bytes.to_vec(), codes: &[400] };
        assert_eq!(codes(gateway.public, &row).await, row.codes);
    }
    assert_eq!(answered(&gateway).await, 0);
    assert!(gateway.log().iter().all(|line| line.contains("\"INFO\"")), "{:#?}", gateway.log());
}

/// Every row through the proxy: what it says to have sent on is what the gateway has answered.
async fn both_sides_count_the_same(kind: Kind) {
    let gateway = Gateway::start(RULES).await;
    let Some(proxy) = Proxy::start(kind, gateway.public).await else { return };
    let mut all = Vec::new();
    for row in rows() {
        let before = (proxy.forwarded(), answered(&gateway).await);
        let codes = codes(proxy.address, &row).await;
        // The proxy writes its line after the answer; an early line would be one too many.
        let since = || async { (proxy.forwarded() - before.0, answered(&gateway).await - before.1) };
        until_eq(row.name, true, || async {
            let (sent, answered) = since().await;
            sent == answered
        })
        .await;
        let (sent, answered) = since().await;
        let good = codes.iter().filter(|code| **code < 300).count();
        assert!(answered >= good && codes.len() >= answered, "{}: {codes:?}, {sent} sent on, {answered} answered", row.name);
        all.push((row.name, codes, answered));
    }
    assert_eq!(all[0].1, [200, 200], "a plain request comes through: {all:#?}");
    assert!(all.iter().any(|(_, codes, answered)| codes == &[400] && *answered == 0), "the proxy refuses some: {all:#?}");
}

#[tokio::test]
async fn behind_nginx_both_sides_count_the_same_requests() {
    both_sides_count_the_same(Kind::Nginx).await;
}

#[tokio::test]
async fn behind_haproxy_both_sides_count_the_same_requests() {
    both_sides_count_the_same(Kind::Haproxy).await;
}
