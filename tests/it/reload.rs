//! The rules file is read again while the gateway runs: whole, or not at all.

use crate::support::{
    gateway::{Gateway, hookgate},
    sender::{Connection, payment, post, request, signed, signed_with},
    sink::{Reply, Sink},
    until::{until, until_eq},
};
use serde_json::json;
use std::{
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

const TAKEN: &str = "hookgate_config_last_reload_successful";

/// One rule for each destination: what is paid goes to all of them.
fn rules(destinations: &[(&str, String)]) -> String {
    let each: String = destinations.iter().map(|(name, settings)| format!("  {name}: {{ {settings} }}\n")).collect();
    let names: Vec<_> = destinations.iter().map(|(name, _)| *name).collect();
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n{each}\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: [{}] }} ]\n",
        names.join(", ")
    )
}

fn url(sink: &Sink) -> String {
    format!("url: '{}'", sink.url("/hooks"))
}

async fn pay(gateway: &Gateway, reference: &str) -> String {
    let answer = gateway.send(&signed(&payment("paid", reference))).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.event()
}

async fn reload(gateway: &Gateway) {
    let answer = gateway.call("POST", "/-/reload", b"").await;
    assert_eq!((answer.code, &answer.json()["status"]), (200, &json!("reloaded")), "{}", answer.text());
}

#[tokio::test]
async fn a_reload_brings_destinations_rules_and_sources_with_their_metrics() {
    let (orders, mail) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&[("orders", url(&orders))])).await;
    let first = gateway.metric("hookgate_config_last_reload_success_timestamp_seconds").await;
    assert!(first > 0.0);
    let more = rules(&[("orders", url(&orders)), ("mail", url(&mail))])
        .replace("sources: {", "sources: { shop: { secret: other-key, respond: 201 },")
        .replace("rules: [", "rules: [ { name: shop, when: { from: shop }, to: mail }, ");
    gateway.home.write(&more);
    reload(&gateway).await;
    assert_eq!(gateway.metric(TAKEN).await, 1.0);
    assert_eq!(gateway.metric("hookgate_config_rules").await, 2.0);
    assert!(gateway.metric("hookgate_config_last_reload_success_timestamp_seconds").await >= first);
    assert_eq!(gateway.metric("hookgate_deliveries_total{destination=\"mail\",outcome=\"dead\"}").await, 0.0);
    assert_eq!(gateway.metric("hookgate_webhooks_received_total{outcome=\"accepted\",source=\"shop\"}").await, 0.0);
    pay(&gateway, "both").await;
    let from_shop = post(gateway.public, "/webhooks/shop", &signed_with(&payment("failed", "shop"), "other-key")).await;
    assert_eq!(from_shop.code, 201, "the new source answers as the file says");
    mail.wait_for("both events", |requests| requests.len() == 2).await;
    orders.wait_for("one event", |requests| requests.len() == 1).await;
    assert_eq!(gateway.metric("hookgate_rule_matches_total{rule=\"shop\"}").await, 1.0);
}

#[tokio::test]
async fn sighup_reads_the_file_again() {
    let (old, new) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&[("orders", url(&old))])).await;
    gateway.home.write(&rules(&[("orders", url(&new))]));
    gateway.hang_up();
    reading_after(&gateway, 1, &["signal"], true).await;
    pay(&gateway, "R1").await;
    new.wait_for("the event", |requests| requests.len() == 1).await;
    assert!(old.requests().is_empty());
    gateway.hang_up();
    gateway.terminate();
    let (status, log) = gateway.ended().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing_and_every_mistake_is_told() {
    let sink = Sink::always(Reply::status(200));
    let good = rules(&[("orders", url(&sink))]);
    let gateway = Gateway::start(&good).await;
    gateway.home.write(&good.replace("to: [orders]", "to: [order]").replace("secret: test-hmac-key", "secret: ''"));
    let answer = gateway.call("POST", "/-/reload", b"{}").await;
    assert_eq!(answer.code, 422, "{}", answer.text());
    let problem = answer.json();
    let codes: Vec<_> = problem["errors"].as_array().expect("a list").iter().map(|error| error["code"].clone()).collect();
    assert_eq!(codes, [json!("weak-secret"), json!("unknown-destination")], "{problem}");
    let said = problem["errors"][1]["message"].as_str().expect("a text");
    assert!(said.ends_with("did you mean \"orders\"?"), "{said}");
    assert_eq!(gateway.metric(TAKEN).await, 0.0);
    let told = || async { gateway.log().iter().any(|line| line.contains("the rules before it stay in force")).then_some(()) };
    until("the log to say so", told).await;
    pay(&gateway, "R1").await;
    sink.wait_for("the event, by the old rules", |requests| requests.len() == 1).await;

    let told = command(&gateway, "reload").await;
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(78), "{said}");
    assert!(said.contains("error[unknown-destination]") && said.contains("did you mean \"orders\"?"), "{said}");

    gateway.home.write(&good);
    let told = command(&gateway, "reload").await;
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    assert_eq!(String::from_utf8_lossy(&told.stdout), "the rules file is in force\n");
    assert_eq!(gateway.metric(TAKEN).await, 1.0);
}

