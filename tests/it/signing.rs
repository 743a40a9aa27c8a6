//! Deliveries that are signed: every attempt, by every secret, as the receiver's own check has it.

use crate::support::{
    gateway::Gateway,
    sender::sample,
    sink::{Reply, Request, Sink},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::{
    io::Write,
    process::{Command, Stdio},
};

const NEW: &str = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ=";
const OLD: &str = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC1zZWNyZXQ=";
const OTHER: &str = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC1vdGhlcg==";

/// Which of the secrets verify the request, by a program of a few lines that knows nothing of this one.
fn verified(request: &Request) -> Vec<String> {
    let headers: serde_json::Map<_, _> = request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let told = json!({ "secrets": [NEW, OLD, OTHER], "headers": headers, "body": STANDARD.encode(&request.body) });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/signing/verify.py");
    let mut python = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is there");
    python.stdin.take().expect("it is piped").write_all(told.to_string().as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_attempt_is_signed_anew_by_every_secret_and_an_unsigned_destination_gets_no_signature() {
    let (signed, plain) = (Sink::in_turn([Reply::status(500), Reply::status(200)]), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  signed:
    url: '{}'
    sign: {{ scheme: standard-webhooks, secret: [{NEW}, {OLD}] }}
    retry: {{ initial_interval: 1s, jitter: none }}
  plain: '{}'
rules: [ {{ name: all, to: [signed, plain] }} ]
",
        signed.url("/hooks"),
        plain.url("/hooks"),
    ))
    .await;
    let body = sample("payment.paid");
    assert_eq!(gateway.send(&body).await.code, 200);
    let attempts = signed.wait_for("two attempts", |requests| requests.len() == 2).await;
    for attempt in &attempts {
        assert_eq!(attempt.body, body);
        assert_eq!(verified(attempt), [NEW, OLD]);
    }
    let [first, second] = [0, 1].map(|place: usize| attempts[place].header("webhook-timestamp").expect("a time"));
    assert_ne!(first, second, "the time is that of the attempt");
    let forged = Request { body: b"{}".to_vec(), ..attempts[0].clone() };
    assert!(verified(&forged).is_empty());
    let requests = plain.wait_for("the plain delivery", |requests| requests.len() == 1).await;
    assert_eq!(requests[0].header("webhook-signature"), None);
}
