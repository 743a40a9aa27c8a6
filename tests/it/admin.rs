//! The admin listener: who may come in, what the API tells, and what the metrics are from the start.

use crate::support::{
    gateway::Gateway,
    sender::{Connection, exchange, payment, request, sample, signed},
};
use serde_json::{Value, json};

const RULES: &str = "
sources: { ottu: { secret: test-hmac-key } }
destinations:
  orders: { url: 'http://127.0.0.1:9', paused: true }
  ledger: { url: 'http://127.0.0.1:9', paused: true }
rules:
  - { name: paid, when: { state: paid }, to: [orders, ledger] }
  - { name: in progress, when: { state: pending }, drop: true }
  - { name: copy, when: { state: [pending, odd] }, to: ledger, tap: true }
";

#[tokio::test]
async fn the_api_wants_the_token_also_on_loopback_and_the_rest_does_not() {
    let gateway = Gateway::start(RULES).await;
    let host = gateway.admin.to_string();
    let call = |path: &'static str, headers: Vec<(&'static str, String)>| {
        let host = host.clone();
        let admin = gateway.admin;
        async move {
            let mut all = vec![("host", host.as_str())];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            if let Some((_, other)) = headers.iter().find(|(name, _)| *name == "host") {
                all[0] = ("host", other);
                all.pop();
            }
            exchange(admin, &request("GET", path, &all, b"")).await
        }
    };
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(call(path, vec![]).await.code, 200, "{path}");
    }
    for path in ["/api/v1/events", "/api/v1/destinations", "/api/v1/events/evt_00000000000000000000000000", "/api/v1/nothing"] {
        let answer = call(path, vec![]).await;
        assert_eq!((answer.code, answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
        assert_eq!(call(path, vec![("authorization", "Bearer wrong".to_owned())]).await.code, 401, "{path}");
    }
    let token = format!("Bearer {}", gateway.home.token());
    assert_eq!(call("/api/v1/events", vec![("authorization", token.clone())]).await.code, 200);
    assert_eq!(call("/api/v1/nothing", vec![("authorization", token.clone())]).await.code, 404);
    let foreign = vec![("authorization", token.clone()), ("origin", "http://evil.example".to_owned())];
    assert_eq!(call("/api/v1/events", foreign).await.code, 403);
    assert_eq!(call("/api/v1/events", vec![("authorization", token), ("host", "evil.example".to_owned())]).await.code, 421);
    assert_eq!(call("/metrics", vec![("host", "evil.example".to_owned())]).await.code, 421);
    assert_eq!(call("/healthz", vec![("host", "10.1.2.3:8080".to_owned())]).await.code, 200, "probes name any host");
}

#[tokio::test]
async fn the_token_is_made_once_and_survives_a_restart() {
    let gateway = Gateway::start(RULES).await;
    let token = gateway.home.token();
    assert_eq!(token.len(), 64);
    let gateway = Gateway::start_in(gateway.kill()).await;
    assert_eq!(gateway.home.token(), token);
    assert_eq!(gateway.get("/api/v1/events").await.code, 200);
}

#[tokio::test]
async fn every_label_set_exists_from_the_start() {
    let gateway = Gateway::start(RULES).await;
    let text = gateway.get("/metrics").await.text();
    for series in [
        "hookgate_webhooks_received_total{outcome=\"bad_signature\",source=\"ottu\"} 0",
        "hookgate_webhooks_received_total{outcome=\"held_out\",source=\"ottu\"} 0",
        "hookgate_webhook_responses_total{code=\"401\",source=\"ottu\"} 0",
        "hookgate_webhook_responses_total{code=\"405\",source=\"ottu\"} 0",
        "hookgate_webhook_responses_total{code=\"408\",source=\"ottu\"} 0",
        "hookgate_webhook_request_duration_seconds_bucket{source=\"ottu\",le=\"0.0025\"} 0",
        "hookgate_webhook_body_bytes_bucket{source=\"ottu\",le=\"1024\"} 0",
        "hookgate_event_last_received_timestamp_seconds{source=\"ottu\"} 0",
        "hookgate_rule_matches_total{rule=\"in progress\"} 0",
        "hookgate_events_unmatched_total{source=\"ottu\"} 0",
        "hookgate_signature_variants_refused_total{source=\"ottu\"} 0",
        "hookgate_held_requests 0",
        "hookgate_quarantined_events{reason=\"ambiguous\",source=\"ottu\"} 0",
        "hookgate_deliveries_total{destination=\"orders\",outcome=\"dead\"} 0",
        "hookgate_deliveries_total{destination=\"orders\",outcome=\"discarded\"} 0",
        "hookgate_delivery_attempts_total{destination=\"ledger\",result=\"timeout\"} 0",
        "hookgate_delivery_attempts_total{destination=\"ledger\",result=\"refused\"} 0",
        "hookgate_delivery_attempt_duration_seconds_bucket{destination=\"ledger\",le=\"0.005\"} 0",
        "hookgate_delivery_lag_seconds_bucket{destination=\"ledger\",le=\"86400\"} 0",
        "hookgate_queue_deliveries{destination=\"orders\",state=\"parked\"} 0",
        "hookgate_queue_deliveries{destination=\"orders\",state=\"held_back\"} 0",
        "hookgate_queue_oldest_age_seconds{destination=\"orders\"} 0",
        "hookgate_dead_letters{destination=\"orders\"} 0",
        "hookgate_destination_paused{destination=\"orders\"} 1",
        "hookgate_config_rules 3",
        "hookgate_store_commit_duration_seconds_bucket{le=\"0.0005\"} 0",
        "hookgate_store_commit_events_bucket{le=\"512\"} 0",
        "hookgate_store_errors_total{operation=\"append\"} 0",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} is not in\n{text}");
    }
    for name in [
        "hookgate_build_info{",
        "hookgate_store_bytes ",
        "hookgate_store_free_bytes ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not in\n{text}");
    }
    assert!(text.contains("# HELP hookgate_held_requests ") && text.contains("# TYPE hookgate_held_requests gauge"));
}

