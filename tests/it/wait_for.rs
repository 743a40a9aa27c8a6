//! Stories of the payer: the answer to the provider waits until the merchant's service has the event, or cannot get it in time.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{Answer, Connection, payment, request, signed},
    sink::{Reply, Sink},
    until::until,
};
use hookgate::{domain::clock::Clock, tasks};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

mod again;
mod at_once;
mod crowded;
mod in_order;
mod lanes;
mod latency;
mod over;

/// Far longer than anything takes that is at once, and as long as the provider's own patience allows.
const WITHIN: &str = "570s";

/// With a payment that is paid, the answer waits for `orders`; all other payments go there too, and nobody waits.
fn rules(sink: &Sink, of_destination: &str, within: &str) -> String {
    let url = sink.url("/orders");
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key, provider_timeout: 10m, hold: 10m }} }}\n\
         destinations: {{ orders: {{ url: '{url}', timeout: 9m{of_destination} }} }}\n\
         rules:\n\
         - {{ name: paid, when: {{ state: paid }}, to: orders, respond: {{ wait_for: orders, within: {within}, otherwise: 201 }} }}\n\
         - {{ name: others, to: orders }}\n"
    )
}

/// Sends a payment that was paid; the answer comes when it comes.
fn pays(to: SocketAddr, reference: &str) -> JoinHandle<Answer> {
    posts(to, signed(&payment("paid", reference)))
}

fn posts(to: SocketAddr, body: Vec<u8>) -> JoinHandle<Answer> {
    tasks::spawn(async move {
        let mut connection = Connection::open(to).await;
        connection.send(&request("POST", "/webhooks/ottu", &[], &body)).await;
        connection.answer().await.expect("an answer")
    })
}

/// The same, once the answer is there.
async fn paid(gateway: &Gateway, reference: &str) -> Answer {
    pays(gateway.public, reference).await.expect("an answer")
}

async fn waits(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.metric(&format!("hookgate_wait_for_total{{destination=\"orders\",outcome=\"{outcome}\"}}")).await
}

/// The line of the log that says how an event was answered last.
async fn told(gateway: &Gateway, id: &str) -> Value {
    until("the line of the log", || async {
        let lines: Vec<Value> = gateway.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.into_iter().rfind(|line| line["event"] == id && line["message"] == "event answered")
    })
    .await
}

/// Waits until the payment is stored, whoever waits for it.
async fn stored(gateway: &Gateway, reference: &str) {
    let path = format!("/api/v1/events/{}", id_of(reference));
    until("the event to be stored", || async { (gateway.get(&path).await.code == 200).then_some(()) }).await;
}

/// Waits until so many duplicates have come.
async fn duplicates(gateway: &Gateway, count: f64) {
    let metric = "hookgate_webhooks_received_total{outcome=\"duplicate\",source=\"ottu\"}";
    until("the duplicate to come", || async { (gateway.metric(metric).await == count).then_some(()) }).await;
}

/// The id of a payment, as its answer would tell it.
fn id_of(reference: &str) -> String {
    let body = signed(&payment("paid", reference)).into();
    crate::provider::open("ottu", body, hookgate::provider::Unsigned::Reject).expect("it is signed").id.to_string()
}

#[tokio::test]
async fn the_answer_is_the_good_one_once_the_destination_has_confirmed_and_not_before() {
    let (gate, is_open) = (watch::Sender::new(false), Reply::status(204));
    let sink = Sink::always(is_open.when(&gate));
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    for outcome in ["confirmed", "failed", "timeout"] {
        assert_eq!(waits(&gateway, outcome).await, 0.0, "it is there from the start");
    }
    let answer = pays(gateway.public, "R1");
    let asked = sink.wait_for("the destination to have it", |requests| requests.len() == 1).await;
    let id = asked[0].header("webhook-id").expect("an id").to_owned();
    let event = gateway.event(&id).await;
    assert_eq!((&event["status"], &event["answer"]), (&json!("waiting"), &Value::Null), "it is stored, and not answered");
    assert!(!answer.is_finished(), "nobody has confirmed anything");
    gate.send_replace(true);
    let answer = answer.await.expect("an answer");
    assert_eq!((answer.code, answer.event()), (200, id.clone()));
    let event = until("the answer to be noted", || async { Some(gateway.event(&id).await).filter(|event| !event["answer"].is_null()) });
    assert_eq!(event.await["answer"], 200);
    gateway.until_status(&id, "delivered").await;
    assert_eq!(waits(&gateway, "confirmed").await, 1.0);
    let line = told(&gateway, &id).await;
    assert_eq!((&line["wait_for"], &line["wait"], &line["status"]), (&json!("orders"), &json!("confirmed"), &json!(200)));
    assert!(line["wait_ms"].as_f64() <= line["ms"].as_f64() && line["not_now"].is_null(), "{line}");
    assert_eq!(gateway.metric("hookgate_webhook_responses_total{code=\"200\",source=\"ottu\"}").await, 1.0);
}

