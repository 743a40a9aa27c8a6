//! Webhooks of providers that sign in headers: from the request to the destination, and what is refused on the way.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{Answer, exchange, payment, request, signed},
    sink::{Reply, Sink},
    until::until,
};
use hookgate::domain::{
    clock::{Clock, Timestamp},
    secret::Secret,
    standard_webhooks,
};
use serde_json::{Value, json};
use std::time::Duration;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZA==";

/// The example of GitHub's documentation.
const GITHUB: (&str, &str) = ("Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");

fn rules(sink: &Sink) -> String {
    let url = sink.url("/");
    format!(
        r#"
sources:
  news:
    provider: standard-webhooks
    secret: {SECRET}
    fields: {{ state: data.status, operation: type, reference_number: data.id, amount: data.lines.0.amount }}
    respond: 204
  hub:
    provider: hmac
    path: /hooks/hub
    secret: "It's a Secret to Everybody"
    signature: {{ header: X-Hub-Signature-256, prefix: "sha256=" }}
  ottu: {{ secret: test-hmac-key }}
destinations: {{ orders: '{url}', refunds: '{url}', pings: '{url}', payments: '{url}' }}
rules:
  - {{ name: payments, when: {{ kind: payment, state: paid, amount: {{ gte: 10 }}, from: news }}, to: orders, respond: 202 }}
  - {{ name: refunds, when: {{ kind: operation, operation: "refund.*" }}, to: refunds }}
  - {{ name: pings, when: {{ kind: other, from: hub }}, to: pings }}
  - {{ name: ottu, when: {{ from: ottu }}, to: payments }}
"#
    )
}

/// A webhook that is signed so long before or after now.
fn webhook(path: &str, id: &str, at: Timestamp, body: &str, secret: &str) -> Vec<u8> {
    let signed = standard_webhooks::sign(id, at, body.as_bytes(), &Secret::new(secret)).expect("a secret");
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(signed.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    request("POST", path, &headers, body.as_bytes())
}

fn now() -> Timestamp {
    Clock::system().now()
}

async fn send(gateway: &Gateway, id: &str, body: &str) -> Answer {
    exchange(gateway.public, &webhook("/webhooks/news", id, now(), body, SECRET)).await
}

async fn stored(gateway: &Gateway) -> Vec<Value> {
    gateway.get("/api/v1/events").await.json()["events"].as_array().cloned().expect("a list")
}

fn paid(id: &str) -> String {
    json!({ "type": "payment.done", "data": { "id": id, "status": "paid", "lines": [{ "amount": 12.500 }] } }).to_string()
}

#[tokio::test]
async fn a_webhook_of_the_standard_is_matched_on_its_mapped_fields_and_arrives_byte_for_byte() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let body = r#" {"type":"payment.done","data":{"id":"R1","status":"paid","lines":[{"amount":1250.500}],"note":"\u0041"}}"#;
    let answer = send(&gateway, "msg_1", body).await;
    assert_eq!(answer.code, 202, "{}", answer.text());
    let event = gateway.until_status(&answer.event(), "delivered").await;
    let shown = ["kind", "state", "operation", "reference_number", "amount", "source", "result"].map(|field| event[field].clone());
    assert_eq!(json!(shown), json!(["payment", "paid", "payment.done", "R1", "1250.500", "news", null]));
    let requests = sink.requests();
    assert_eq!((requests.len(), requests[0].body.as_slice()), (1, body.as_bytes()));
    assert_eq!(requests[0].header("hookgate-rules"), Some("payments"));
    assert_eq!((requests[0].header("hookgate-verified"), requests[0].header("hookgate-flags")), (Some("true"), None));
    let series = r#"hookgate_events_total{kind="payment",operation="other",result="none",source="news",state="other"}"#;
    assert_eq!(gateway.metric(series).await, 1.0);
}

