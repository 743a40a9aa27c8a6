//! Many waiting deliveries: found at the start, sent in the order of acceptance, and in nobody's way meanwhile. What a million
//! of them cost is measured by `benches/backlog.rs`.

use crate::{
    store_contract::{SQLITE, event, stored, to},
    support::{
        gateway::{Gateway, Home},
        sender::{payment, signed},
        sink::{Reply, Sink},
        until::until_eq,
    },
};
use hookgate::{
    domain::clock::Clock,
    store::{Settings, sqlite::Room},
    tasks,
};
use std::time::Duration;

const MONTH: Duration = Duration::from_secs(30 * 86_400);
const AT_ONCE: usize = 64;

const WAITING: usize = 10_000;
/// Accepted while they go out, for each of two destinations.
const NEW: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_goes_out_in_the_order_of_acceptance_and_new_events_get_through_meanwhile() {
    let (orders, other) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200)));
    let rules = |more: &str| {
        format!(
            "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  orders: {{ url: '{}', concurrency: 1{more} }}
  other: {{ url: '{}' }}
rules:
  - {{ name: paid, when: {{ state: paid }}, to: orders }}
  - {{ name: failed, when: {{ state: failed }}, to: other }}
",
            orders.url("/"),
            other.url("/")
        )
    };
    let home = Home::new(&rules(", paused: true"));
    let accepted = fill(&home).await;
    let gateway = Gateway::start_in(home).await;
    until_eq("the backlog to be seen", WAITING as f64, || {
        gateway.metric("hookgate_queue_deliveries{destination=\"orders\",state=\"ready\"}")
    })
    .await;
    gateway.home.write(&rules(""));
    assert_eq!(gateway.call("POST", "/-/reload", b"").await.code, 200);

    for number in 0..NEW {
        for state in ["paid", "failed"] {
            assert_eq!(gateway.send(&signed(&payment(state, &number.to_string()))).await.code, 200);
        }
    }
    other.wait_for("the new events for the other destination", |requests| requests.len() == NEW).await;
    let gone = orders.requests().len();
    assert!(gone < WAITING, "the backlog was gone before them, which shows nothing");

    let arrived = orders.wait_for("the backlog and what came after it", |requests| requests.len() >= WAITING + NEW).await;
    let old: Vec<_> = arrived[..WAITING].iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert!(old == accepted, "in the order of acceptance");
    let references = (0..NEW).map(|number| format!("\"reference_number\":\"{number}\""));
    let new = arrived[WAITING..].iter().map(|request| String::from_utf8_lossy(&request.body));
    assert!(new.zip(references).all(|(body, reference)| body.contains(&reference)), "and then what came later, in its order");
    assert_eq!(arrived.len(), WAITING + NEW, "each of them once");
}

/// Stores them through the store's own door; gives them in the order of acceptance.
async fn fill(home: &Home) -> Vec<String> {
    let settings = Settings { path: home.data(), keep: MONTH, keep_unresolved: MONTH };
    let store = (SQLITE.open)(&settings, Room { reserve: 1 << 20, ..Room::default() }, Clock::system()).expect("an empty folder");
    let work = |first| {
        let store = store.clone();
        tasks::spawn(async move {
            let mut accepted = Vec::new();
            for number in (first..WAITING).step_by(AT_ONCE) {
                let new = event(number);
                let body = String::from_utf8_lossy(new.payload.bytes()).into_owned();
                accepted.push((stored(&store, to(new, &["orders"])).await.0, body));
            }
            accepted
        })
    };
    let workers: Vec<_> = (0..AT_ONCE).map(work).collect();
    let mut accepted = Vec::new();
    for worker in workers {
        accepted.extend(worker.await.expect("each is stored"));
    }
    store.close().await.expect("it closes");
    accepted.sort_unstable();
    accepted.into_iter().map(|(_, body)| body).collect()
}
