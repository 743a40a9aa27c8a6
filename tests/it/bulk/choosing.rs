//! Which events are sent again, and where; what is refused.

use super::*;

async fn replays(gateway: &Gateway, sinks: [&Sink; 2], filter: Value, more: Value) -> (Vec<String>, Value) {
    let before = sinks.map(|sink| replayed(&sink.requests()).len());
    let mut body = json!({ "filter": filter, "rate": "1000/s" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let id = begun(gateway, &body).await;
    let done = until_done(gateway, &id).await;
    let due = usize::try_from(done["deliveries"]["due"].as_u64().expect("a number")).expect("few");
    let came = |sink: &Sink, before: usize| replayed(&sink.requests()).split_off(before);
    let mut ids = until("what is due", || async {
        let ids = [came(sinks[0], before[0]), came(sinks[1], before[1])].concat();
        (ids.len() == due).then_some(ids)
    })
    .await;
    ids.sort();
    (ids, done)
}

#[tokio::test]
async fn a_filter_of_any_kind_chooses_what_the_list_of_events_shows_by_it() {
    // Refuses whatever belongs to order `order-bad`, for good.
    let orders = Sink::scripted(|number, request| {
        let is_bad = number == 1 && String::from_utf8_lossy(&request.body).contains("order-bad");
        Reply::status(if is_bad { 410 } else { 200 })
    });
    let ledger = good();
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    let first = event(&gateway, "ottu", &payment("paid", "first"), "delivered").await;
    let dead = event(&gateway, "ottu", &payment("paid", "bad"), "dead").await;
    let other = event(&gateway, "other", &payment("paid", "other"), "delivered").await;
    let failed = event(&gateway, "ottu", &payment("failed", "failed"), "unmatched").await;
    let between = gateway.event(&other).await["received_at"].as_str().expect("a time").to_owned();
    let sinks = [&orders, &ledger];
    let wanted = |ids: &[&String]| {
        let mut ids: Vec<_> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    let count = |done: &Value| (done["total"].as_u64(), done["done"].as_u64());
    let (ids, done) = replays(&gateway, sinks, json!({ "since": "1h", "status": "dead", "destination": "orders" }), json!({})).await;
    assert_eq!((ids, count(&done)), (wanted(&[&dead]), (Some(1), Some(1))));
    assert_eq!((done["filter"]["status"].as_str(), done["filter"]["destination"].as_str()), (Some("dead"), Some("orders")));
    gateway.until_status(&dead, "delivered").await;
    let to_ledger = || json!({ "to": ["ledger"] });
    for (filter, chosen) in [
        (json!({ "since": "1h", "state": "failed" }), vec![&failed]),
        (json!({ "since": "1h", "from": "other" }), vec![&other]),
        (json!({ "since": "1h", "order": "order-first" }), vec![&first]),
        (json!({ "since": between }), vec![&other, &failed]),
        (json!({ "since": "1h", "until": "30m" }), vec![]),
        (json!({ "since": "1h", "rule": "paid", "kind": "payment", "result": "success" }), vec![&first, &dead, &other]),
        (json!({ "since": "1h" }), vec![&first, &dead, &other, &failed]),
    ] {
        let (ids, done) = replays(&gateway, sinks, filter.clone(), to_ledger()).await;
        let total = Some(chosen.len() as u64);
        assert_eq!((ids, count(&done)), (wanted(&chosen), (total, total)), "{filter}");
        for id in [&first, &dead, &other, &failed] {
            gateway.until_status(id, "delivered").await;
        }
    }
}

#[tokio::test]
async fn what_no_rule_matched_goes_where_the_changed_rules_say() {
    let (orders, ledger) = (good(), good());
    let before = rules(&orders, &ledger, "");
    let gateway = Gateway::start(&before).await;
    for number in 0..5 {
        event(&gateway, "ottu", &payment(if number == 4 { "canceled" } else { "failed" }, &format!("R{number}")), "unmatched").await;
    }
    let filter = json!({ "since": "1h", "status": "unmatched" });
    let nothing = until_done(&gateway, &begun(&gateway, &json!({ "filter": filter, "reroute": true })).await).await;
    assert_eq!((&nothing["deliveries"]["due"], &nothing["skipped"]["no_destination"]), (&json!(0), &json!(5)));
    gateway.home.write(&before.replace("rules: [", "rules: [ { name: failed, when: { state: failed }, to: ledger },"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let dry = order(&gateway, &json!({ "filter": filter, "reroute": true, "dry_run": true })).await.1;
    assert_eq!((&dry["events"], &dry["deliveries"], &dry["skipped"]["no_destination"]), (&json!(5), &json!({ "ledger": 4 }), &json!(1)));
    let done = until_done(&gateway, &begun(&gateway, &json!({ "filter": filter, "reroute": true, "rate": "1000/s" })).await).await;
    assert_eq!((&done["deliveries"]["due"], &done["skipped"]["no_destination"], &done["reroute"]), (&json!(4), &json!(1), &json!(true)));
    let got = ledger.wait_for("the failed ones", |requests| requests.len() == 4).await;
    assert!(got.iter().all(|request| request.header("hookgate-rules") == Some("failed")));
    until("the list of what no rule matches to be shorter", || async {
        let left = gateway.get("/api/v1/events?status=unmatched").await.json()["events"].as_array().map(Vec::len);
        (left == Some(1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_counts_what_would_be_sent_where_and_changes_nothing() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 12).await;
    event(&gateway, "ottu", &payment("failed", "failed"), "unmatched").await;
    let mut doubtful = payment("paid", "doubtful");
    doubtful["amount"] = json!("ten");
    event(&gateway, "ottu", &doubtful, "quarantined").await;
    let shown = gateway.get("/api/v1/events?limit=100").await.json();
    let dry_run = async |more: Value| {
        let mut body = json!({ "filter": { "since": "1h" }, "dry_run": true });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let (code, found) = order(&gateway, &body).await;
        assert_eq!(
            (code, &found["dry_run"], &found["complete"], &found["events"]),
            (200, &json!(true), &json!(true), &json!(14)),
            "{found}"
        );
        assert_eq!(found["skipped"]["quarantined"], 1);
        (found["deliveries"].clone(), found["skipped"]["no_destination"].clone())
    };
    assert_eq!(dry_run(json!({})).await, (json!({ "orders": 12 }), json!(1)));
    assert_eq!(dry_run(json!({ "reroute": true })).await, (json!({ "orders": 12 }), json!(1)));
    assert_eq!(dry_run(json!({ "to": ["ledger", "orders"] })).await, (json!({ "ledger": 13, "orders": 13 }), json!(0)));
    assert_eq!(gateway.get("/api/v1/events?limit=100").await.json(), shown);
    assert_eq!(gateway.get("/api/v1/replays").await.json(), json!({ "replays": [] }));
    assert_eq!((orders.requests().len(), ledger.connections()), (12, 0));
}

#[tokio::test]
async fn an_order_that_cannot_be_followed_is_refused_with_what_to_do() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    let since = json!({ "since": "1h" });
    for (body, said) in [
        (json!({}), "`filter` has no `since`: say from when on"),
        (json!({ "filter": {} }), "`filter` has no `since`"),
        (json!({ "filter": { "status": "dead" } }), "`filter` has no `since`"),
        (json!({ "filter": { "since": "yesterday" } }), "`since` is \"yesterday\"; wanted is a time such as"),
        (json!({ "filter": { "since": "1h", "until": "2h" } }), "no event is between them"),
        (json!({ "filter": { "since": "1h", "status": "gone" } }), "wanted is one of quarantined, waiting"),
        (json!({ "filter": { "since": "1h", "colour": "red" } }), "There is no filter \"colour\""),
        (json!({ "filter": { "since": "1h", "limit": "5" } }), "`limit` is no filter of a replay"),
        (json!({ "filter": since, "to": ["ordres"] }), "\"ordres\" is no destination of the rules file in force, which has orders, ledger"),
        (json!({ "filter": since, "to": [] }), "name at least one"),
        (json!({ "filter": since, "to": ["orders"], "reroute": true }), "exclude each other"),
        (json!({ "filter": since, "rate": "fast" }), "`rate` is \"fast\": not a whole number followed by a unit; wanted is a number"),
        (json!({ "filter": since, "rate": "0/s" }), "from 1 to 100000, such as 50/s"),
        (json!({ "filter": since, "speed": "50/s" }), "of which `filter` is needed"),
    ] {
        let (code, problem) = order(&gateway, &body).await;
        assert!(code == 400 && problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{body}: {code} {problem}");
    }
    for path in ["/api/v1/replays/1", "/api/v1/replays/x", "/api/v1/replays/99999999999999999999"] {
        for method in ["GET", "DELETE"] {
            let answer = gateway.call(method, path, b"").await;
            assert_eq!((answer.code, answer.json()["title"].as_str()), (404, Some("Replay not found")), "{method} {path}");
        }
    }
    assert_eq!(gateway.call("POST", "/api/v1/replays/1", b"").await.code, 405);
    assert_eq!(gateway.call("DELETE", "/api/v1/replays", b"").await.code, 405);
    assert_eq!(gateway.get("/api/v1/replays?limit=0").await.code, 400);
    assert_eq!(gateway.get("/api/v1/replays").await.json(), json!({ "replays": [] }), "nothing of that began");
}