#[tokio::test]
async fn events_are_listed_newest_first_and_every_filter_holds() {
    let gateway = Gateway::start(RULES).await;
    let mut ids = Vec::new();
    for (state, reference) in [("paid", "R1"), ("pending", "R2"), ("odd", "R3"), ("paid", "R4")] {
        ids.push(gateway.send(&signed(&payment(state, reference))).await.event());
    }
    ids.push(gateway.send(&sample("operation.refund")).await.event());
    ids.reverse();
    let list = async |query: &str| -> Vec<String> {
        let answer = gateway.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!(answer.code, 200, "{query}: {}", answer.text());
        let events = answer.json();
        events["events"].as_array().expect("a list").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(list("").await, ids);
    for (query, found) in [
        ("from=ottu", vec![0, 1, 2, 3, 4]),
        ("from=other", vec![]),
        ("kind=operation", vec![0]),
        ("state=paid", vec![1, 4]),
        ("result=success", vec![0, 1, 4]),
        ("operation=refund", vec![0]),
        ("reference=R2", vec![3]),
        ("order=order-R3", vec![2]),
        ("session=bb7fc280827c2f177a9690299cfefa4128dbbd60", vec![0]),
        ("status=waiting", vec![1, 2, 3, 4]),
        ("status=unmatched", vec![0]),
        ("status=dead", vec![]),
        ("rule=paid", vec![1, 4]),
        ("rule=copy", vec![2, 3]),
        ("destination=orders", vec![1, 4]),
        ("destination=ledger&status=waiting", vec![1, 2, 3, 4]),
        ("since=1h", vec![0, 1, 2, 3, 4]),
        ("until=1h", vec![]),
        ("since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z", vec![]),
        ("state=paid&reference=R4", vec![1]),
    ] {
        assert_eq!(list(query).await, found.into_iter().map(|at: usize| ids[at].clone()).collect::<Vec<_>>(), "{query}");
    }
    let mut pages = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let page = gateway.get(&format!("/api/v1/events?{query}")).await.json();
        pages.extend(page["events"].as_array().expect("a list").iter().map(|event| event["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(pages, ids);
}

#[tokio::test]
async fn a_bad_filter_is_400_and_named() {
    let gateway = Gateway::start(RULES).await;
    for (query, named) in [
        ("colour=red", "colour"),
        ("status=lost", "waiting, dead"),
        ("kind=refund", "payment, operation"),
        ("since=yesterday", "2h"),
        ("limit=0", "1 to 500"),
        ("limit=many", "1 to 500"),
        ("cursor=x", "cursor"),
    ] {
        let answer = gateway.get(&format!("/api/v1/events?{query}")).await;
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert_eq!((answer.code, answer.header("content-type")), (400, Some("application/problem+json")), "{query}");
        assert!(detail.contains(named), "{query}: {detail}");
    }
    for (method, path, code) in [
        ("GET", "/api/v1/events/evt_00000000000000000000000000", 404),
        ("GET", "/api/v1/events/nonsense", 404),
        ("POST", "/api/v1/events", 405),
        ("GET", "/api/v1/events/evt_00000000000000000000000000/retry", 405),
        ("POST", "/api/v1/events/evt_00000000000000000000000000/retry", 404),
    ] {
        assert_eq!(gateway.call(method, path, b"").await.code, code, "{method} {path}");
    }
}

#[tokio::test]
async fn an_event_is_shown_whole_and_masked() {
    let gateway = Gateway::start(RULES).await;
    let id = gateway.send(&sample("payment.paid")).await.event();
    let event = gateway.event(&id).await;
    for (key, value) in [
        ("id", json!(id)),
        ("source", json!("ottu")),
        ("kind", json!("payment")),
        ("state", json!("paid")),
        ("operation", Value::Null),
        ("reference_number", json!("staging48G8SS")),
        ("amount", json!("10.000")),
        ("currency_code", json!("KWD")),
        ("rules", json!(["paid"])),
        ("flags", json!([])),
        ("attempts", json!([])),
    ] {
        assert_eq!(event[key], value, "{key}");
    }
    assert_eq!(
        event["deliveries"][0],
        json!({ "destination": "orders", "status": "waiting", "attempts": 0, "next_attempt_at": null, "waits_for": null, "last": null })
    );
    assert_eq!(event["explanation"]["destinations"][1], json!({ "destination": "ledger", "rules": ["paid"] }));
    let payload = &event["payload"];
    assert_eq!(
        (&payload["state"], &payload["customer_email"], &payload["initiator"]["phone"]),
        (&json!("paid"), &json!("***"), &json!("***"))
    );
    let text = event.to_string();
    for personal in ["example@example.com", "1234567", "first_name_example", "username_example", "17651ac4001b4ad9"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    assert!(gateway.log().iter().all(|line| !line.contains("example@example.com")));
}

#[tokio::test]
async fn destinations_tell_what_waits_for_them() {
    let gateway = Gateway::start(RULES).await;
    for reference in ["R1", "R2", "R3"] {
        gateway.send(&signed(&payment("paid", reference))).await;
    }
    let list = gateway.get("/api/v1/destinations").await.json();
    let orders = &list["destinations"][0];
    assert_eq!(
        (&orders["destination"], &orders["paused"], &orders["ready"], &orders["dead"]),
        (&json!("orders"), &json!(true), &json!(3), &json!(0))
    );
    assert_eq!(gateway.metric("hookgate_queue_deliveries{destination=\"orders\",state=\"ready\"}").await, 3.0);
}

#[tokio::test]
async fn while_it_drains_the_gateway_is_alive_and_not_ready_and_answers_what_is_open() {
    let gateway = Gateway::start(&format!("{RULES}\n")).await;
    let mut open = Connection::open(gateway.public).await;
    let body = sample("payment.paid");
    let bytes = request("POST", "/webhooks/ottu", &[], &body);
    open.send(&bytes[..bytes.len() - 10]).await;
    // The request has begun: a second connection that is answered shows that the first one was accepted.
    assert_eq!(exchange(gateway.public, &request("GET", "/healthz", &[], b"")).await.code, 200);
    gateway.terminate();
    crate::support::until::until_eq("readiness to end", 503, || async { gateway.get("/readyz").await.code }).await;
    assert_eq!(gateway.get("/readyz").await.json()["reasons"], json!(["the gateway is stopping"]));
    assert_eq!(gateway.get("/healthz").await.code, 200);
    open.send(&bytes[bytes.len() - 10..]).await;
    let answer = open.answer().await.expect("the open request is answered");
    assert_eq!((answer.code, answer.header("connection")), (200, Some("close")));
    let (status, _) = gateway.ended().await;
    assert_eq!(status.code(), Some(0));
}