async fn command(gateway: &Gateway, name: &str) -> Output {
    let mut command = hookgate();
    let admin = format!("http://{}", gateway.admin);
    command.args([name, "--admin", &admin]).env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
    hookgate::tasks::blocking(move || command.output().expect("the binary runs")).await.expect("it does not panic")
}

#[tokio::test]
async fn only_who_has_the_token_reloads_and_only_by_post() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&[("orders", url(&sink))])).await;
    assert_eq!(gateway.get("/-/reload").await.code, 405);
    assert_eq!(gateway.call("POST", "/-/reload", b"{\"now\":true}").await.code, 400);
    assert_eq!(post(gateway.admin, "/-/reload", b"{}").await.code, 421, "another host");
    let host = gateway.admin.to_string();
    let request = request("POST", "/-/reload", &[("host", &host)], b"{}");
    assert_eq!(crate::support::sender::exchange(gateway.admin, &request).await.code, 401);
    assert_eq!(gateway.log().iter().filter(|line| line.contains("is in force")).count(), 0);
}

#[tokio::test]
async fn what_is_read_at_start_only_is_said_when_it_changes() {
    let sink = Sink::always(Reply::status(200));
    let good = rules(&[("orders", url(&sink))]);
    let gateway = Gateway::start(&good).await;
    let file = std::fs::read_to_string(gateway.home.rules_file()).expect("the file");
    let changed = file.replace("admin: '127.0.0.1:0'", "admin: '127.0.0.1:9'").replace("store: { path:", "store: { keep: 60d, path:");
    std::fs::write(gateway.home.rules_file(), changed).expect("it is written");
    reload(&gateway).await;
    let said = until("the log of it", || async { Some(gateway.log().join("\n")).filter(|said| said.contains("is in force")) }).await;
    for key in ["server.admin", "store.keep"] {
        assert!(said.contains(&format!("\"key\":\"{key}\"")), "{key} in {said}");
    }
    assert!(!said.contains("\"key\":\"server.listen\""), "{said}");
    pay(&gateway, "R1").await;
}

#[tokio::test]
async fn what_waits_for_a_removed_destination_is_parked_at_once_and_goes_on_when_it_is_back() {
    let (erp, mail) = (Sink::in_turn([Reply::status(503), Reply::Silence, Reply::status(200)]), Sink::always(Reply::status(200)));
    let slow = format!("{}, concurrency: 1, retry: {{ initial_interval: 1h, max_interval: 1h }}", url(&erp));
    let both = rules(&[("erp", slow), ("mail", url(&mail))]);
    let gateway = Gateway::start(&both).await;
    let failed = pay(&gateway, "failed").await;
    let is_retrying = || async { (gateway.event(&failed).await["deliveries"][0]["status"] == "retrying").then_some(()) };
    until("the first attempt to fail", is_retrying).await;
    let in_flight = pay(&gateway, "in flight").await;
    erp.wait_in_hand(1).await;
    let leased = pay(&gateway, "in the lane").await;

    gateway.home.write(&rules(&[("mail", url(&mail))]));
    reload(&gateway).await;
    for id in [&failed, &in_flight, &leased] {
        until_eq("its state", json!("parked"), || async { gateway.event(id).await["deliveries"][0]["status"].clone() }).await;
    }
    let parked = "hookgate_queue_deliveries{destination=\"erp\",state=\"parked\"}";
    assert_eq!(gateway.metric(parked).await, 3.0);
    assert_eq!(gateway.metric("hookgate_queue_deliveries{destination=\"erp\",state=\"ready\"}").await, 0.0);
    let destinations = gateway.get("/api/v1/destinations").await.json();
    assert_eq!(
        (&destinations["destinations"][1]["destination"], &destinations["destinations"][1]["removed"]),
        (&json!("erp"), &json!(true))
    );
    pay(&gateway, "meanwhile").await;

    let back = rules(&[("erp", url(&erp)), ("mail", url(&mail))]);
    gateway.home.write(&back);
    reload(&gateway).await;
    for id in [&failed, &leased] {
        gateway.until_status(id, "delivered").await;
    }
    assert_eq!(erp.requests().len(), 4, "the one in flight is not attempted twice at the same time");
    assert_eq!(gateway.metric(parked).await, 0.0);
    assert_eq!(mail.requests().len(), 4);
}

