//! What is refused for its signature is kept in memory, listed, and verified again when the keys change.

use crate::support::{
    gateway::{Gateway, hookgate},
    sender::{Connection, payment, request, signed_with},
    sink::{Reply, Sink},
    until::until,
};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The rules with the key in a file, so that its content can change beside them.
fn rules(sink: &Sink) -> String {
    format!(
        "sources: {{ ottu: {{ secret: '${{file:key}}' }} }}\ndestinations: {{ orders: {{ url: '{}' }} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/")
    )
}

async fn start(sink: &Sink, key: &str) -> Gateway {
    let home = crate::support::gateway::Home::new(&rules(sink));
    set(&home, key);
    Gateway::start_in(home).await
}

fn set(home: &crate::support::gateway::Home, key: &str) {
    fs::write(home.rules_file().with_file_name("key"), key).expect("the key is written");
}

async fn rejected(gateway: &Gateway) -> Value {
    let answer = gateway.get("/api/v1/rejected").await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_key_rotated_in_the_wrong_order_costs_nothing() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "old-key-4711").await;
    for number in 0..20 {
        let answer = gateway.send(&signed_with(&payment("paid", &format!("R{number}")), "new-key-0815")).await;
        assert_eq!(answer.code, 401, "the provider signs with a key that the gateway does not have yet");
    }
    let listed = rejected(&gateway).await;
    assert_eq!(listed["kept"], 20);
    let newest = &listed["rejected"][0];
    assert_eq!(newest["source"], "ottu");
    assert_eq!(newest["peer"], "127.0.0.1");
    assert_eq!(newest["keys"], json!(["${file:key}"]), "which key was tried, and never the key");
    assert!(newest["reason"].as_str().is_some_and(|reason| reason.contains("signature")), "{newest}");
    assert_eq!((&newest["claims"]["state"], &newest["claims"]["reference_number"]), (&json!("paid"), &json!("R19")));
    let text = listed.to_string();
    assert!(!text.contains("4711") && !text.contains("payer@example.com"), "{text}");
    assert!(sink.requests().is_empty());

    set(&gateway.home, "new-key-0815");
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let requests = sink.wait_for("every event", |requests| requests.len() == 20).await;
    for request in &requests {
        assert_eq!((request.header("hookgate-flags"), request.header("hookgate-verified")), (Some("late"), Some("true")));
    }
    until("the list to be empty", || async { (rejected(&gateway).await["kept"] == 0).then_some(()) }).await;
    let events = gateway.get("/api/v1/events").await.json();
    let events = events["events"].as_array().expect("a list");
    assert!(events.len() == 20 && events.iter().all(|event| event["flags"] == json!(["late"])), "{events:?}");
    assert_eq!(gateway.metric("hookgate_rule_matches_total{rule=\"paid\"}").await, 20.0);
    let again = gateway.send(&signed_with(&payment("paid", "R7"), "new-key-0815")).await;
    assert_eq!(again.code, 200, "the same event again is a duplicate");
    assert_eq!(gateway.get("/api/v1/events").await.json()["events"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn what_still_does_not_verify_stays_and_a_file_with_a_mistake_changes_nothing() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "first").await;
    for (reference, key) in [("A", "second"), ("B", "third"), ("C", "second")] {
        assert_eq!(gateway.send(&signed_with(&payment("paid", reference), key)).await.code, 401);
    }
    assert_eq!(gateway.send(br#"{"state":"paid","signature":"short"}"#).await.code, 401);
    set(&gateway.home, "  ");
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 422);
    assert_eq!(rejected(&gateway).await["kept"], 4);
    set(&gateway.home, "second");
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    until("two to be accepted", || async { (rejected(&gateway).await["kept"] == 2).then_some(()) }).await;
    let left = rejected(&gateway).await;
    let references: Vec<_> = left["rejected"].as_array().expect("a list").iter().map(|one| &one["claims"]["reference_number"]).collect();
    assert_eq!(references, [&json!(null), &json!("B")], "in their order, newest first");
    set(&gateway.home, "third");
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    sink.wait_for("the third", |requests| requests.len() == 3).await;
}

#[tokio::test]
async fn what_is_refused_and_verifies_later_is_judged_as_any_other() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "old").await;
    let payload = r#"{"state":"paid","amount":"1.000","reference_number":"Q1","state":"paid"}"#;
    let twice = hookgate::provider::ottu::sign(payload.as_bytes(), &hookgate::domain::secret::Secret::new("new")).expect("an object");
    assert_eq!(gateway.send(&twice).await.code, 401);
    set(&gateway.home, "new");
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let event = until("the event", || async {
        let events = gateway.get("/api/v1/events").await.json();
        events["events"].get(0).cloned()
    })
    .await;
    assert_eq!((&event["status"], &event["flags"]), (&json!("quarantined"), &json!(["late"])));
    assert!(sink.requests().is_empty(), "a right signature is not enough");
}

