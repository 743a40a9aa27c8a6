//! The whole walk: a signed webhook comes in and arrives where the rules say, byte for byte.

use crate::support::{
    gateway::Gateway,
    sender::{Answer, payment, post, sample, sample_names, signed},
    sink::{Reply, Request, Sink},
};
use serde_json::{Value, json};

fn rules(orders: &Sink, ledger: &Sink) -> String {
    format!(
        "
sources: {{ ottu: {{ secret: test-hmac-key, allow_ips: [127.0.0.1], unsigned: accept }} }}
destinations:
  orders: {{ url: '{}', retry: {{ initial_interval: 10ms, multiplier: 1, max_interval: 10ms, max_attempts: 3 }} }}
  ledger: {{ url: '{}', headers: {{ x-tenant: shop-1 }} }}
rules:
  - {{ name: 'paid, at last', when: {{ kind: payment, state: [paid, authorized, cod] }}, to: [orders, ledger] }}
  - {{ name: not paid, when: {{ kind: payment, state: {{ not: [paid, authorized, cod] }} }}, to: orders, respond: 201 }}
  - {{ name: money back, when: {{ operation: [refund, void] }}, to: [ledger] }}
  - {{ name: captures, when: {{ operation: capture }}, drop: true }}
",
        orders.url("/hooks/payment?shop=1"),
        ledger.url("/ottu")
    )
}

fn ids(requests: &[Request]) -> Vec<&str> {
    requests.iter().filter_map(|request| request.header("webhook-id")).collect()
}

#[tokio::test]
async fn every_sample_is_answered_and_delivered_as_the_rules_say() {
    let (orders, ledger) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(204)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let names = sample_names();
    assert_eq!(names.len(), 15);
    for name in names {
        let body = sample(&name);
        let answer: Answer = gateway.send(&body).await;
        let (code, status, to): (u16, &str, &[&Sink]) = match name.as_str() {
            "payment.paid" | "payment.authorized" | "payment.cod" => (200, "delivered", &[&orders, &ledger]),
            name if name.starts_with("payment.") => (201, "delivered", &[&orders]),
            "operation.capture" => (200, "dropped", &[]),
            "operation.cancel" => (200, "unmatched", &[]),
            _ => (200, "delivered", &[&ledger]),
        };
        assert_eq!(answer.code, code, "{name}: {}", answer.text());
        let id = answer.event();
        gateway.until_status(&id, status).await;
        for sink in [&orders, &ledger] {
            let requests = sink.requests();
            let found: Vec<_> = requests.iter().filter(|request| request.header("webhook-id") == Some(&id)).collect();
            let expected = usize::from(to.iter().any(|wanted| std::ptr::eq(*wanted, sink)));
            assert_eq!(found.len(), expected, "{name}");
            assert!(found.iter().all(|request| request.body == body), "{name} arrives byte for byte");
        }
    }
}

