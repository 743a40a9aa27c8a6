//! Stories of a destination that keeps an order: one event at a time per session, whatever becomes of it.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{payment, signed},
    sink::{Reply, Request, Sink},
    until::{until, until_eq},
};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Tried again at once, so that only the order decides who goes.
const AT_ONCE: &str = "retry: { initial_interval: 1ms, multiplier: 1, max_interval: 1ms, jitter: none, max_attempts: 5 }, breaker: off";
const IN_AN_HOUR: &str = "retry: { initial_interval: 1h, max_interval: 1h, jitter: none }, breaker: off";
const BY_SESSION: &str = "order_by: session_id";

fn rules(sink: &Sink, keys: &[&str]) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ orders: {{ url: '{}', {} }} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/"),
        keys.join(", ")
    )
}

/// The event of that name, whose first letter is its session.
fn event(name: &str) -> Vec<u8> {
    let mut event = payment("paid", name);
    event["session_id"] = json!(&name[..1]);
    signed(&event)
}

async fn send(gateway: &Gateway, name: &str) -> String {
    let answer = gateway.send(&event(name)).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.event()
}

async fn send_all(gateway: &Gateway, names: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(send(gateway, name).await);
    }
    ids
}

fn name(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    body["reference_number"].as_str().expect("a text").to_owned()
}

fn attempt(request: &Request) -> u32 {
    request.header("hookgate-attempt").expect("a number").parse().expect("a number")
}

/// Which attempts came, with a mark on those that are out of order: `a1`, `a1/2`, `a2 !`.
fn seen(requests: &[Request]) -> Vec<String> {
    let show = |request: &Request| {
        let number = attempt(request);
        let number = if number == 1 { String::new() } else { format!("/{number}") };
        let mark = if request.header("hookgate-flags").is_some_and(|flags| flags.contains("out-of-order")) { " !" } else { "" };
        format!("{}{number}{mark}", name(request))
    };
    requests.iter().map(show).collect()
}

async fn until_seen(sink: &Sink, wanted: &[&str]) {
    let requests = sink.wait_for(&format!("{wanted:?}"), |requests| requests.len() >= wanted.len()).await;
    assert_eq!(seen(&requests), wanted);
}

