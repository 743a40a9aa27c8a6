//! The verdict on a request: one story for each line of the table.

use crate::support::{
    gateway::Gateway,
    sender::{Connection, exchange, payment, post, request, sample, signed, signed_with},
};
use serde_json::{Value, json};

/// Deliveries stay where they are: these stories end at the answer and the store.
const RULES: &str = "
sources:
  ottu: { secret: test-hmac-key }
  rotated: { secret: [new-key, test-hmac-key] }
  fenced: { secret: test-hmac-key, allow_ips: [203.0.113.0/24] }
  open: { secret: test-hmac-key, allow_ips: [127.0.0.1], unsigned: accept }
  careful: { secret: test-hmac-key, unsigned: quarantine }
destinations:
  orders: { url: 'http://127.0.0.1:9', paused: true }
rules:
  - { name: paid, when: { kind: payment, state: paid }, to: orders }
  - { name: failed, when: { kind: payment, state: failed }, to: orders, respond: 201 }
  - { name: operations, when: { kind: operation }, to: orders }
";

async fn count(gateway: &Gateway, source: &str, outcome: &str) -> f64 {
    gateway.metric(&format!("hookgate_webhooks_received_total{{outcome=\"{outcome}\",source=\"{source}\"}}")).await
}

async fn stored(gateway: &Gateway) -> usize {
    gateway.get("/api/v1/events?limit=500").await.json()["events"].as_array().expect("a list").len()
}

#[tokio::test]
async fn an_unknown_path_is_404_another_method_405_and_a_foreign_address_403() {
    let gateway = Gateway::start(RULES).await;
    let body = sample("payment.paid");
    for path in ["/", "/webhooks", "/webhooks/", "/webhooks/other", "/metrics", "/webhooks/ottu/more"] {
        let answer = post(gateway.public, path, &body).await;
        assert_eq!((answer.code, answer.header("content-type")), (404, Some("application/problem+json")), "{path}");
    }
    let answer = exchange(gateway.public, &request("GET", "/webhooks/ottu", &[], b"")).await;
    assert_eq!((answer.code, answer.header("allow")), (405, Some("POST")));
    let answer = post(gateway.public, "/webhooks/fenced", &body).await;
    assert_eq!((answer.code, answer.json()["title"].clone()), (403, json!("Address refused")));
    assert_eq!(count(&gateway, "fenced", "refused").await, 1.0);
    assert_eq!(exchange(gateway.public, &request("GET", "/healthz", &[], b"")).await.code, 200);
    assert_eq!(stored(&gateway).await, 0);
}

#[tokio::test]
async fn an_encoded_body_is_415_whatever_its_content_type() {
    let gateway = Gateway::start(RULES).await;
    let body = sample("payment.paid");
    let answer = exchange(gateway.public, &request("POST", "/webhooks/ottu", &[("content-encoding", "gzip")], &body)).await;
    assert_eq!(answer.code, 415);
    for headers in [&[("content-encoding", "identity")][..], &[("content-type", "text/plain")], &[]] {
        assert_eq!(exchange(gateway.public, &request("POST", "/webhooks/ottu", headers, &body)).await.code, 200, "{headers:?}");
    }
    assert_eq!(count(&gateway, "ottu", "malformed").await, 1.0);
}

#[tokio::test]
async fn what_is_no_json_object_is_400_and_not_stored() {
    let gateway = Gateway::start(RULES).await;
    for body in [&b""[..], b"{", b"[]", b"null", b"\"text\"", b"amount=1", b"<payment/>", b"\xff\xfe{\0}\0"] {
        let answer = gateway.send(body).await;
        assert_eq!(answer.code, 400, "{:?} {}", String::from_utf8_lossy(body), answer.text());
    }
    assert_eq!(count(&gateway, "ottu", "malformed").await, 8.0);
    assert_eq!(stored(&gateway).await, 0);
}