#[tokio::test]
async fn what_waits_is_sent_as_the_destination_is_now() {
    let (wrong, right) = (Sink::always(Reply::status(404)), Sink::always(Reply::status(200)));
    let soon = "retry: { initial_interval: 50ms, multiplier: 1, max_interval: 50ms, jitter: none }";
    let gateway = Gateway::start(&rules(&[("orders", format!("{}, {soon}", url(&wrong)))])).await;
    let id = pay(&gateway, "R1").await;
    wrong.wait_for("two attempts in vain", |requests| requests.len() >= 2).await;
    gateway.home.write(&rules(&[("orders", format!("{}, {soon}", url(&right)))]));
    reload(&gateway).await;
    gateway.until_status(&id, "delivered").await;
    let requests = right.requests();
    assert_eq!((requests.len(), requests[0].header("webhook-id")), (1, Some(&*id)));
    assert!(requests[0].header("hookgate-attempt").is_some_and(|number| number != "1"), "attempts count on");
}

#[tokio::test]
async fn a_destination_is_paused_and_resumed_and_an_attempt_in_flight_ends_by_itself() {
    let (gate, _) = tokio::sync::watch::channel(false);
    let sink = Sink::always(Reply::status(200).when(&gate));
    let running = rules(&[("orders", format!("{}, concurrency: 1", url(&sink)))]);
    let gateway = Gateway::start(&running).await;
    let in_flight = pay(&gateway, "in flight").await;
    sink.wait_in_hand(1).await;
    let waiting = pay(&gateway, "waiting").await;
    gateway.home.write(&running.replace("concurrency: 1", "concurrency: 1, paused: true"));
    reload(&gateway).await;
    assert_eq!(gateway.metric("hookgate_destination_paused{destination=\"orders\"}").await, 1.0);
    gate.send_replace(true);
    gateway.until_status(&in_flight, "delivered").await;
    assert_eq!(gateway.event(&waiting).await["status"], "waiting");
    assert_eq!(sink.requests().len(), 1);
    gateway.home.write(&running);
    reload(&gateway).await;
    gateway.until_status(&waiting, "delivered").await;
    assert_eq!(sink.connections(), 1, "the connection was kept: nothing about the destination itself has changed");
}

/// What was read lately, the newest first.
async fn readings(gateway: &Gateway) -> Vec<serde_json::Value> {
    gateway.get("/api/v1/config").await.json()["reloads"].as_array().expect("a list").clone()
}

/// The number of the newest reading.
async fn newest(gateway: &Gateway) -> u64 {
    readings(gateway).await[0]["number"].as_u64().expect("a number")
}

