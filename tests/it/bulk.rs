//! Stories of an operator who has many events sent again. This file has what they build on, and those of interruptions.

use crate::support::{
    gateway::Gateway,
    sender::{Connection, payment, request, signed},
    sink::{Reply, Request, Sink},
    until::until,
};
use hookgate::tasks;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

mod choosing;
mod command;
mod crowded;

/// Of payments the paid ones go to `orders`; `ledger` is there and gets nothing.
pub fn rules(orders: &Sink, ledger: &Sink, more: &str) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }}, other: {{ secret: test-hmac-key }} }}\n\
         destinations:\n  orders: {{ url: '{}'{more} }}\n  ledger: {{ url: '{}' }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        orders.url("/"),
        ledger.url("/")
    )
}

pub fn good() -> Sink {
    Sink::always(Reply::status(200))
}

/// Posts so many paid events, a few at a time, and waits until they are delivered.
pub async fn paid(gateway: &Gateway, orders: &Sink, count: usize) {
    const SENDERS: usize = 20;
    let before = orders.requests().len();
    let senders: Vec<_> =
        (0..SENDERS.min(count)).map(|sender| tasks::spawn(send(gateway.public, sender, (sender..count).step_by(SENDERS)))).collect();
    for sender in senders {
        sender.await.expect("every event is taken");
    }
    orders.wait_for("all of them", |requests| requests.len() >= before + count).await;
    let series = "hookgate_queue_deliveries{destination=\"orders\",state=";
    until("they are settled", || async {
        let (ready, in_flight) =
            (gateway.metric(&format!("{series}\"ready\"}}")).await, gateway.metric(&format!("{series}\"in_flight\"}}")).await);
        (ready + in_flight == 0.0).then_some(())
    })
    .await;
}

async fn send(to: SocketAddr, sender: usize, numbers: std::iter::StepBy<std::ops::Range<usize>>) {
    let mut connection = Connection::open(to).await;
    for number in numbers {
        let body = signed(&payment("paid", &format!("{sender}-{number}")));
        connection.send(&request("POST", "/webhooks/ottu", &[], &body)).await;
        assert_eq!(connection.answer().await.expect("an answer").code, 200);
    }
}

/// One event to a source, settled as that status.
pub async fn event(gateway: &Gateway, source: &str, payload: &Value, status: &str) -> String {
    let answer = crate::support::sender::post(gateway.public, &format!("/webhooks/{source}"), &signed(payload)).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    gateway.until_status(&answer.event(), status).await;
    answer.event()
}

pub async fn order(gateway: &Gateway, body: &Value) -> (u16, Value) {
    let answer = gateway.call("POST", "/api/v1/replays", body.to_string().as_bytes()).await;
    (answer.code, answer.json())
}

/// Orders one, and gives its number.
pub async fn begun(gateway: &Gateway, body: &Value) -> String {
    let (code, bulk) = order(gateway, body).await;
    assert_eq!((code, &bulk["state"]), (202, &json!("running")), "{bulk}");
    bulk["id"].as_str().expect("a number").to_owned()
}

pub async fn look(gateway: &Gateway, id: &str) -> Value {
    let answer = gateway.get(&format!("/api/v1/replays/{id}")).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.json()
}

pub async fn until_bulk(gateway: &Gateway, id: &str, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    until(what, || async { Some(look(gateway, id).await).filter(&is_it) }).await
}

pub async fn until_done(gateway: &Gateway, id: &str) -> Value {
    until_bulk(gateway, id, "the replay to be done", |bulk| bulk["state"] == "done").await
}

/// The events of those that were sent again, in their order, each as often as it came.
pub fn replayed(requests: &[Request]) -> Vec<String> {
    let again = requests.iter().filter(|request| request.header("hookgate-flags") == Some("replayed"));
    again.map(|request| request.header("webhook-id").expect("an id").to_owned()).collect()
}

async fn until_logged(gateway: &Gateway, said: &str) -> String {
    until(said, || async { gateway.log().into_iter().find(|line| line.contains(said)) }).await
}