#[tokio::test]
async fn what_no_rule_answers_is_answered_as_its_source_says_and_without_a_body_where_none_may_be() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let answer = send(&gateway, "msg_1", r#"{"type":"refund.done","data":{}}"#).await;
    assert_eq!((answer.code, answer.body.len(), answer.header("content-type")), (204, 0, None));
    assert_eq!(sink.wait_for("the delivery", |requests| requests.len() == 1).await[0].header("hookgate-rules"), Some("refunds"));
    let answer = gateway.send(&signed(&payment("paid", "R1"))).await;
    assert_eq!(answer.code, 200, "ottu hears what it always did");
}

#[tokio::test]
async fn a_raw_body_that_is_signed_in_a_header_is_delivered_though_it_is_no_json() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (body, signature) = GITHUB;
    for signature in [signature.to_owned(), signature.to_uppercase().replace("SHA256", "sha256")] {
        let headers = [("x-hub-signature-256", signature.as_str()), ("content-type", "text/plain")];
        let answer = exchange(gateway.public, &request("POST", "/hooks/hub", &headers, body.as_bytes())).await;
        assert_eq!(answer.code, 200, "{}", answer.text());
        let event = gateway.until_status(&answer.event(), "delivered").await;
        assert_eq!((&event["kind"], &event["state"]), (&json!("other"), &Value::Null));
    }
    let requests = sink.requests();
    assert_eq!(requests.len(), 1, "the same signature in another case is the same event");
    assert_eq!((requests[0].body.as_slice(), requests[0].header("content-type")), (body.as_bytes(), Some("text/plain")));
}