#[tokio::test]
async fn an_event_that_no_rule_waits_for_is_answered_while_the_destination_is_silent() {
    let sink = Sink::always(Reply::Silence);
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    let answer = gateway.send(&signed(&payment("failed", "R1"))).await;
    assert_eq!(answer.code, 200);
    assert_eq!(gateway.event(&answer.event()).await["answer"], 200);
    assert!(told(&gateway, &answer.event()).await["wait"].is_null());
}

#[tokio::test]
async fn a_first_attempt_that_fails_is_the_other_answer_at_once_and_the_delivery_goes_on() {
    let sink = Sink::in_turn([Reply::status(503), Reply::status(200)]);
    let gateway = Gateway::start(&rules(&sink, ", retry: { initial_interval: 100ms, jitter: none }", WITHIN)).await;
    let answer = paid(&gateway, "R1").await;
    assert_eq!(answer.code, 201);
    let event = gateway.until_status(&answer.event(), "delivered").await;
    assert_eq!(event["deliveries"][0]["attempts"], 2);
    assert_eq!((waits(&gateway, "failed").await, waits(&gateway, "confirmed").await), (1.0, 0.0));
    let line = told(&gateway, &answer.event()).await;
    assert_eq!((&line["wait"], &line["status"], &line["not_now"]), (&json!("failed"), &json!(201), &Value::Null));
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_the_other_answer_when_its_time_is_over_and_is_not_cut_off() {
    let gate = watch::Sender::new(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let gateway = Gateway::start(&rules(&sink, "", "400ms")).await;
    let clock = Clock::system();
    let began = clock.instant();
    let answer = paid(&gateway, "R1").await;
    let took = clock.instant().duration_since(began);
    assert_eq!(answer.code, 201);
    // The gateway counts from the first byte in whole milliseconds.
    assert!(took >= Duration::from_millis(395), "{took:?}");
    assert_eq!(waits(&gateway, "timeout").await, 1.0);
    gate.send_replace(true);
    let event = gateway.until_status(&answer.event(), "delivered").await;
    assert_eq!((&event["deliveries"][0]["attempts"], &event["answer"]), (&json!(1), &json!(201)));
    assert_eq!(told(&gateway, &answer.event()).await["wait"], "timeout");
}

#[tokio::test]
async fn under_a_rate_and_a_concurrency_it_waits_its_turn() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, ", rate_limit: 10/s, concurrency: 1", WITHIN)).await;
    let answers: Vec<_> = (0..5).map(|number| pays(gateway.public, &format!("R{number}"))).collect();
    for answer in answers {
        assert_eq!(answer.await.expect("an answer").code, 200);
    }
    assert_eq!(waits(&gateway, "confirmed").await, 5.0);
}

#[tokio::test]
async fn an_event_in_quarantine_is_answered_otherwise_and_nobody_waits() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    let payload = r#"{"state":"paid","amount":"1.000","result":"success","reference_number":"Q1","state":"paid"}"#;
    let key = hookgate::domain::secret::Secret::new("test-hmac-key");
    let twice = hookgate::provider::ottu::sign(payload.as_bytes(), &key).expect("an object");
    let answer = gateway.send(&twice).await;
    assert_eq!(answer.code, 201);
    assert_eq!(gateway.until_status(&answer.event(), "quarantined").await["answer"], 201);
    assert_eq!(gateway.send(&twice).await.code, 201, "and so is its duplicate");

    let first = signed(&payment("paid", "R1"));
    assert_eq!(gateway.send(&first).await.code, 200);
    let mut variant: Value = serde_json::from_slice(&first).expect("JSON");
    variant["session_id"] = json!("0000000000000000000000000000000000000000");
    let answer = gateway.send(variant.to_string().as_bytes()).await;
    assert_eq!((answer.code, sink.requests().len()), (201, 1));
    gateway.until_status(&answer.event(), "quarantined").await;
}