#[tokio::test]
async fn the_command_line_lists_what_was_refused() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "old-key-4711").await;
    let list = |limit: &'static str| {
        let mut command = hookgate();
        command.args(["rejected", "--limit", limit, "--admin", &format!("http://{}", gateway.admin)]);
        command.env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
        hookgate::tasks::blocking(move || command.output().expect("the binary runs"))
    };
    let nothing = list("5").await.expect("it does not panic");
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(1), 0));
    for number in 0..3 {
        gateway.send(&signed_with(&payment("paid", &format!("R{number}")), "new")).await;
    }
    let found = list("2").await.expect("it does not panic");
    let (table, note) = (String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr));
    assert_eq!(found.status.code(), Some(0), "{note}");
    assert!(table.contains("${file:key}") && table.contains("order-R2") && !table.contains("order-R0"), "{table}");
    assert!(note.contains("2 of 3"), "{note}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_while_the_key_changes_is_never_lost() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Arc::new(start(&sink, "old").await);
    let done = Arc::new(AtomicBool::new(false));
    let sender = |name: usize| {
        let (gateway, done) = (Arc::clone(&gateway), Arc::clone(&done));
        hookgate::tasks::spawn(async move {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = gateway.send(&signed_with(&payment("paid", &format!("{name}-{sent}")), "new")).await;
                assert!([200, 401].contains(&answer.code), "{}", answer.text());
                sent += 1;
            }
            sent
        })
    };
    let senders: Vec<_> = (0..4).map(sender).collect();
    for round in 1..=10 {
        set(&gateway.home, if round % 2 == 0 { "new" } else { "old" });
        assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    }
    done.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.expect("a sender");
    }
    let requests = sink.wait_for("every event, whatever it was answered", |requests| requests.len() >= sent).await;
    assert_eq!(requests.len(), sent, "and each once");
    until("the list to be empty", || async { (rejected(&gateway).await["kept"] == 0).then_some(()) }).await;
}

#[tokio::test]
async fn what_has_no_signature_or_comes_from_an_address_that_may_not_call_is_not_accepted_late() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "old").await;
    let forged = br#"{"operation":"refund","amount":"999.000","success":true,"order_no":"evil"}"#;
    assert_eq!(gateway.send(forged).await.code, 401);
    assert_eq!(gateway.send(&signed_with(&payment("paid", "R1"), "new")).await.code, 401);
    set(&gateway.home, "new");
    let with = |settings: &str| rules(&sink).replace("secret: '${file:key}'", &format!("secret: '${{file:key}}', {settings}"));
    gateway.home.write(&with("unsigned: accept, allow_ips: [10.1.2.3]"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    gateway.home.write(&with("unsigned: quarantine"));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let requests = sink.wait_for("the signed one, once its address may call", |requests| !requests.is_empty()).await;
    assert_eq!((requests.len(), requests[0].header("hookgate-verified")), (1, Some("true")));
    until("the forged one to be left", || async { (rejected(&gateway).await["kept"] == 1).then_some(()) }).await;
    assert_eq!(gateway.get("/api/v1/events").await.json()["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn of_two_changes_of_a_key_in_a_row_the_second_one_finds_everything() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "old").await;
    for number in 0..300 {
        let key = if number % 10 == 0 { "second" } else { "first" };
        assert_eq!(gateway.send(&signed_with(&payment("paid", &format!("R{number}")), key)).await.code, 401);
    }
    for key in ["first", "second"] {
        set(&gateway.home, key);
        assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    }
    sink.wait_for("what the second key signed", |requests| {
        requests.iter().filter(|request| String::from_utf8_lossy(&request.body).contains("0\",\"result\"")).count() >= 30
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_on_its_way_while_its_key_is_set_is_answered_by_the_new_one() {
    let sink = Sink::always(Reply::status(200));
    let gateway = start(&sink, "old").await;
    let body = signed_with(&payment("paid", "R1"), "new");
    let whole = request("POST", "/webhooks/ottu", &[], &body);
    let mut connection = Connection::open(gateway.public).await;
    connection.send(&whole[..whole.len() - 10]).await;
    let begun = || async { (gateway.metric("process_open_fds").await > 0.0).then_some(()) };
    until("the gateway to be asked something else meanwhile", begun).await;
    set(&gateway.home, "new");
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    connection.send(&whole[whole.len() - 10..]).await;
    assert_eq!(connection.answer().await.expect("an answer").code, 200, "the provider is told what is so");
    sink.wait_for("the event", |requests| requests.len() == 1).await;
    assert_eq!(rejected(&gateway).await["kept"], 0);
}