/// Answers these by the gate, and everything else with 200.
fn gated(names: &'static [&'static str], status: u16) -> (Sink, watch::Sender<bool>) {
    let (open, gate) = watch::channel(false);
    let script = move |_, request: &Request| match names.contains(&&*name(request)) && attempt(request) == 1 {
        true => Reply::When(gate.clone(), Reply::status(status).into()),
        false => Reply::status(200),
    };
    (Sink::scripted(script), open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_session_gets_its_events_in_the_order_of_acceptance_though_some_are_tried_again() {
    let stumbles = |request: &Request| name(request).ends_with(['0', '3']) && attempt(request) < 3;
    let sink = Sink::scripted(move |_, request| Reply::status(if stumbles(request) { 503 } else { 200 }));
    let gateway = Gateway::start(&rules(&sink, &[BY_SESSION, AT_ONCE])).await;
    let sessions = ["a", "b", "c", "d"];
    for number in 0..8 {
        for session in sessions {
            send(&gateway, &format!("{session}{number}")).await;
        }
    }
    let all = sink.wait_for("all of them", |requests| requests.len() >= 4 * 12).await;
    for session in sessions {
        let of_session: Vec<_> = seen(&all).into_iter().filter(|seen| seen.starts_with(session)).collect();
        let wanted = ["0", "0/2", "0/3", "1", "2", "3", "3/2", "3/3", "4", "5", "6", "7"].map(|rest| format!("{session}{rest}"));
        assert_eq!(of_session, wanted);
    }
}

#[tokio::test]
async fn behind_one_that_is_in_hand_its_session_waits_and_is_seen_to_wait_while_others_flow() {
    let (sink, open) = gated(&["a1"], 200);
    let gateway = Gateway::start(&rules(&sink, &[BY_SESSION, AT_ONCE])).await;
    let ids = send_all(&gateway, &["a1", "a2", "a3", "b1", "b2"]).await;
    for id in &ids[3..] {
        gateway.until_status(id, "delivered").await;
    }
    for id in &ids[1..3] {
        let delivery = gateway.event(id).await["deliveries"][0].clone();
        let wanted = json!({
            "destination": "orders", "status": "waiting", "attempts": 0, "next_attempt_at": null, "waits_for": ids[0], "last": null
        });
        assert_eq!(delivery, wanted);
        let retried = gateway.call("POST", &format!("/api/v1/events/{id}/retry"), b"").await;
        assert_eq!((retried.code, retried.json()), (202, json!({ "due": [], "held_back": ["orders"], "in_flight": [] })));
    }
    assert_eq!(gateway.event(&ids[0]).await["deliveries"][0]["waits_for"], Value::Null);
    let orders = gateway.get("/api/v1/destinations").await.json()["destinations"][0].clone();
    assert_eq!((&orders["held_back"], &orders["ready"], &orders["in_flight"]), (&json!(2), &json!(0), &json!(1)), "{orders}");
    assert_eq!(gateway.metric("hookgate_queue_deliveries{destination=\"orders\",state=\"held_back\"}").await, 2.0);
    open.send_replace(true);
    let all = sink.wait_for("the rest of the session", |requests| requests.len() >= 5).await;
    let of_a: Vec<_> = seen(&all).into_iter().filter(|seen| seen.starts_with('a')).collect();
    assert_eq!(of_a, ["a1", "a2", "a3"]);
    let last = gateway.until_status(&ids[2], "delivered").await;
    assert_eq!(last["deliveries"][0]["waits_for"], Value::Null);
}

#[tokio::test]
async fn after_kill_9_the_order_goes_on_where_it_was() {
    let sink = Sink::scripted(|number, request| match (number, &*name(request)) {
        (0 | 1, "a1") => Reply::Silence,
        (_, "b1") if attempt(request) == 1 => Reply::status(503),
        _ => Reply::status(200),
    });
    let gateway = Gateway::start(&rules(&sink, &[BY_SESSION, IN_AN_HOUR])).await;
    let ids = send_all(&gateway, &["b1", "a1", "b2", "a2", "b3", "a3"]).await;
    let b1 = || async { gateway.event(&ids[0]).await["deliveries"][0]["status"].clone() };
    until_eq("the first of b to fail", json!("retrying"), b1).await;
    sink.wait_in_hand(1).await;
    let home = gateway.kill();
    let gateway = Gateway::start_in(home).await;
    for id in [&ids[1], &ids[3], &ids[5]] {
        gateway.until_status(id, "delivered").await;
    }
    assert_eq!(gateway.event(&ids[2]).await["deliveries"][0]["waits_for"], json!(ids[0]));
    let retried = gateway.call("POST", &format!("/api/v1/events/{}/retry", ids[0]), b"").await;
    assert_eq!(retried.json()["due"], json!(["orders"]));
    let all = sink.wait_for("all of them", |requests| requests.len() >= 8).await;
    let of = |session: char| seen(&all).into_iter().filter(|seen| seen.starts_with(session)).collect::<Vec<_>>();
    assert_eq!(of('a'), ["a1", "a1", "a2", "a3"], "the one in flight comes again, with the same number");
    assert_eq!(of('b'), ["b1", "b1/2", "b2", "b3"]);
}

#[tokio::test]
async fn a_dead_letter_lets_the_next_one_pass_which_is_told_so_and_goes_to_the_end_when_it_is_retried() {
    let (sink, open) = gated(&["a1", "b1"], 410);
    let gateway = Gateway::start(&rules(&sink, &[BY_SESSION, AT_ONCE])).await;
    let ids = send_all(&gateway, &["a1", "a2", "a3"]).await;
    sink.wait_in_hand(1).await;
    open.send_replace(true);
    gateway.until_status(&ids[0], "dead").await;
    gateway.until_status(&ids[2], "delivered").await;
    until_seen(&sink, &["a1", "a2 !", "a3"]).await;
    let retried = gateway.call("POST", &format!("/api/v1/events/{}/retry", ids[0]), b"").await;
    assert_eq!((retried.code, retried.json()["due"].clone()), (200, json!(["orders"])));
    gateway.until_status(&ids[0], "delivered").await;
    let later = send(&gateway, "a4").await;
    gateway.until_status(&later, "delivered").await;
    until_seen(&sink, &["a1", "a2 !", "a3", "a1/2 !", "a4"]).await;
    let dead = send(&gateway, "b1").await;
    gateway.until_status(&dead, "dead").await;
    for name in ["b2", "b3"] {
        let id = send(&gateway, name).await;
        gateway.until_status(&id, "delivered").await;
    }
    until_seen(&sink, &["a1", "a2 !", "a3", "a1/2 !", "a4", "b1", "b2 !", "b3"]).await;
}

#[tokio::test]
async fn one_that_fails_is_passed_after_order_wait_and_all_are_told_so() {
    let sink = Sink::scripted(|_, request| Reply::status(if name(request) == "a1" && attempt(request) == 1 { 503 } else { 200 }));
    let soon = "order_wait: 200ms, retry: { initial_interval: 2s, max_interval: 2s, jitter: none }";
    let gateway = Gateway::start(&rules(&sink, &[BY_SESSION, soon])).await;
    let ids = send_all(&gateway, &["a1", "a2", "a3"]).await;
    gateway.until_status(&ids[0], "delivered").await;
    let later = send(&gateway, "a4").await;
    gateway.until_status(&later, "delivered").await;
    until_seen(&sink, &["a1", "a2 !", "a3 !", "a1/2 !", "a4"]).await;
    let at: Vec<_> = sink.requests().iter().map(|request| request.at).collect();
    assert!(at[1].duration_since(at[0]).as_millis() >= 190, "it was waited for");
}

#[tokio::test]
async fn an_answer_that_refuses_the_event_is_final_the_third_time_where_others_wait_behind_it() {
    let sink = Sink::scripted(|_, request| Reply::status(name(request)[1..].parse().expect("the code to answer")));
    let gateway = Gateway::start(&rules(&sink, &[BY_SESSION, AT_ONCE])).await;
    for (name, attempts) in [("a400", 3), ("b404", 3), ("c409", 3), ("d422", 3), ("e403", 5), ("f500", 5)] {
        let id = send(&gateway, name).await;
        let event = gateway.until_status(&id, "dead").await;
        assert_eq!(event["deliveries"][0]["attempts"], json!(attempts), "{name}");
    }
    for (name, session) in [("x422", json!(null)), ("y422", json!(""))] {
        let mut alone = payment("paid", name);
        alone["session_id"] = session;
        let id = gateway.send(&signed(&alone)).await.event();
        let event = gateway.until_status(&id, "dead").await;
        assert_eq!(event["deliveries"][0]["attempts"], json!(5), "without a session it is in no order: {name}");
    }
}

#[tokio::test]
async fn without_a_session_events_go_side_by_side() {
    let (open, gate) = watch::channel(false);
    let sink = Sink::scripted(move |_, _| Reply::When(gate.clone(), Reply::status(200).into()));
    let gateway = Gateway::start(&rules(&sink, &["order_by: extra.flight", AT_ONCE])).await;
    for (number, flight) in
        [json!(null), json!(""), json!({ "no": 1 }), json!([1]), json!("KU1"), json!("KU1"), json!(7)].into_iter().enumerate()
    {
        let mut event = payment("paid", &format!("R{number}"));
        event["extra"] = json!({ "flight": flight });
        gateway.send(&signed(&event)).await;
    }
    sink.wait_in_hand(6).await;
    let held_back = || gateway.metric("hookgate_queue_deliveries{destination=\"orders\",state=\"held_back\"}");
    assert_eq!(held_back().await, 1.0, "the second of KU1");
    open.send_replace(true);
    until_eq("the last one to go", 0.0, held_back).await;
}

#[tokio::test]
async fn a_destination_that_was_removed_and_is_back_goes_on_in_order() {
    let sink = Sink::scripted(|_, request| Reply::status(if name(request) == "a1" && attempt(request) == 1 { 503 } else { 200 }));
    let here = rules(&sink, &[BY_SESSION, IN_AN_HOUR]);
    let gateway = Gateway::start(&here).await;
    let ids = send_all(&gateway, &["a1", "a2", "a3"]).await;
    let status = |at: usize| {
        let (gateway, id) = (&gateway, &ids[at]);
        async move { gateway.event(id).await["deliveries"][0]["status"].clone() }
    };
    until_eq("the first attempt to fail", json!("retrying"), || status(0)).await;
    let reload = async |rules: &str| {
        gateway.home.write(rules);
        assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    };
    reload("sources: { ottu: { secret: test-hmac-key } }\nrules: []\n").await;
    for at in 0..3 {
        until_eq("it to be parked", json!("parked"), || status(at)).await;
    }
    assert_eq!(gateway.event(&ids[1]).await["deliveries"][0]["waits_for"], Value::Null);
    reload(&here).await;
    send(&gateway, "a4").await;
    until_seen(&sink, &["a1", "a1/2", "a2", "a3", "a4"]).await;
}

#[tokio::test]
async fn an_order_that_a_reload_brings_or_takes_away_counts_for_what_is_accepted_from_then_on() {
    let (sink, open) = gated(&["a1", "a2", "a4"], 200);
    let gateway = Gateway::start(&rules(&sink, &[AT_ONCE])).await;
    let reload = async |keys: &[&str]| {
        gateway.home.write(&rules(&sink, keys));
        assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    };
    send(&gateway, "a1").await;
    sink.wait_in_hand(1).await;
    reload(&[BY_SESSION, AT_ONCE]).await;
    let a2 = send(&gateway, "a2").await;
    sink.wait_in_hand(2).await;
    let a3 = send(&gateway, "a3").await;
    reload(&[AT_ONCE]).await;
    send(&gateway, "a4").await;
    sink.wait_in_hand(3).await;
    assert_eq!(gateway.event(&a3).await["deliveries"][0]["waits_for"], json!(a2));
    open.send_replace(true);
    until_seen(&sink, &["a1", "a2", "a4", "a3"]).await;
}

#[tokio::test]
async fn a_restart_in_an_orderly_way_sends_nothing_twice_and_keeps_the_order() {
    let sink = Sink::scripted(|_, request| Reply::status(if name(request) == "a1" && attempt(request) < 3 { 503 } else { 200 }));
    let mut home = Home::new(&rules(&sink, &[BY_SESSION, IN_AN_HOUR]));
    let mut first = String::new();
    for round in 1..=2 {
        let gateway = Gateway::start_in(home).await;
        if round == 1 {
            first = send_all(&gateway, &["a1", "a2"]).await.remove(0);
        } else {
            gateway.call("POST", &format!("/api/v1/events/{first}/retry"), b"").await;
        }
        let failed = || async { (gateway.event(&first).await["deliveries"][0]["attempts"] == json!(round)).then_some(()) };
        until("its attempt to fail", failed).await;
        gateway.terminate();
        home = gateway.ended_in().await.2;
    }
    let gateway = Gateway::start_in(home).await;
    gateway.call("POST", &format!("/api/v1/events/{first}/retry"), b"").await;
    until_seen(&sink, &["a1", "a1/2", "a1/3", "a2"]).await;
}

#[tokio::test]
async fn what_is_sent_again_stands_at_the_end_of_its_line_also_where_it_never_was() {
    let (sink, open) = gated(&["a2"], 200);
    let other = Sink::always(Reply::status(200));
    let both = rules(&sink, &[BY_SESSION, AT_ONCE])
        .replace(" }\nrules", &format!(", ledger: {{ url: '{}', {BY_SESSION} }} }}\nrules", other.url("/")));
    let gateway = Gateway::start(&both).await;
    let ids = send_all(&gateway, &["a1", "a2", "a3"]).await;
    gateway.until_status(&ids[0], "delivered").await;
    let path = format!("/api/v1/events/{}/replay", ids[0]);
    let replay = |body: &'static [u8]| gateway.call("POST", &path, body);
    assert_eq!(replay(b"{}").await.json()["held_back"], json!(["orders"]));
    send(&gateway, "a4").await;
    open.send_replace(true);
    until_seen(&sink, &["a1", "a2", "a3", "a1/2", "a4"]).await;
    assert_eq!(replay(br#"{"to": ["ledger"]}"#).await.json()["due"], json!(["ledger"]));
    assert_eq!(other.wait_for("the other destination", |requests| requests.len() == 1).await[0].header("hookgate-flags"), Some("replayed"));
}
