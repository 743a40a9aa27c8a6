//! Stories of an operator who sends events again.

use crate::support::{
    gateway::{Gateway, hookgate},
    sender::{payment, sample, signed},
    sink::{Reply, Request, Sink},
    until::{until, until_eq},
};
use serde_json::{Value, json};

/// A gateway with the destinations `orders`, `ledger` and so on, of which paid events go to the first.
fn rules(sinks: &[(&str, &Sink)], to: &str) -> String {
    let destinations: Vec<_> = sinks.iter().map(|(name, sink)| format!("{name}: {{ url: '{}' }}", sink.url("/"))).collect();
    format!("sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ {} }}\nrules: [ {to} ]\n", destinations.join(", "))
}

const PAID: &str = "{ name: paid, when: { state: paid }, to: orders }";

async fn pay(gateway: &Gateway, state: &str, reference: &str) -> String {
    let answer = gateway.send(&signed(&payment(state, reference))).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.event()
}

async fn replay(gateway: &Gateway, id: &str, body: &str) -> (u16, Value) {
    let answer = gateway.call("POST", &format!("/api/v1/events/{id}/replay"), body.as_bytes()).await;
    (answer.code, answer.json())
}

fn says<'a>(request: &'a Request, names: [&str; 4]) -> [Option<&'a str>; 4] {
    names.map(|name| request.header(name))
}

const TOLD: [&str; 4] = ["webhook-id", "hookgate-flags", "hookgate-attempt", "hookgate-rules"];

#[tokio::test]
async fn a_delivered_event_is_sent_again_with_the_same_id_and_a_flag_to_the_same_and_to_other_destinations() {
    let [orders, ledger] = [Sink::always(Reply::status(200)), Sink::always(Reply::status(200))];
    let gateway = Gateway::start(&rules(&[("orders", &orders), ("ledger", &ledger)], PAID)).await;
    let id = pay(&gateway, "paid", "R1").await;
    gateway.until_status(&id, "delivered").await;
    assert_eq!(replay(&gateway, &id, "").await, (202, json!({ "due": ["orders"], "held_back": [], "in_flight": [], "removed": [] })));
    let twice = orders.wait_for("the second time", |requests| requests.len() == 2).await;
    assert_eq!(says(&twice[0], TOLD), [Some(id.as_str()), None, Some("1"), Some("paid")]);
    assert_eq!(says(&twice[1], TOLD), [Some(id.as_str()), Some("replayed"), Some("2"), Some("paid")]);
    assert_eq!(twice[0].body, twice[1].body);
    gateway.until_status(&id, "delivered").await;
    let asked = r#"{"to":["ledger","orders","ledger"]}"#;
    assert_eq!(
        replay(&gateway, &id, asked).await,
        (202, json!({ "due": ["ledger", "orders"], "held_back": [], "in_flight": [], "removed": [] }))
    );
    let there = ledger.wait_for("it goes where it never went", |requests| requests.len() == 1).await;
    assert_eq!(says(&there[0], TOLD), [Some(id.as_str()), Some("replayed"), Some("1"), None]);
    assert_eq!(there[0].body, twice[0].body);
    let thrice = orders.wait_for("the third time", |requests| requests.len() == 3).await;
    assert_eq!(says(&thrice[2], TOLD), [Some(id.as_str()), Some("replayed"), Some("3"), Some("paid")]);
    let event = gateway.until_status(&id, "delivered").await;
    assert_eq!(event["attempts"].as_array().map(Vec::len), Some(4));
    let line = until("the log to tell", || async { gateway.log().into_iter().find(|line| line.contains("replayed by an operator")) }).await;
    assert!(line.contains(&id) && line.contains("\"orders\""), "{line}");
}