#[tokio::test]
async fn a_bad_signature_is_401_with_one_and_the_same_body_for_all_that_can_be_wrong() {
    let gateway = Gateway::start(RULES).await;
    let with = |signature: Value| {
        let mut event = payment("paid", "R1");
        event["signature"] = signature;
        event.to_string().into_bytes()
    };
    let good: Value = serde_json::from_slice(&signed(&payment("paid", "R1"))).unwrap();
    let good = good["signature"].as_str().expect("signed");
    let mut answers = Vec::new();
    for body in [
        payment("paid", "R1").to_string().into_bytes(),
        with(Value::Null),
        with(json!("")),
        with(json!(&good[..63])),
        with(json!(format!("{good}0"))),
        with(json!("g".repeat(64))),
        with(json!("0".repeat(64))),
        with(json!(1)),
        signed_with(&payment("paid", "R1"), "another-key"),
    ] {
        answers.push(gateway.send(&body).await);
    }
    assert!(answers.iter().all(|answer| answer.code == 401 && answer.body == answers[0].body), "{answers:#?}");
    assert_eq!(count(&gateway, "ottu", "bad_signature").await, 9.0);
    assert_eq!(stored(&gateway).await, 0);
    let upper = with(json!(good.to_uppercase()));
    assert_eq!(gateway.send(&upper).await.code, 200, "the case of the signature does not matter");
}

#[tokio::test]
async fn every_current_key_of_a_source_verifies_and_no_other_sources_key_does() {
    let gateway = Gateway::start(RULES).await;
    for (reference, key, code) in [("A", "new-key", 200), ("B", "test-hmac-key", 200), ("C", "older-key", 401)] {
        let answer = post(gateway.public, "/webhooks/rotated", &signed_with(&payment("paid", reference), key)).await;
        assert_eq!(answer.code, code, "{key}");
    }
    assert_eq!(gateway.send(&signed_with(&payment("paid", "D"), "new-key")).await.code, 401);
}

#[tokio::test]
async fn an_event_without_signature_is_rejected_quarantined_or_accepted_as_its_source_says() {
    let gateway = Gateway::start(RULES).await;
    let operation = sample("operation.void.unsigned");
    let unsigned_payment = payment("paid", "R9").to_string().into_bytes();
    assert_eq!(gateway.send(&operation).await.code, 401);
    assert_eq!(post(gateway.public, "/webhooks/open", &unsigned_payment).await.code, 401, "only operations are accepted");

    let answer = post(gateway.public, "/webhooks/open", &operation).await;
    assert_eq!(answer.code, 200);
    let event = gateway.event(&answer.event()).await;
    assert_eq!((&event["status"], &event["verified"], &event["operation"]), (&json!("waiting"), &json!(false), &json!("void")));

    let answer = post(gateway.public, "/webhooks/careful", &sample("operation.legacy.void.unsigned")).await;
    assert_eq!(answer.code, 200);
    let event = gateway.event(&answer.event()).await;
    assert_eq!((&event["status"], &event["deliveries"]), (&json!("quarantined"), &json!([])));
    assert_eq!(gateway.metric("hookgate_quarantined_events{reason=\"unsigned\",source=\"careful\"}").await, 1.0);
}

