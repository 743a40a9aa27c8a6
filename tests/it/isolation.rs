//! One destination's troubles are its own: events for a dead, a slow and a healthy one. How fast the healthy one is beside the
//! others is measured by `benches/isolation.rs`.

use crate::support::{
    gateway::Gateway,
    sender::{Connection, payment, request, signed},
    sink::{Reply, Sink},
    until::until_eq,
};
use hookgate::{domain::clock::Clock, tasks};
use std::{collections::HashSet, time::Duration};

const EVENTS: usize = 10_000;
const CONNECTIONS: usize = 16;
/// Attempts at the same time at each destination.
const CONCURRENCY: usize = 32;
const SLOW: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_reach_a_healthy_destination_while_a_dead_and_a_slow_one_hardly_move_and_memory_stays_small() {
    let (healthy, slow) = (Sink::always(Reply::status(200)), Sink::always(Reply::status(200).after(SLOW)));
    let gateway = Gateway::start(&format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  dead: {{ url: 'http://127.0.0.1:1/', concurrency: {CONCURRENCY} }}
  slow: {{ url: '{}', timeout: 60s, concurrency: {CONCURRENCY} }}
  healthy: {{ url: '{}' }}
rules: [ {{ name: all, to: [dead, slow, healthy] }} ]
",
        slow.url("/"),
        healthy.url("/")
    ))
    .await;
    let clock = Clock::system();
    let began = clock.instant();
    let send = |sender| {
        let public = gateway.public;
        tasks::spawn(async move {
            let mut connection = Connection::open(public).await;
            for number in (sender..EVENTS).step_by(CONNECTIONS) {
                let body = signed(&payment("paid", &number.to_string()));
                connection.send(&request("POST", "/webhooks/ottu", &[("content-type", "application/json")], &body)).await;
                assert_eq!(connection.answer().await.map(|answer| answer.code), Some(200));
            }
        })
    };
    let senders: Vec<_> = (0..CONNECTIONS).map(send).collect();
    for sender in senders {
        sender.await.expect("each event is accepted");
    }
    let arrived = healthy.wait_for("all at the healthy one", |requests| requests.len() >= EVENTS).await;
    let begun = slow.requests().len();
    let rounds = 1 + clock.instant().duration_since(began).as_secs() as usize / SLOW.as_secs() as usize;
    let bodies: HashSet<_> = arrived.iter().map(|request| &request.body).collect();
    assert_eq!((arrived.len(), bodies.len()), (EVENTS, EVENTS), "each of them once");
    assert!(begun <= rounds * CONCURRENCY, "{begun} requests in {rounds} times 30 s");

    let tried = gateway.metric("hookgate_delivery_attempts_total{destination=\"dead\",result=\"connect\"}").await;
    assert!((10.0..=(10 + CONCURRENCY) as f64 + 2.0).contains(&tried), "{tried} attempts at the dead one");
    until_eq("the outcomes", EVENTS as f64, || gateway.metric("hookgate_deliveries_total{destination=\"healthy\",outcome=\"delivered\"}"))
        .await;
    let metrics = gateway.get("/metrics").await.text();
    for (destination, gone) in [("dead", 0), ("slow", (rounds + 1) * CONCURRENCY)] {
        let depth = format!("hookgate_queue_deliveries{{destination=\"{destination}\",state=");
        let states =
            metrics.lines().filter(|line| line.starts_with(&depth)).filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        let waiting: usize = states.sum();
        assert!((EVENTS - gone..=EVENTS).contains(&waiting), "{waiting} wait for {destination}");
    }
    let (_, peak) = gateway.memory();
    assert!(peak <= 150.0, "{peak} MiB");
}