#[tokio::test]
async fn a_destination_gets_the_bytes_and_the_headers_of_the_contract() {
    let (orders, ledger) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let answer = gateway.send(&sample("payment.paid")).await;
    let requests = ledger.wait_for("the delivery", |requests| requests.len() == 1).await;
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/ottu"));
    for (name, value) in [
        ("webhook-id", answer.event()),
        ("hookgate-source", "ottu".to_owned()),
        ("hookgate-attempt", "1".to_owned()),
        ("hookgate-rules", "paid%2C%20at%20last".to_owned()),
        ("hookgate-verified", "true".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("content-length", sample("payment.paid").len().to_string()),
        ("user-agent", format!("hookgate/{}", env!("CARGO_PKG_VERSION"))),
        ("x-tenant", "shop-1".to_owned()),
    ] {
        assert_eq!(request.header(name), Some(value.as_str()), "{name}");
    }
    let seconds: i64 = request.header("webhook-timestamp").expect("a time").parse().expect("seconds");
    let received: i64 = request.header("hookgate-received").expect("a time").parse().expect("milliseconds");
    assert!((received / 1000 - 1..=received / 1000 + 60).contains(&seconds), "{seconds} {received}");
    assert_eq!(request.header("hookgate-flags"), None);
    assert_eq!(request.header("authorization"), None, "no header of the incoming request is passed on");
    let requests = orders.wait_for("the delivery", |requests| requests.len() == 1).await;
    assert_eq!(requests[0].path, "/hooks/payment?shop=1");
    assert_eq!(requests[0].header("webhook-id"), request.header("webhook-id"), "one id for every destination");
}

#[tokio::test]
async fn an_accepted_event_without_signature_says_so_to_its_destinations() {
    let (orders, ledger) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    gateway.send(&sample("operation.void.unsigned")).await;
    let requests = ledger.wait_for("the delivery", |requests| requests.len() == 1).await;
    assert_eq!(requests[0].header("hookgate-verified"), Some("false"));
}

#[tokio::test]
async fn a_signed_number_is_accepted_and_flagged() {
    let (orders, ledger) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let mut typed = payment("paid", "T1");
    typed["customer_phone"] = json!(96_512_345_678_u64);
    let answer = gateway.send(&signed(&typed)).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    let requests = ledger.wait_for("the delivery", |requests| requests.len() == 1).await;
    assert_eq!(requests[0].header("hookgate-flags"), Some("typed"));
}

#[tokio::test]
async fn a_failing_delivery_is_tried_again_with_the_same_id_and_ends_as_a_dead_letter() {
    let (orders, ledger) = (Sink::always(Reply::with_body(503, "out of order")), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let id = gateway.send(&sample("payment.paid")).await.event();
    let event = gateway.until_status(&id, "dead").await;
    let requests = orders.requests();
    assert_eq!(ids(&requests), vec![id.as_str(); 3]);
    assert_eq!(requests.iter().filter_map(|request| request.header("hookgate-attempt")).collect::<Vec<_>>(), ["1", "2", "3"]);
    let attempts: Vec<&Value> = event["attempts"].as_array().expect("a list").iter().filter(|one| one["destination"] == "orders").collect();
    assert_eq!(
        attempts.iter().map(|one| (&one["n"], &one["result"], &one["status"])).collect::<Vec<_>>(),
        [(&json!(1), &json!("5xx"), &json!(503)), (&json!(2), &json!("5xx"), &json!(503)), (&json!(3), &json!("5xx"), &json!(503)),]
    );
    assert!(!event.to_string().contains("out of order"), "answers of destinations are masked");
    assert_eq!(gateway.metric("hookgate_deliveries_total{destination=\"orders\",outcome=\"dead\"}").await, 1.0);
    assert_eq!(gateway.metric("hookgate_delivery_attempts_total{destination=\"orders\",result=\"5xx\"}").await, 3.0);
    assert_eq!(gateway.metric("hookgate_dead_letters{destination=\"orders\"}").await, 1.0);
    assert_eq!(gateway.metric("hookgate_deliveries_total{destination=\"ledger\",outcome=\"delivered\"}").await, 1.0);
    assert_eq!(gateway.get("/api/v1/events?status=dead&destination=orders").await.json()["events"][0]["id"], json!(id));
}

#[tokio::test]
async fn a_dead_letter_is_delivered_after_a_retry_by_hand_and_counts_its_attempts_on() {
    let replies: Vec<_> = (0..3).map(|_| Reply::status(500)).chain([Reply::status(200)]).collect();
    let (orders, ledger) = (Sink::in_turn(replies), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let id = gateway.send(&sample("payment.failed")).await.event();
    gateway.until_status(&id, "dead").await;
    let path = format!("/api/v1/events/{id}/retry");
    let answer = gateway.call("POST", &path, br#"{"destination":"ledger"}"#).await;
    assert_eq!(answer.code, 409, "the event never went there: {}", answer.text());
    let answer = gateway.call("POST", &path, b"").await;
    assert_eq!((answer.code, answer.json()), (200, json!({ "due": ["orders"], "held_back": [], "in_flight": [] })));
    gateway.until_status(&id, "delivered").await;
    assert_eq!(orders.requests().last().expect("a request").header("hookgate-attempt"), Some("4"));
    let again = gateway.call("POST", &path, b"{}").await;
    assert_eq!((again.code, again.json()["title"].clone()), (409, json!("Nothing to retry")));
    for (body, code) in [(&b"[]"[..], 400), (br#"{"to":"orders"}"#, 400), (br#"{"destination":"A B"}"#, 400)] {
        assert_eq!(gateway.call("POST", &path, body).await.code, code);
    }
}

#[tokio::test]
async fn a_retry_that_is_in_flight_is_202_and_no_second_attempt() {
    let (gate, _) = tokio::sync::watch::channel(false);
    let (orders, ledger) = (Sink::always(Reply::status(200).when(&gate)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let id = gateway.send(&sample("payment.failed")).await.event();
    orders.wait_in_hand(1).await;
    let answer = gateway.call("POST", &format!("/api/v1/events/{id}/retry"), b"").await;
    assert_eq!((answer.code, answer.json()), (202, json!({ "due": [], "held_back": [], "in_flight": ["orders"] })));
    gate.send_replace(true);
    gateway.until_status(&id, "delivered").await;
    assert_eq!(orders.requests().len(), 1);
}

#[tokio::test]
async fn what_waits_is_delivered_after_a_restart() {
    let orders = Sink::in_turn([Reply::Silence, Reply::status(200)]);
    let ledger = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let body = sample("payment.paid");
    let id = gateway.send(&body).await.event();
    orders.wait_in_hand(1).await;
    ledger.wait_for("the delivery", |requests| requests.len() == 1).await;
    crate::support::until::until("the ledger's outcome to be stored", || async {
        let event = gateway.event(&id).await;
        (event["deliveries"][1]["status"] == "delivered").then_some(())
    })
    .await;
    let gateway = Gateway::start_in(gateway.kill()).await;
    gateway.until_status(&id, "delivered").await;
    let requests = orders.requests();
    assert_eq!((ids(&requests), requests[1].body.clone()), (vec![id.as_str(); 2], body));
    assert_eq!(ledger.requests().len(), 1, "what was settled is not sent again");
}

#[tokio::test]
async fn an_orderly_stop_waits_for_attempts_in_flight() {
    let (gate, _) = tokio::sync::watch::channel(false);
    let (orders, ledger) = (Sink::always(Reply::status(200).when(&gate)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let id = gateway.send(&sample("payment.failed")).await.event();
    orders.wait_in_hand(1).await;
    gateway.terminate();
    crate::support::until::until_eq("readiness to end", 503, || async { gateway.get("/readyz").await.code }).await;
    gate.send_replace(true);
    let home_log = gateway.ended_in().await;
    assert_eq!(home_log.0.code(), Some(0), "{:#?}", home_log.1);
    let gateway = Gateway::start_in(home_log.2).await;
    assert_eq!(gateway.event(&id).await["status"], json!("delivered"));
    assert_eq!(orders.requests().len(), 1);
}

#[tokio::test]
async fn one_log_line_tells_of_each_event_and_of_each_failed_attempt_and_holds_no_payload() {
    let (orders, ledger) = (Sink::always(Reply::status(500)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&orders, &ledger)).await;
    let id = gateway.send(&sample("payment.failed")).await.event();
    gateway.until_status(&id, "dead").await;
    gateway.terminate();
    let (status, log) = gateway.ended().await;
    assert_eq!(status.code(), Some(0));
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "event answered").collect();
    assert_eq!(answered.len(), 1);
    for (key, value) in [
        ("event", json!(id)),
        ("source", json!("ottu")),
        ("kind", json!("payment")),
        ("state", json!("failed")),
        ("rules", json!("not paid")),
        ("status", json!(201)),
    ] {
        assert_eq!(answered[0][key], value, "{key}");
    }
    assert!(answered[0]["ms"].as_f64().expect("milliseconds") > 0.0);
    let failed = lines.iter().filter(|line| line["event"] == json!(id) && line["destination"] == "orders" && line["result"] == "5xx");
    assert_eq!(failed.count(), 3);
    for personal in ["example@example.com", "1234567", "first_name_example"] {
        assert!(log.iter().all(|line| !line.contains(personal)), "{personal}");
    }
}

#[tokio::test]
async fn a_provider_that_sends_an_event_again_gets_it_through() {
    let orders = Sink::in_turn([Reply::status(503), Reply::status(200)]);
    let audit = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }}, second: {{ secret: test-hmac-key }} }}\ndestinations:\n  \
         orders: {{ url: '{}', retry: none }}\n  audit: {{ url: '{}' }}\nrules:\n  \
         - {{ name: paid, when: {{ from: ottu, state: paid }}, to: orders }}\n  \
         - {{ name: second, when: {{ from: second }}, to: [orders, audit] }}\n",
        orders.url("/"),
        audit.url("/")
    ))
    .await;
    let body = signed(&payment("paid", "R1"));
    let id = gateway.send(&body).await.event();
    gateway.until_status(&id, "dead").await;
    assert_eq!(gateway.send(&body).await.event(), id);
    gateway.until_status(&id, "delivered").await;
    let arrived = orders.requests();
    assert_eq!(arrived.iter().map(|request| request.header("hookgate-attempt")).collect::<Vec<_>>(), [Some("1"), Some("2")]);
    assert_eq!(arrived[1].body, body);
    assert_eq!(post(gateway.public, "/webhooks/second", &body).await.event(), id);
    audit.wait_for("the destination of the other source", |requests| requests.len() == 1).await;
    gateway.until_status(&id, "delivered").await;
    assert_eq!(orders.requests().len(), 2, "it has it");
    assert_eq!(gateway.event(&id).await["duplicates"], json!(2));

    let nowhere = signed(&payment("failed", "R2"));
    let id = gateway.send(&nowhere).await.event();
    gateway.until_status(&id, "unmatched").await;
    assert_eq!(post(gateway.public, "/webhooks/second", &nowhere).await.event(), id);
    gateway.until_status(&id, "delivered").await;
    assert_eq!(orders.requests().len(), 3);
}
