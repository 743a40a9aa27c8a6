//! What else goes on meanwhile: deliveries on their way, new events, a destination that leaves, other replays.

use super::*;
use std::time::Duration;

#[tokio::test]
async fn what_is_on_its_way_when_its_turn_comes_is_not_doubled() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 3).await;
    assert_eq!(gateway.call("POST", "/api/v1/destinations/orders/pause", b"").await.code, 200);
    for number in 0..4 {
        event(&gateway, "ottu", &payment("paid", &format!("waiting {number}")), "waiting").await;
    }
    let dry = order(&gateway, &json!({ "filter": { "since": "1h" }, "dry_run": true })).await.1;
    assert_eq!((&dry["deliveries"], &dry["in_flight"]), (&json!({ "orders": 3 }), &json!(4)));
    let body = json!({ "filter": { "since": "1h" }, "rate": "1000/s" });
    let done = until_done(&gateway, &begun(&gateway, &body).await).await;
    assert_eq!(done["deliveries"], json!({ "due": 3, "in_flight": 4, "removed": 0 }));
    assert_eq!(gateway.call("POST", "/api/v1/destinations/orders/resume", b"").await.code, 200);
    let got = orders.wait_for("all of them", |requests| requests.len() == 10).await;
    assert_eq!(replayed(&got).len(), 3);
    let delivered = "hookgate_deliveries_total{destination=\"orders\",outcome=\"delivered\"}";
    until("all are settled", || async { (gateway.metric(delivered).await >= 10.0).then_some(()) }).await;
    assert_eq!(orders.requests().len(), 10, "each once more, or for the first time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_event_waits_behind_no_more_replays_than_are_begun_ahead() {
    const EVENTS: usize = 1_200;
    const AHEAD: usize = hookgate::store::BULK_AHEAD;
    let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_quick = std::sync::Arc::clone(&first);
    let orders = Sink::scripted(move |_, _| {
        let quick = is_quick.load(std::sync::atomic::Ordering::Relaxed);
        if quick { Reply::status(200) } else { Reply::status(200).after(Duration::from_millis(2)) }
    });
    let ledger = good();
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, EVENTS).await;
    gateway.home.write(&rules(&orders, &ledger, ", concurrency: 1"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    first.store(false, std::sync::atomic::Ordering::Relaxed);
    let id = begun(&gateway, &json!({ "filter": { "since": "1h" }, "rate": "100000/s" })).await;
    let held = until_bulk(&gateway, &id, "it to wait for the destination", |bulk| !bulk["held_by"].is_null()).await;
    assert_eq!((&held["held_by"], &held["state"]), (&json!("orders"), &json!("running")));
    let before = orders.requests().len();
    let new = gateway.send(&signed(&payment("paid", "new"))).await.event();
    let is_new = |request: &Request| request.header("webhook-id") == Some(&new);
    let got = orders.wait_for("the new event", |requests| requests.iter().any(is_new)).await;
    let place = got.iter().position(is_new).expect("it came");
    assert!(place - before <= AHEAD + 20, "{} came before it", place - before);
    assert!(place < 2 * EVENTS, "and it did not wait for the last of them");
    gateway.call("DELETE", &format!("/api/v1/replays/{id}"), b"").await;
}

#[tokio::test]
async fn a_destination_that_leaves_the_rules_file_meanwhile_is_left_out_and_counted() {
    const EVENTS: u64 = 40;
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, EVENTS as usize).await;
    let body = json!({ "filter": { "since": "1h" }, "to": ["orders", "ledger"], "rate": "20/s" });
    let id = begun(&gateway, &body).await;
    until_bulk(&gateway, &id, "some of it", |bulk| bulk["done"].as_u64() >= Some(5)).await;
    let without = rules(&orders, &ledger, "").lines().filter(|line| !line.contains("ledger:")).collect::<Vec<_>>().join("\n");
    gateway.home.write(&(without + "\n"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let done = until_done(&gateway, &id).await;
    let count = |key: &str| done["deliveries"][key].as_u64().expect("a number");
    assert_eq!((count("due") + count("removed"), done["done"].as_u64()), (2 * EVENTS, Some(EVENTS)), "{done}");
    assert!((1..EVENTS).contains(&count("removed")), "{done}");
    assert_eq!(done["to"], json!(["orders", "ledger"]));
    let got = orders.wait_for("all of them", |requests| requests.len() as u64 == 2 * EVENTS).await;
    assert_eq!(replayed(&got).len() as u64, EVENTS);
}

#[tokio::test]
async fn one_that_waits_for_a_paused_destination_holds_up_no_other() {
    const EVENTS: usize = hookgate::store::BULK_AHEAD + 30;
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, EVENTS).await;
    assert_eq!(gateway.call("POST", "/api/v1/destinations/orders/pause", b"").await.code, 200);
    let stuck = begun(&gateway, &json!({ "filter": { "since": "1h" }, "rate": "100000/s" })).await;
    until_bulk(&gateway, &stuck, "it to wait", |bulk| bulk["held_by"] == "orders").await;
    let other = begun(&gateway, &json!({ "filter": { "since": "1h" }, "to": ["ledger"], "rate": "100000/s" })).await;
    let done = until_done(&gateway, &other).await;
    assert_eq!((&done["deliveries"]["due"], &done["held_by"]), (&json!(EVENTS), &Value::Null));
    let mut more = 1;
    let refused = loop {
        let (code, answer) = order(&gateway, &json!({ "filter": { "since": "1h" }, "to": ["orders"] })).await;
        if code != 202 {
            break (code, answer);
        }
        more += 1;
    };
    assert_eq!((more, refused.0, refused.1["title"].as_str()), (hookgate::store::BULKS, 409, Some("Too many replays")));
    assert_eq!(look(&gateway, &stuck).await["state"], "running");
    assert_eq!(gateway.call("POST", "/api/v1/destinations/orders/resume", b"").await.code, 200);
    assert_eq!(until_done(&gateway, &stuck).await["done"], EVENTS);
    ledger.wait_for("all of the other", |requests| requests.len() >= EVENTS).await;
}