/// How many attempts the store has of each event's first delivery.
async fn attempts(gateway: &Gateway) -> HashMap<String, u64> {
    let (mut found, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = gateway.get(&format!("/api/v1/events?limit=500{cursor}")).await.json();
        for event in page["events"].as_array().expect("a list") {
            let count = event["deliveries"][0]["attempts"].as_u64().expect("a number");
            found.insert(event["id"].as_str().expect("an id").to_owned(), count);
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_events_are_replayed_once_each_over_a_stop_and_a_kill_9_in_the_middle() {
    const EVENTS: usize = 3_000;
    let (orders, ledger) = (good(), good());
    let mut gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, EVENTS).await;
    let id = begun(&gateway, &json!({ "filter": { "since": "1h" }, "rate": "600/s" })).await;
    for (enough, orderly) in [(500, true), (1_500, false)] {
        let before = until_bulk(&gateway, &id, "a part of it", |bulk| bulk["done"].as_u64() >= Some(enough)).await;
        assert_eq!((&before["state"], &before["total"]), (&json!("running"), &json!(EVENTS)));
        let home = if orderly {
            gateway.terminate();
            gateway.ended_in().await.2
        } else {
            gateway.kill()
        };
        gateway = Gateway::start_in(home).await;
        let after = look(&gateway, &id).await;
        assert!(after["done"].as_u64() >= before["done"].as_u64(), "{after}");
        until_logged(&gateway, "a bulk replay goes on after a restart").await;
    }
    let done = until_done(&gateway, &id).await;
    assert_eq!((&done["total"], &done["done"]), (&json!(EVENTS), &json!(EVENTS)));
    assert_eq!(done["deliveries"], json!({ "due": EVENTS, "in_flight": 0, "removed": 0 }));
    let got =
        orders.wait_for("each of them again", |requests| replayed(requests).into_iter().collect::<HashSet<_>>().len() == EVENTS).await;
    assert!(replayed(&got).len() < EVENTS + 300, "only what the kill cut off came a third time");
    let runs = until("each run to be settled", || async {
        let runs = attempts(&gateway).await;
        (runs.values().sum::<u64>() >= 2 * EVENTS as u64).then_some(runs)
    })
    .await;
    assert!(runs.len() == EVENTS && runs.values().all(|count| *count == 2), "each event has two runs of one attempt");
    let line = until_logged(&gateway, "a bulk replay is done").await;
    assert!(line.contains("\"events\":3000"), "{line}");
    assert_eq!(ledger.connections(), 0);
}

#[tokio::test]
async fn a_cancelled_replay_ends_for_good_and_what_it_began_goes_on() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 40).await;
    let id = begun(&gateway, &json!({ "filter": { "since": "1h" }, "rate": "10/s" })).await;
    until_bulk(&gateway, &id, "some of it", |bulk| bulk["done"].as_u64() >= Some(3)).await;
    let answer = gateway.call("DELETE", &format!("/api/v1/replays/{id}"), b"").await;
    let cancelled = answer.json();
    assert_eq!((answer.code, &cancelled["state"]), (200, &json!("cancelled")));
    let done = cancelled["done"].as_u64().expect("a number");
    assert!((3..40).contains(&done), "{cancelled}");
    let gateway = Gateway::start_in(gateway.kill()).await;
    assert_eq!(look(&gateway, &id).await, cancelled);
    assert_eq!(gateway.call("DELETE", &format!("/api/v1/replays/{id}"), b"").await.json(), cancelled, "a second time changes nothing");
    let got =
        orders.wait_for("what was begun", |requests| replayed(requests).into_iter().collect::<HashSet<_>>().len() as u64 >= done).await;
    assert_eq!(replayed(&got).into_iter().collect::<HashSet<_>>().len() as u64, done);
    let quick = begun(&gateway, &json!({ "filter": { "since": "1h" }, "rate": "1000/s" })).await;
    until_done(&gateway, &quick).await;
    let answer = gateway.call("DELETE", &format!("/api/v1/replays/{quick}"), b"").await;
    assert_eq!((answer.code, answer.json()["title"].as_str()), (409, Some("Nothing to cancel")));
    let list = gateway.get("/api/v1/replays").await.json();
    let states: Vec<_> =
        list["replays"].as_array().expect("a list").iter().map(|bulk| (bulk["id"].clone(), bulk["state"].clone())).collect();
    assert_eq!(states, [(json!(quick), json!("done")), (json!(id), json!("cancelled"))], "the newest first");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_counted_and_stops_nothing() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 5).await;
    let database = rusqlite::Connection::open(gateway.home.data().join("hookgate.db")).expect("it is there");
    database.busy_timeout(std::time::Duration::from_secs(10)).expect("it is set");
    database.execute_batch("UPDATE body SET body = x'0701' WHERE seq = (SELECT min(seq) FROM body)").expect("it is damaged");
    drop(database);
    let body = json!({ "filter": { "since": "1h" }, "reroute": true, "rate": "1000/s" });
    let done = until_done(&gateway, &begun(&gateway, &body).await).await;
    assert_eq!(
        (&done["done"], &done["total"], &done["deliveries"]["due"], &done["skipped"]["damaged"]),
        (&json!(5), &json!(5), &json!(4), &json!(1))
    );
    orders.wait_for("the others", |requests| replayed(requests).len() == 4).await;
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_is_waited_for() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 100).await;
    let id = begun(&gateway, &json!({ "filter": { "since": "1h" }, "rate": "50/s" })).await;
    until_bulk(&gateway, &id, "some of it", |bulk| bulk["done"].as_u64() >= Some(5)).await;
    let database = rusqlite::Connection::open(gateway.home.data().join("hookgate.db")).expect("it is there");
    database.busy_timeout(std::time::Duration::from_secs(10)).expect("it is set");
    database.execute_batch("CREATE TRIGGER fails BEFORE UPDATE ON replay BEGIN SELECT RAISE(FAIL, 'no'); END").expect("it is made");
    until("the store to fail", || async { (gateway.get("/readyz").await.code == 503).then_some(()) }).await;
    database.execute_batch("DROP TRIGGER fails").expect("it is dropped");
    drop(database);
    let done = until_done(&gateway, &id).await;
    assert_eq!(done["deliveries"]["due"], 100);
    let got = orders.wait_for("each once", |requests| requests.len() >= 200).await;
    assert_eq!(replayed(&got).into_iter().collect::<HashSet<_>>().len(), 100);
    assert_eq!(attempts(&gateway).await.values().max(), Some(&2));
}