#[tokio::test]
async fn after_the_rules_changed_an_event_goes_where_they_say_now_by_their_names() {
    let [orders, ledger] = [Sink::always(Reply::status(200)), Sink::always(Reply::status(200))];
    let sinks = [("orders", &orders), ("ledger", &ledger)];
    let gateway = Gateway::start(&rules(&sinks, PAID)).await;
    let (paid, failed) = (pay(&gateway, "paid", "R1").await, pay(&gateway, "failed", "R2").await);
    gateway.until_status(&paid, "delivered").await;
    assert_eq!(gateway.event(&failed).await["status"], "unmatched");
    let (code, problem) = replay(&gateway, &failed, r#"{"reroute":true}"#).await;
    assert_eq!((code, &problem["detail"]), (409, &json!("The rules in force send the event to no destination.")));
    gateway.home.write(&rules(
        &sinks,
        "{ name: books, when: { kind: payment }, to: ledger }, { name: copy, when: { state: failed }, to: orders, tap: true }",
    ));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    let due = |names: &[&str]| (202, json!({ "due": names, "held_back": [], "in_flight": [], "removed": [] }));
    assert_eq!(replay(&gateway, &paid, r#"{"reroute":true}"#).await, due(&["ledger"]));
    assert_eq!(replay(&gateway, &failed, r#"{"reroute":true}"#).await, due(&["ledger", "orders"]));
    let mut got = ledger.wait_for("both", |requests| requests.len() == 2).await;
    got.sort_by_key(|request| request.header("webhook-id") != Some(&paid));
    for (request, id) in got.iter().zip([&paid, &failed]) {
        assert_eq!(says(request, TOLD), [Some(id.as_str()), Some("replayed"), Some("1"), Some("books")]);
    }
    let copies = orders.wait_for("the copy", |requests| requests.len() == 2).await;
    assert_eq!(says(&copies[1], TOLD), [Some(failed.as_str()), Some("replayed"), Some("1"), Some("copy")]);
    for id in [&paid, &failed] {
        let event = gateway.until_status(id, "delivered").await;
        assert!(event["rules"].as_array().is_some_and(|rules| rules.contains(&json!("books"))), "{event}");
    }
}

#[tokio::test]
async fn what_is_on_its_way_is_told_and_not_doubled() {
    let sink = Sink::in_turn([Reply::Silence, Reply::status(200)]);
    let gateway = Gateway::start(&rules(&[("orders", &sink)], PAID)).await;
    let id = pay(&gateway, "paid", "R1").await;
    sink.wait_in_hand(1).await;
    for _ in 0..3 {
        assert_eq!(replay(&gateway, &id, "{}").await, (202, json!({ "due": [], "held_back": [], "in_flight": ["orders"], "removed": [] })));
    }
    let gateway = Gateway::start_in(gateway.kill()).await;
    gateway.until_status(&id, "delivered").await;
    assert_eq!(sink.requests().len(), 2, "the attempt that the crash cut off, and its repetition");
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_with_what_to_do() {
    let sink = Sink::always(Reply::status(200));
    let all = rules(&[("orders", &sink), ("gone", &sink)], "{ name: paid, when: { state: paid }, to: gone }");
    let gateway = Gateway::start(&all).await;
    let refused = async |id: &str, body: &str, code: u16, said: &str| {
        let (found, problem) = replay(&gateway, id, body).await;
        assert_eq!(found, code, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{said}: {problem}");
    };
    let id = pay(&gateway, "paid", "R1").await;
    let unmatched = pay(&gateway, "failed", "R2").await;
    gateway.until_status(&id, "delivered").await;
    refused(&id, r#"{"to":["ordres"]}"#, 400, "\"ordres\" is no destination of the rules file in force, which has orders, gone").await;
    refused(&id, r#"{"to":[]}"#, 400, "name at least one").await;
    refused(&id, r#"{"to":["orders"],"reroute":true}"#, 400, "exclude each other").await;
    refused(&id, r#"{"destination":"orders"}"#, 400, "The body is not").await;
    refused("evt_00000000000000000000000000", "{}", 404, "no event").await;
    refused("nonsense", "{}", 404, "no event").await;
    refused(&unmatched, "{}", 409, "say where with `to`").await;
    assert_eq!(gateway.get(&format!("/api/v1/events/{id}/replay")).await.code, 405);
    let mut doubtful = payment("paid", "R3");
    doubtful["amount"] = json!("ten");
    let doubtful = gateway.send(&signed(&doubtful)).await.event();
    assert_eq!(gateway.event(&doubtful).await["status"], "quarantined");
    for body in ["{}", r#"{"to":["orders"]}"#, r#"{"reroute":true}"#] {
        refused(&doubtful, body, 409, "release it").await;
    }
    assert_eq!(gateway.call("POST", &format!("/api/v1/events/{doubtful}/discard"), b"").await.code, 200);
    refused(&doubtful, r#"{"to":["orders"]}"#, 409, "is discarded").await;
    gateway.home.write(&rules(&[("orders", &sink)], PAID));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);
    refused(&id, "{}", 409, "It would go to gone, which the rules file no longer has").await;
    assert_eq!(sink.requests().len(), 1, "nothing of all that was sent");
}

#[tokio::test]
async fn replays_are_counted_per_destination_from_the_start_and_leave_the_lag_as_it_is() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&[("orders", &sink), ("ledger", &sink)], PAID)).await;
    let replayed = async |name: &str| gateway.metric(&format!("hookgate_replayed_total{{destination=\"{name}\"}}")).await;
    assert_eq!((replayed("orders").await, replayed("ledger").await), (0.0, 0.0));
    let id = gateway.send(&sample("payment.paid")).await.event();
    gateway.until_status(&id, "delivered").await;
    assert_eq!(replay(&gateway, &id, r#"{"to":["orders","ledger"]}"#).await.0, 202);
    gateway.until_status(&id, "delivered").await;
    assert_eq!((replayed("orders").await, replayed("ledger").await), (1.0, 1.0));
    let delivered = async || gateway.metric("hookgate_deliveries_total{destination=\"orders\",outcome=\"delivered\"}").await;
    until_eq("both deliveries to be counted", 2.0, delivered).await;
    assert_eq!(gateway.metric("hookgate_delivery_lag_seconds_count{destination=\"orders\"}").await, 1.0);
}

#[tokio::test]
async fn the_command_line_replays_an_event() {
    let sink = Sink::always(Reply::status(200));
    let gateway = Gateway::start(&rules(&[("orders", &sink), ("ledger", &sink)], PAID)).await;
    let run = |arguments: &[&str]| {
        let mut command = hookgate();
        command.arg("replay").args(arguments).env("HOOKGATE_ADMIN", format!("http://{}", gateway.admin));
        let output = command.env("HOOKGATE_ADMIN_TOKEN", gateway.home.token()).output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let id = pay(&gateway, "paid", "R1").await;
    gateway.until_status(&id, "delivered").await;
    assert_eq!(
        run(&[&id, "--to", "ledger", "--to", "orders"]),
        (Some(0), "ledger is due now\norders is due now\n".to_owned(), String::new())
    );
    gateway.until_status(&id, "delivered").await;
    assert_eq!(run(&[&id, "--reroute"]), (Some(0), "orders is due now\n".to_owned(), String::new()));
    sink.wait_for("all of them", |requests| requests.len() == 4).await;
    let (code, _, said) = run(&[&id, "--to", "nobody"]);
    assert!(code == Some(2) && said.contains("\"nobody\" is no destination"), "{code:?} {said}");
    assert_eq!(run(&["evt_00000000000000000000000000"]).0, Some(1));
    assert_eq!(run(&[&id, "--to", "ledger", "--reroute"]).0, Some(2));
}