#[tokio::test]
async fn a_signature_of_nothing_proves_nothing_and_is_kept_for_a_human() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    // HMAC-SHA256 of nothing under the key of the source.
    let signature = "sha256=66a0c074deaa0f489ead6537e0d32f9a344b90bbeda705b6ed45ecd3b413fb40";
    let answer = exchange(gateway.public, &request("POST", "/hooks/hub", &[("x-hub-signature-256", signature)], b"")).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    let event = gateway.until_status(&answer.event(), "quarantined").await;
    assert_eq!(event["explanation"]["quarantine_reason"], "empty_message");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_signature_is_answered_alike_told_in_the_log_and_not_stored() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (body, now) = (paid("R1"), now());
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let right = String::from_utf8(webhook("/webhooks/news", "msg_1", now, &body, SECRET)).expect("text");
    let without = |name: &str| right.replacen(name, &format!("x-{name}"), 1).into_bytes();
    let hub = |headers: &[(&str, &str)]| request("POST", "/hooks/hub", headers, GITHUB.0.as_bytes());
    let wrong: Vec<(Vec<u8>, &str)> = vec![
        (webhook("/webhooks/news", "msg_1", now, &body, OLD_SECRET), "`webhook-signature` is wrong under every key of the source"),
        (right.replace("\"paid\"", "\"Paid\"").into_bytes(), "`webhook-signature` is wrong under every key of the source"),
        (right.replace("v1,", "v2,").into_bytes(), "`webhook-signature` is not `v1,` and 44 characters of base64"),
        (without("webhook-id"), "`webhook-id` is not there"),
        (without("webhook-timestamp"), "`webhook-timestamp` is not there"),
        (without("webhook-signature"), "`webhook-signature` is not there"),
        (webhook("/webhooks/news", "msg_1", now.minus(minutes(6)), &body, SECRET), "before the request came, which is more than 5m"),
        (webhook("/webhooks/news", "msg_1", now.plus(minutes(6)), &body, SECRET), "after the request came, which is more than 5m"),
        (hub(&[]), "`x-hub-signature-256` is not there"),
        (hub(&[("x-hub-signature-256", &GITHUB.1[7..])]), "`x-hub-signature-256` is not `sha256=` and 64 hexadecimal characters"),
        (hub(&[("x-hub-signature-256", &GITHUB.1.replace("75", "57"))]), "`x-hub-signature-256` is wrong under every key of the source"),
    ];
    let mut answers = Vec::new();
    for (bytes, _) in &wrong {
        answers.push(exchange(gateway.public, bytes).await);
    }
    let same = |answer: &Answer| (answer.code, answer.text(), answer.headers.len());
    assert!(answers.iter().all(|answer| answer.code == 401 && same(answer) == same(&answers[0])), "{answers:#?}");
    let causes = until("a line of the log for each", || async {
        let lines = gateway.log();
        let told = lines.iter().filter_map(|line| Some(serde_json::from_str::<Value>(line).ok()?["cause"].as_str()?.to_owned()));
        Some(told.collect::<Vec<_>>()).filter(|causes| causes.len() == wrong.len())
    })
    .await;
    for (cause, (_, told)) in causes.iter().zip(&wrong) {
        assert!(cause.contains(told), "{cause}");
    }
    assert_eq!(stored(&gateway).await, Vec::<Value>::new());
    assert_eq!(gateway.metric(r#"hookgate_webhooks_received_total{outcome="bad_signature",source="news"}"#).await, 8.0);
    assert_eq!(exchange(gateway.public, right.as_bytes()).await.code, 202);
    assert_eq!(sink.wait_for("the right one", |requests| requests.len() == 1).await.len(), 1);
}

#[tokio::test]
async fn a_sender_that_tries_again_with_a_new_time_is_known_by_its_id() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (body, now) = (paid("R1"), now());
    let mut ids = Vec::new();
    for seconds in [200, 100, 0] {
        let sent = webhook("/webhooks/news", "msg_1", now.minus(Duration::from_secs(seconds)), &body, SECRET);
        ids.push(exchange(gateway.public, &sent).await.event());
        gateway.until_status(&ids[0], "delivered").await;
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!((stored(&gateway).await.len(), sink.requests().len()), (1, 1));
    assert_eq!(gateway.metric(r#"hookgate_webhooks_received_total{outcome="duplicate",source="news"}"#).await, 2.0);
    let other = send(&gateway, "msg_2", &body).await.event();
    assert_ne!(other, ids[0], "the same body under another id is another event");
}

#[tokio::test]
async fn a_second_body_under_one_id_goes_on_and_says_so() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let first = send(&gateway, "msg_1", &paid("R1")).await;
    let second = send(&gateway, "msg_1", &paid("R2")).await;
    assert_eq!((first.code, second.code), (202, 202));
    assert_ne!(first.event(), second.event());
    gateway.until_status(&second.event(), "delivered").await;
    let requests = sink.wait_for("both", |requests| requests.len() == 2).await;
    let flags =
        |id: &str| requests.iter().find(|request| request.header("webhook-id") == Some(id)).map(|request| request.header("hookgate-flags"));
    assert_eq!((flags(&first.event()), flags(&second.event())), (Some(None), Some(Some("renotified"))));
}

#[tokio::test]
async fn an_id_with_a_full_stop_could_be_read_in_two_ways_and_is_kept_for_a_human() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let answer = send(&gateway, "msg.1", &paid("R1")).await;
    assert_eq!(answer.code, 202, "from outside nobody can tell");
    let event = gateway.until_status(&answer.event(), "quarantined").await;
    assert_eq!(event["explanation"]["quarantine_reason"], "ambiguous");
    assert_eq!(gateway.call("POST", &format!("/api/v1/events/{}/release", answer.event()), b"{}").await.code, 200);
    gateway.until_status(&answer.event(), "delivered").await;
    assert_eq!(sink.requests()[0].header("hookgate-flags"), Some("released"));
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_hold_and_one_header_may_have_both_signatures() {
    let sink = Sink::always(Reply::status(200));
    let before = rules(&sink);
    let gateway = Gateway::start(&before.replace(SECRET, &format!("[{SECRET}, {OLD_SECRET}]"))).await;
    let (body, at) = (paid("R1"), now());
    let by_old = exchange(gateway.public, &webhook("/webhooks/news", "msg_1", at, &body, OLD_SECRET)).await;
    let by_new = exchange(gateway.public, &webhook("/webhooks/news", "msg_1", at, &body, SECRET)).await;
    assert_eq!((by_old.code, by_new.code), (202, 202));
    assert_eq!(by_old.event(), by_new.event(), "a retry after the change of key is the same event");
    gateway.until_status(&by_old.event(), "delivered").await;
    gateway.terminate();
    let (_, _, home) = gateway.ended_in().await;
    home.write(&before);
    let gateway = Gateway::start_in(home).await;
    let old = webhook("/webhooks/news", "msg_2", at, &body, OLD_SECRET);
    assert_eq!(exchange(gateway.public, &old).await.code, 401, "the old one is out of force");
    let [_, _, (_, signature)] = standard_webhooks::sign("msg_2", at, body.as_bytes(), &Secret::new(SECRET)).expect("a secret");
    let both = String::from_utf8(old).expect("text").replace("webhook-signature: ", &format!("webhook-signature: v1a,AAAA {signature} "));
    assert_eq!(exchange(gateway.public, both.as_bytes()).await.code, 202);
}

#[tokio::test]
async fn a_signed_time_of_any_sender_is_checked_and_repetitions_are_known_by_their_body() {
    let sink = Sink::always(Reply::status(200));
    let url = sink.url("/");
    let home = Home::new(&format!(
        "sources:\n  shop:\n    provider: hmac\n    secret: [k2, k1]\n    signature: {{ header: x-sign, algorithm: sha512, \
         encoding: base64, timestamp_header: x-time, tolerance: 1h }}\n    fields: {{ state: s }}\n    respond: 299\n\
         destinations: {{ a: '{url}' }}\nrules: [ {{ name: all, when: {{ state: paid }}, to: a }} ]\n"
    ));
    let gateway = Gateway::start_in(home).await;
    let post = |at: Timestamp, body: &'static str, key: &'static str| {
        let time = (at.millis() / 1_000).to_string();
        let signature = hmac_sha512(key, &format!("{time}.{body}"));
        request("POST", "/webhooks/shop", &[("x-time", &time), ("x-sign", &signature)], body.as_bytes())
    };
    let (now, minutes) = (now(), |minutes: u64| Duration::from_secs(60 * minutes));
    let body = r#"{"s":"paid"}"#;
    let mut ids = Vec::new();
    for (at, key) in [(now.minus(minutes(58)), "k1"), (now.plus(minutes(58)), "k2"), (now, "k2")] {
        let answer = exchange(gateway.public, &post(at, body, key)).await;
        assert_eq!(answer.code, 299, "{}", answer.text());
        ids.push(answer.event());
        gateway.until_status(&ids[0], "delivered").await;
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    for (at, key) in [(now.minus(minutes(61)), "k1"), (now.plus(minutes(62)), "k1"), (now, "k3")] {
        assert_eq!(exchange(gateway.public, &post(at, body, key)).await.code, 401);
    }
    assert_eq!((stored(&gateway).await.len(), sink.requests().len()), (1, 1));
}

#[tokio::test]
async fn senders_that_know_nothing_of_each_other_may_use_the_same_ids_and_bodies() {
    let sink = Sink::always(Reply::status(200));
    let more = format!("sources:\n  other: {{ provider: standard-webhooks, secret: {OLD_SECRET}, fields: {{ state: data.status }} }}");
    let rules =
        rules(&sink).replace("sources:", &more).replace("from: news }", "from: [news, other] }").replace("amount: { gte: 10 }, ", "");
    let gateway = Gateway::start(&rules).await;
    let body = paid("R1");
    let mine = send(&gateway, "1", &body).await;
    let theirs = exchange(gateway.public, &webhook("/webhooks/other", "1", now(), &body, OLD_SECRET)).await;
    assert_eq!((mine.code, theirs.code), (202, 202));
    assert_ne!(mine.event(), theirs.event());
    let requests = sink.wait_for("both", |requests| requests.len() == 2).await;
    assert!(requests.iter().all(|request| request.header("hookgate-flags").is_none()));
}

/// In base64.
fn hmac_sha512(key: &str, message: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use hmac::{Hmac, KeyInit, Mac};
    let mac = Hmac::<sha2::Sha512>::new_from_slice(key.as_bytes()).expect("any length").chain_update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn the_answers_that_the_rules_file_names_are_counted_from_the_start() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let text = gateway.get("/metrics").await.text();
    for (source, code) in [("news", 204), ("news", 202), ("hub", 200), ("ottu", 200)] {
        let series = format!("hookgate_webhook_responses_total{{code=\"{code}\",source=\"{source}\"}} 0");
        assert!(text.lines().any(|line| line == series), "{series} is not in\n{text}");
    }
}