#[tokio::test]
async fn an_anomaly_is_answered_as_if_accepted_and_stored_in_quarantine() {
    let gateway = Gateway::start(RULES).await;
    let cases = [
        ("duplicate_key", r#"{"state":"failed","amount":"1.000","result":"success","reference_number":"A1","state":"failed"}"#),
        ("case_twin", r#"{"state":"failed","STATE":"paid","amount":"1.000","result":"success","reference_number":"A2"}"#),
        ("not_strict_json", r#"{"state":"failed","amount":"1.000","result":"success","reference_number":"A3","raw":NaN}"#),
        ("amount", r#"{"state":"failed","amount":"1e3","result":"success","reference_number":"A4"}"#),
        ("currency", r#"{"state":"failed","amount":"1.000","currency_code":"KWDX","result":"success","reference_number":"A5"}"#),
        ("state_or_result", r#"{"state":"failed","amount":"1.000","result":"success/","reference_number":"A6"}"#),
        ("ambiguous", r#"{"state":"failed","amount":"1.000","result":"success","reference_number":"A7resultfailed"}"#),
        ("control_character", r#"{"state":"failed","amount":"1.000","result":"success","reference_number":"A8\u0001"}"#),
        ("empty_message", r#"{"state":"","session_id":"A9"}"#),
    ];
    for (reason, payload) in cases {
        let key = hookgate::domain::secret::Secret::new("test-hmac-key");
        let body = hookgate::provider::ottu::sign(payload.as_bytes(), &key).expect(reason);
        let answer = gateway.send(&body).await;
        let expected = if reason == "empty_message" { 200 } else { 201 };
        assert_eq!((answer.code, &answer.json()["status"]), (expected, &json!("accepted")), "{reason}: {}", answer.text());
        let event = gateway.event(&answer.event()).await;
        assert_eq!((&event["status"], &event["deliveries"]), (&json!("quarantined"), &json!([])), "{reason}");
        assert_eq!(event["explanation"]["quarantine_reason"], json!(reason));
        assert_eq!(gateway.metric(&format!("hookgate_quarantined_events{{reason=\"{reason}\",source=\"ottu\"}}")).await, 1.0, "{reason}");
    }
    assert_eq!(count(&gateway, "ottu", "quarantined").await, cases.len() as f64);
    assert_eq!(count(&gateway, "ottu", "accepted").await, 0.0);
}

#[tokio::test]
async fn other_bytes_with_the_same_signature_are_answered_alike_and_kept_back() {
    let gateway = Gateway::start(RULES).await;
    let first = sample("operation.refund");
    let mut forged: Value = serde_json::from_slice(&first).unwrap();
    forged["txn"]["state"] = json!("voided");
    let answer = gateway.send(&first).await;
    let other = gateway.send(forged.to_string().as_bytes()).await;
    assert_eq!((answer.code, other.code), (200, 200));
    assert_eq!(gateway.event(&other.event()).await["status"], json!("quarantined"));
    assert_eq!(gateway.event(&answer.event()).await["status"], json!("waiting"));
    for number in 0..25 {
        forged["extra"] = json!(number);
        assert_eq!(gateway.send(forged.to_string().as_bytes()).await.code, 200);
    }
    assert_eq!(stored(&gateway).await, 20, "20 bodies of one signature are stored");
    assert_eq!(gateway.metric("hookgate_signature_variants_refused_total{source=\"ottu\"}").await, 7.0);
}

#[tokio::test]
async fn the_same_bytes_again_are_a_duplicate_with_the_same_answer_also_after_a_crash() {
    let gateway = Gateway::start(RULES).await;
    let body = signed(&payment("failed", "R5"));
    let first = gateway.send(&body).await;
    assert_eq!(first.code, 201);
    for _ in 0..3 {
        assert_eq!(gateway.send(&body).await.body, first.body);
    }
    assert_eq!(gateway.event(&first.event()).await["duplicates"], json!(3));
    let gateway = Gateway::start_in(gateway.kill()).await;
    let again = gateway.send(&body).await;
    assert_eq!((again.code, &again.body), (201, &first.body));
    assert_eq!(count(&gateway, "ottu", "duplicate").await, 1.0);
    assert_eq!(stored(&gateway).await, 1);
}

#[tokio::test]
async fn the_rules_decide_between_200_and_201_and_an_unmatched_event_is_stored_too() {
    let gateway = Gateway::start(RULES).await;
    for (state, code, status) in [("paid", 200, "waiting"), ("failed", 201, "waiting"), ("sideways", 200, "unmatched")] {
        let answer = gateway.send(&signed(&payment(state, &format!("R-{state}")))).await;
        assert_eq!((answer.code, answer.header("content-type")), (code, Some("application/json")), "{state}");
        let event = gateway.event(&answer.event()).await;
        assert_eq!((&event["status"], &event["answer"]), (&json!(status), &json!(code)), "{state}");
    }
    assert_eq!(gateway.metric("hookgate_events_unmatched_total{source=\"ottu\"}").await, 1.0);
    let other = "hookgate_events_total{kind=\"payment\",operation=\"none\",result=\"failed\",source=\"ottu\",state=\"other\"}";
    assert_eq!(gateway.metric(other).await, 1.0, "a state that the provider does not document is counted as other");
    assert_eq!(gateway.metric("hookgate_rule_matches_total{rule=\"paid\"}").await, 1.0);
}

#[tokio::test]
async fn more_than_the_limits_is_413_or_431() {
    let gateway = Gateway::start(RULES).await;
    let mut large = payment("paid", "L1");
    large["extra"] = json!("x".repeat((1 << 20) - 1200));
    assert_eq!(gateway.send(&signed(&large)).await.code, 200, "just below 1 MiB");
    large["extra"] = json!("x".repeat(1 << 20));
    let body = signed(&large);
    let answer = gateway.send(&body).await;
    assert_eq!((answer.code, answer.header("connection")), (413, Some("close")));
    let mut chunked = request("POST", "/webhooks/ottu", &[("transfer-encoding", "chunked")], b"");
    let at = chunked.windows(17).position(|window| window == b"content-length: 0").expect("the request has a length");
    chunked.drain(at..at + 19);
    chunked.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    chunked.extend_from_slice(&body);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(exchange(gateway.public, &chunked).await.code, 413);
    assert_eq!(count(&gateway, "ottu", "too_large").await, 2.0);

    let long = "x".repeat(17 << 10);
    assert_eq!(exchange(gateway.public, &request("POST", "/webhooks/ottu", &[("x-long", &long)], b"{}")).await.code, 431);
    let many: Vec<(String, String)> = (0..65).map(|number| (format!("x-{number}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(exchange(gateway.public, &request("POST", "/webhooks/ottu", &many, b"{}")).await.code, 431);
}

#[tokio::test]
async fn one_connection_carries_many_requests_also_after_a_refusal() {
    let gateway = Gateway::start(RULES).await;
    let mut connection = Connection::open(gateway.public).await;
    for (body, code) in [(sample("payment.paid"), 200), (b"{}".to_vec(), 401), (sample("payment.cod"), 200)] {
        connection.send(&request("POST", "/webhooks/ottu", &[], &body)).await;
        assert_eq!(connection.answer().await.expect("an answer").code, code);
    }
    let two = [request("POST", "/webhooks/ottu", &[], &sample("payment.failed")), request("POST", "/webhooks/ottu", &[], b"[]")].concat();
    connection.send(&two).await;
    assert_eq!(connection.answer().await.expect("the first").code, 201);
    assert_eq!(connection.answer().await.expect("the second").code, 400);
}

#[tokio::test]
async fn a_body_in_chunks_is_read_whole() {
    let gateway = Gateway::start(RULES).await;
    let body = sample("payment.paid");
    let mut text = b"POST /webhooks/ottu HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(100) {
        text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        text.extend_from_slice(piece);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"0\r\n\r\n");
    let answer = exchange(gateway.public, &text).await;
    assert_eq!(answer.code, 200);
    let plain = gateway.send(&body).await;
    assert_eq!(plain.event(), answer.event(), "framing is no part of the content");
    assert_eq!(count(&gateway, "ottu", "duplicate").await, 1.0);
}

#[tokio::test]
async fn a_head_that_a_proxy_could_read_otherwise_is_400_and_ends_its_connection() {
    let gateway = Gateway::start(RULES).await;
    let body = sample("payment.paid");
    let length = format!("content-length: {}", body.len());
    let chunked = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let heads = [
        ("POST /webhooks/ottu HTTP/1.1", vec![&*length], &body),
        ("POST /webhooks/ottu HTTP/1.1", vec!["host: a", "host: a", &length], &body),
        ("POST /webhooks/ottu HTTP/1.1", vec!["host: ", &length], &body),
        ("POST http://a/webhooks/ottu HTTP/1.1", vec!["host: a", &length], &body),
        ("POST /webhooks/ottu HTTP/1.1", vec!["host: a", "transfer-encoding: identity, chunked"], &chunked),
    ];
    for (line, headers, body) in &heads {
        let head = format!("{line}\r\n{}\r\n\r\n", headers.join("\r\n"));
        let mut connection = Connection::open(gateway.public).await;
        connection.send(&[head.as_bytes(), body].concat()).await;
        let answer = connection.answer().await.expect("an answer");
        assert_eq!((answer.code, answer.header("connection")), (400, Some("close")), "{head}");
        assert!(connection.is_closed().await);
    }
    assert_eq!(count(&gateway, "ottu", "malformed").await, heads.len() as f64);
    assert_eq!(stored(&gateway).await, 0);
}

#[tokio::test]
async fn fields_as_long_as_the_payload_make_neither_lists_nor_logs_long() {
    let gateway = Gateway::start(RULES).await;
    let body = format!("{{\"operation\":\"{0}\",\"session_id\":\"{0}\",\"txn\":{{\"state\":\"refunded\"}}}}", "x".repeat(400_000));
    let answer = post(gateway.public, "/webhooks/careful", body.as_bytes()).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    let list = gateway.get("/api/v1/events").await;
    assert_eq!(list.code, 200);
    assert!(list.body.len() < 2_000, "{} bytes", list.body.len());
    assert_eq!(list.json()["events"][0]["session_id"].as_str().expect("a text").chars().count(), 257);
    let longest = gateway.log().iter().map(String::len).max();
    assert!(longest < Some(1_000), "{longest:?}");
}

#[tokio::test]
async fn a_repetition_that_differs_in_nothing_that_matters_is_forwarded_with_a_flag() {
    let gateway = Gateway::start(RULES).await;
    let first = sample("payment.paid");
    let mut again: Value = serde_json::from_slice(&first).unwrap();
    again["message"] = json!("sent again by hand");
    assert_eq!(gateway.send(&first).await.code, 200);
    let answer = gateway.send(again.to_string().as_bytes()).await;
    assert_eq!((answer.code, &answer.json()["status"]), (200, &json!("accepted")));
    let event = gateway.event(&answer.event()).await;
    assert_eq!(
        (&event["status"], &event["flags"], &event["deliveries"][0]["destination"]),
        (&json!("waiting"), &json!(["renotified"]), &json!("orders"))
    );
    again["is_sandbox"] = json!("no longer");
    let forged = gateway.send(again.to_string().as_bytes()).await.event();
    assert_eq!(gateway.event(&forged).await["explanation"]["quarantine_reason"], "variant");
    assert_eq!(count(&gateway, "ottu", "variant").await, 2.0);
}

#[tokio::test]
async fn under_one_signature_an_operation_may_only_take_its_lawful_next_step() {
    let gateway = Gateway::start(RULES).await;
    let queued = sample("operation.refund_queued");
    let step = |state: &str| {
        let mut next: Value = serde_json::from_slice(&queued).unwrap();
        next["txn"]["state"] = json!(state);
        next.to_string().into_bytes()
    };
    assert_eq!(gateway.event(&gateway.send(&queued).await.event()).await["state"], "refund_queued");
    for (state, status) in [("refunded", "waiting"), ("refund_rejected", "waiting"), ("voided", "quarantined"), ("paid", "quarantined")] {
        let id = gateway.send(&step(state)).await.event();
        assert_eq!(gateway.event(&id).await["status"], status, "{state}");
    }
}