/// Waits for a reading after that one, made by one of these and taken or not. The gateway may follow the file by itself too.
async fn reading_after(gateway: &Gateway, before: u64, by: &[&str], is_taken: bool) {
    let is_meant = |reading: &serde_json::Value| {
        let is_new = reading["number"].as_u64() > Some(before);
        is_new && reading["taken"] == is_taken && by.iter().any(|by| reading["by"] == *by)
    };
    until("the reading", || async { readings(gateway).await.iter().any(is_meant).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_half_of_them_broken_lose_nothing_and_refuse_nobody() {
    let (orders, mail) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let one = rules(&[("orders", url(&orders))]);
    let two = rules(&[("mail", url(&mail)), ("orders", format!("{}, concurrency: 3", url(&orders)))]);
    let gateway = Arc::new(Gateway::start(&one).await);
    let done = Arc::new(AtomicBool::new(false));
    let sender = |name: usize| {
        let (gateway, done) = (Arc::clone(&gateway), Arc::clone(&done));
        hookgate::tasks::spawn(async move {
            let mut ids = Vec::new();
            while !done.load(Ordering::Relaxed) {
                ids.push(pay(&gateway, &format!("{name}-{}", ids.len())).await);
            }
            ids
        })
    };
    let senders: Vec<_> = (0..3).map(sender).collect();
    for round in 0..100 {
        let text = match round % 4 {
            0 => two.clone(),
            2 => one.clone(),
            1 => "sources: {".to_owned(),
            _ if round % 8 == 3 => two.replace("to: [", "to: [order, "),
            _ => format!("{two}tests: [ {{ name: wrong, event: {{ state: paid, result: success }}, expect: {{ unmatched: true }} }} ]\n"),
        };
        let before = newest(&gateway).await;
        gateway.home.write(&text);
        let by = match round {
            50 | 51 => "files",
            _ if round % 10 < 2 => "signal",
            _ => "api",
        };
        match by {
            "api" => {
                let answer = gateway.call("POST", "/-/reload", b"").await;
                assert_eq!(answer.code, if round % 2 == 0 { 200 } else { 422 }, "{}", answer.text());
            }
            "signal" => gateway.hang_up(),
            _ => {}
        }
        reading_after(&gateway, before, &[by], round % 2 == 0).await;
    }
    // With both destinations there, everything gets where its rules said.
    gateway.home.write(&two);
    reload(&gateway).await;
    done.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for sender in senders {
        for id in sender.await.expect("every answer is 200") {
            gateway.until_status(&id, "delivered").await;
            sent += 1;
        }
    }
    let got = orders.wait_for("every event", |requests| requests.len() >= sent).await;
    let mut ids: Vec<_> = got.iter().filter_map(|request| request.header("webhook-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), got.len()), (sent, sent), "each event once");
}

#[tokio::test]
async fn a_changed_destination_drops_neither_a_senders_connection_nor_the_attempt_in_flight() {
    let (gate, _) = tokio::sync::watch::channel(false);
    let (old, new) = (Sink::always(Reply::status(200).when(&gate)), Sink::always(Reply::status(200)));
    let gateway = Gateway::start(&rules(&[("orders", url(&old))])).await;
    let mut connection = Connection::open(gateway.public).await;
    let webhook = |reference: &str| {
        let headers = [("content-type", "application/json")];
        request("POST", "/webhooks/ottu", &headers, &signed(&payment("paid", reference)))
    };
    connection.send(&webhook("in flight")).await;
    let in_flight = connection.answer().await.expect("an answer").event();
    old.wait_in_hand(1).await;
    gateway.home.write(&rules(&[("orders", format!("{}, timeout: 20s", url(&new)))]));
    reload(&gateway).await;
    connection.send(&webhook("after")).await;
    let after = connection.answer().await.expect("an answer, on the same connection").event();
    gateway.until_status(&after, "delivered").await;
    assert_eq!(gateway.event(&in_flight).await["status"], "waiting");
    gate.send_replace(true);
    gateway.until_status(&in_flight, "delivered").await;
    assert_eq!((old.requests().len(), new.requests().len()), (1, 1), "each was sent once, as the destination was then");
}

#[tokio::test]
async fn a_reload_whose_caller_goes_away_is_taken_whole_all_the_same() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&[("d0", url(&sink))])).await;
    let (host, token) = (gateway.admin.to_string(), format!("Bearer {}", gateway.home.token()));
    let headers = [("host", host.as_str()), ("authorization", token.as_str()), ("content-type", "application/json")];
    let ask = request("POST", "/-/reload", &headers, b"{}");
    let sent = AtomicUsize::new(0);
    for round in 1..=20 {
        let before = newest(&gateway).await;
        gateway.home.write(&rules(&[(&format!("d{round}"), url(&sink))]));
        let mut connection = Connection::open(gateway.admin).await;
        connection.send(&ask).await;
        drop(connection);
        reading_after(&gateway, before, &["api", "files"], true).await;
        until("lanes and rules to say the same", || async {
            let id = pay(&gateway, &format!("{round}-{}", sent.fetch_add(1, Ordering::Relaxed))).await;
            let event = gateway.event(&id).await;
            let lanes = gateway.get("/api/v1/destinations").await.json();
            let delivery = &event["deliveries"][0];
            assert_eq!(lanes["destinations"][0]["destination"], format!("d{round}"), "it is in force");
            (delivery["destination"] == lanes["destinations"][0]["destination"] && delivery["status"] != "parked").then_some(())
        })
        .await;
    }
    assert!(readings(&gateway).await.iter().any(|reading| reading["by"] == "api"), "some were begun by who went away");
}

#[tokio::test]
async fn an_attempt_that_fails_while_its_destination_is_gone_and_back_is_tried_again() {
    let (gate, _) = tokio::sync::watch::channel(false);
    let erp = Sink::in_turn([Reply::status(500).when(&gate), Reply::status(200)]);
    let mail = Sink::always(Reply::status(200));
    let soon = format!("{}, retry: {{ initial_interval: 20ms, max_interval: 20ms, multiplier: 1 }}", url(&erp));
    let both = rules(&[("erp", soon), ("mail", url(&mail))]);
    let gateway = Gateway::start(&both).await;
    let id = pay(&gateway, "R1").await;
    erp.wait_in_hand(1).await;
    gateway.home.write(&rules(&[("mail", url(&mail))]));
    reload(&gateway).await;
    gateway.home.write(&both);
    reload(&gateway).await;
    gate.send_replace(true);
    gateway.until_status(&id, "delivered").await;
    assert_eq!(erp.requests().len(), 2);
}
