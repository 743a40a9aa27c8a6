//! Stories of an operator who pauses destinations while the gateway runs.

use crate::support::{
    gateway::{Gateway, hookgate},
    sender::{payment, signed},
    sink::{Reply, Sink},
    until::until,
};
use serde_json::{Value, json};

fn rules(name: &str, sink: &Sink, more: &str) -> String {
    let url = sink.url("/hooks");
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ {name}: {{ url: '{url}'{more} }} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: {name} }} ]\n"
    )
}

async fn pay(gateway: &Gateway, reference: &str) -> String {
    let answer = gateway.send(&signed(&payment("paid", reference))).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.event()
}

async fn act(gateway: &Gateway, name: &str, what: &str) -> (u16, Value) {
    let answer = gateway.call("POST", &format!("/api/v1/destinations/{name}/{what}"), b"").await;
    (answer.code, answer.json())
}

async fn paused_by(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/destinations").await.json()["destinations"][0]["paused_by"].clone()
}

async fn reload(gateway: &Gateway, rules: &str) {
    gateway.home.write(rules);
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
}

#[tokio::test]
async fn an_operators_pause_outlasts_restarts_reloads_and_a_while_out_of_the_file() {
    let (sink, other) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let usual = rules("orders", &sink, "");
    let mut gateway = Gateway::start(&usual).await;
    let answer = json!({ "destination": "orders", "paused": true, "paused_by": ["operator"] });
    assert_eq!(act(&gateway, "orders", "pause").await, (200, answer.clone()));
    assert_eq!(act(&gateway, "orders", "pause").await, (200, answer), "a second time changes nothing");
    let id = pay(&gateway, "R1").await;
    reload(&gateway, &rules("orders", &sink, ", concurrency: 2")).await;
    assert_eq!(gateway.metric("hookgate_destination_paused{destination=\"orders\"}").await, 1.0);
    reload(&gateway, &rules("others", &other, "")).await;
    let other_id = pay(&gateway, "R2").await;
    gateway.until_status(&other_id, "delivered").await;
    reload(&gateway, &usual).await;
    for orderly in [true, false] {
        assert_eq!(paused_by(&gateway).await, json!(["operator"]));
        assert_eq!(gateway.event(&id).await["status"], "waiting");
        let home = if orderly {
            gateway.terminate();
            gateway.ended_in().await.2
        } else {
            gateway.kill()
        };
        gateway = Gateway::start_in(home).await;
    }
    assert_eq!(paused_by(&gateway).await, json!(["operator"]));
    assert_eq!(gateway.metric("hookgate_destination_paused{destination=\"orders\"}").await, 1.0);
    assert_eq!(sink.connections(), 0, "nothing was sent in all that time");
    let (code, answer) = act(&gateway, "orders", "resume").await;
    assert_eq!((code, answer), (200, json!({ "destination": "orders", "paused": false, "paused_by": [] })));
    gateway.until_status(&id, "delivered").await;
    assert_eq!(gateway.metric("hookgate_destination_paused{destination=\"orders\"}").await, 0.0);
    let home = gateway.kill();
    let gateway = Gateway::start_in(home).await;
    assert_eq!(paused_by(&gateway).await, json!([]), "the end of a pause outlasts a crash too");
    let id = pay(&gateway, "R3").await;
    gateway.until_status(&id, "delivered").await;
}

#[tokio::test]
async fn a_resume_does_not_end_the_pause_of_the_file_and_says_so() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules("orders", &sink, ", paused: true")).await;
    assert_eq!(act(&gateway, "orders", "pause").await.1["paused_by"], json!(["file", "operator"]));
    let (code, problem) = act(&gateway, "orders", "resume").await;
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(code == 409 && detail.contains("`paused: true`") && detail.contains("\"orders\""), "{code} {problem}");
    assert_eq!(paused_by(&gateway).await, json!(["file"]));
    let id = pay(&gateway, "R1").await;
    assert_eq!(gateway.event(&id).await["status"], "waiting");
    reload(&gateway, &rules("orders", &sink, "")).await;
    gateway.until_status(&id, "delivered").await;
}

#[tokio::test]
async fn only_destinations_of_the_file_can_be_paused_and_only_by_post_without_arguments() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules("orders", &sink, "")).await;
    for (name, what) in [("ordres", "pause"), ("ordres", "resume"), ("No%20Name", "pause")] {
        let (code, problem) = act(&gateway, name, what).await;
        assert_eq!((code, &problem["title"]), (404, &json!("Destination not found")), "{name} {what}");
    }
    assert_eq!(gateway.get("/api/v1/destinations/orders/pause").await.code, 405);
    assert_eq!(gateway.call("POST", "/api/v1/destinations/orders/pause", b"{\"for\":\"1h\"}").await.code, 400);
    assert_eq!(paused_by(&gateway).await, json!([]));
}

#[tokio::test]
async fn the_command_line_pauses_and_resumes_and_shows_it() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules("orders", &sink, "")).await;
    let run = |arguments: &[&str]| {
        let mut command = hookgate();
        command
            .args(arguments)
            .env("HOOKGATE_ADMIN", format!("http://{}", gateway.admin))
            .env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
        let output = command.output().expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["pause", "orders"]), (Some(0), "orders is paused\n".to_owned(), String::new()));
    let id = pay(&gateway, "R1").await;
    let (_, table, _) = run(&["destinations"]);
    assert!(table.contains("by operator"), "{table}");
    assert_eq!(run(&["resume", "orders"]), (Some(0), "orders goes on\n".to_owned(), String::new()));
    gateway.until_status(&id, "delivered").await;
    let (code, _, said) = run(&["pause", "ordres"]);
    assert!(code == Some(1) && said.contains("no destination \"ordres\""), "{code:?} {said}");
    reload(&gateway, &rules("orders", &sink, ", paused: true")).await;
    let (code, _, said) = run(&["resume", "orders"]);
    assert!(code == Some(1) && said.contains("The rules file pauses it"), "{code:?} {said}");
    for what in ["paused by an operator", "resumed by an operator"] {
        until(what, || async { gateway.log().iter().any(|line| line.contains(what) && line.contains("orders")).then_some(()) }).await;
    }
}

#[tokio::test]
async fn to_resume_ends_the_wait_that_a_destination_asked_for() {
    let sink = Sink::in_turn([Reply::with_header(503, "retry-after", "3600"), Reply::status(200)]);
    let gateway = Gateway::start(&rules("orders", &sink, ", retry: { initial_interval: 1ms, max_interval: 1ms }")).await;
    pay(&gateway, "R1").await;
    until("the lane to be held", || async {
        let state = gateway.get("/api/v1/destinations").await.json()["destinations"][0].clone();
        (!state["held_until"].is_null()).then_some(())
    })
    .await;
    let second = pay(&gateway, "R2").await;
    assert_eq!(act(&gateway, "orders", "resume").await.0, 200);
    gateway.until_status(&second, "delivered").await;
}
