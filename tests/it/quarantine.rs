//! Operators decide what happens to events that were kept back, and to deliveries that were given up.

use crate::support::{
    gateway::Gateway,
    sender::{Answer, payment, request, signed},
    sink::{Reply, Sink},
};
use hookgate::{
    domain::{event::Reason, name::Name, secret::Secret},
    metrics::{Labels, Metrics},
    provider::ottu::sign,
};
use serde_json::{Value, json};
use std::collections::HashMap;

fn rules(sink: &Sink) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ orders: {{ url: '{}', retry: none }} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/")
    )
}

/// A payment whose `state` is there twice, and what it is called.
async fn kept_back(gateway: &Gateway, state: &str) -> (Vec<u8>, String) {
    let payload = format!(r#"{{"state":"{state}","amount":"1.000","result":"success","reference_number":"Q1","state":"{state}"}}"#);
    let body = sign(payload.as_bytes(), &Secret::new("test-hmac-key")).expect("an object");
    let id = gateway.send(&body).await.event();
    gateway.until_status(&id, "quarantined").await;
    (body, id)
}

async fn decide(gateway: &Gateway, id: &str, what: &str) -> (u16, Value) {
    let answer: Answer = gateway.call("POST", &format!("/api/v1/events/{id}/{what}"), b"{}").await;
    (answer.code, answer.json())
}

#[tokio::test]
async fn a_released_event_is_forwarded_as_it_came_by_the_rules_in_force() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (body, id) = kept_back(&gateway, "paid").await;
    assert_eq!(decide(&gateway, &id, "release").await, (200, json!({ "routing": "routed", "rules": ["paid"], "due": ["orders"] })));
    let requests = sink.wait_for("the delivery", |requests| requests.len() == 1).await;
    assert_eq!(requests[0].body, body, "byte for byte");
    assert_eq!((requests[0].header("hookgate-flags"), requests[0].header("hookgate-rules")), (Some("released"), Some("paid")));
    assert_eq!(requests[0].header("webhook-id"), Some(id.as_str()));
    gateway.until_status(&id, "delivered").await;
    assert_eq!(gateway.metric("hookgate_quarantined_events{reason=\"duplicate_key\",source=\"ottu\"}").await, 0.0);
    let (code, problem) = decide(&gateway, &id, "release").await;
    assert_eq!((code, &problem["detail"]), (409, &json!("The event is not in quarantine.")));
}

#[tokio::test]
async fn a_repetition_that_is_forwarded_names_the_event_that_it_repeats() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let body = signed(&payment("paid", "R1"));
    let first = gateway.send(&body).await.event();
    let mut again: Value = serde_json::from_slice(&body).expect("JSON");
    again["message"] = json!("sent again by hand");
    let id = gateway.send(again.to_string().as_bytes()).await.event();
    let requests = sink.wait_for("both deliveries", |requests| requests.len() == 2).await;
    let of = |id: &str| requests.iter().find(|request| request.header("webhook-id") == Some(id)).expect("it was forwarded");
    assert_eq!((of(&id).header("hookgate-flags"), of(&id).header("hookgate-first-event")), (Some("renotified"), Some(first.as_str())));
    assert_eq!(of(&first).header("hookgate-first-event"), None);
    assert_eq!(gateway.event(&id).await["first_event"], first.as_str());
}

#[tokio::test]
async fn a_released_event_that_no_rule_matches_is_unmatched() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (_, id) = kept_back(&gateway, "failed").await;
    assert_eq!(decide(&gateway, &id, "release").await, (200, json!({ "routing": "unmatched", "rules": [], "due": [] })));
    gateway.until_status(&id, "unmatched").await;
}

#[tokio::test]
async fn a_discarded_event_is_dropped_and_a_discarded_delivery_is_no_longer_dead() {
    let sink = Sink::always(Reply::status(503));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (_, id) = kept_back(&gateway, "paid").await;
    assert_eq!(decide(&gateway, &id, "discard").await, (200, json!({ "quarantined": true, "discarded": [] })));
    gateway.until_status(&id, "dropped").await;
    assert_eq!(decide(&gateway, &id, "release").await.0, 409);

    let id = gateway.send(&signed(&payment("paid", "R1"))).await.event();
    gateway.until_status(&id, "dead").await;
    assert_eq!(gateway.metric("hookgate_dead_letters{destination=\"orders\"}").await, 1.0);
    assert_eq!(decide(&gateway, &id, "discard").await, (200, json!({ "quarantined": false, "discarded": ["orders"] })));
    gateway.until_status(&id, "delivered").await;
    assert_eq!(gateway.event(&id).await["deliveries"][0]["status"], "discarded");
    assert_eq!(gateway.metric("hookgate_dead_letters{destination=\"orders\"}").await, 0.0);
    assert_eq!(gateway.metric("hookgate_deliveries_total{destination=\"orders\",outcome=\"discarded\"}").await, 1.0);
    let (code, problem) = decide(&gateway, &id, "discard").await;
    assert_eq!((code, &problem["title"]), (409, &json!("Nothing to discard")));
}

#[tokio::test]
async fn a_decision_wants_the_token_a_known_event_and_no_body() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&sink)).await;
    let (_, id) = kept_back(&gateway, "paid").await;
    for what in ["release", "discard"] {
        let path = format!("/api/v1/events/{id}/{what}");
        assert_eq!(gateway.get(&path).await.code, 405, "{what}");
        assert_eq!(gateway.call("POST", &path, br#"{"destination":"orders"}"#).await.code, 400, "{what}");
        assert_eq!(gateway.call("POST", &format!("/api/v1/events/evt_00000000000000000000000000/{what}"), b"{}").await.code, 404, "{what}");
        let host = gateway.admin.to_string();
        let bare = request("POST", &path, &[("host", &host)], b"");
        assert_eq!(crate::support::sender::exchange(gateway.admin, &bare).await.code, 401, "{what}");
    }
    assert_eq!(gateway.event(&id).await["status"], "quarantined");
}

#[test]
fn the_figure_of_a_removed_source_goes_to_zero_when_nothing_of_it_is_in_quarantine() {
    let metrics = Metrics::new(&Labels { sources: vec![Name::unchecked("ottu")], ..Labels::default() });
    for (count, value) in [(Some(3), 3), (None, 0), (None, 0), (Some(1), 1)] {
        let counts = count.map(|count| ((Name::unchecked("removed"), Reason::Ambiguous), count));
        metrics.set_quarantined(&counts.into_iter().collect::<HashMap<_, _>>());
        let shown = String::from_utf8(metrics.render()).expect("metrics are text");
        let series = format!("hookgate_quarantined_events{{reason=\"ambiguous\",source=\"removed\"}} {value}");
        assert!(shown.lines().any(|line| line == series), "{series} is not in {shown}");
    }
}
