//! kill -9 under load: what was answered is delivered.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{Connection, payment, request, signed},
    sink::{Reply, Sink},
    until::until,
};
use hookgate::{domain::clock::Clock, tasks};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const CYCLES: usize = 20;
const SENDERS: usize = 8;
const CONCURRENCY: usize = 8;

/// What the senders know: the body of every event that was answered 200 or 201.
type Ledger = Arc<Mutex<HashMap<String, Vec<u8>>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_at_random_under_load_every_answered_event_is_delivered_to_each_destination() {
    let seed = std::env::var("HOOKGATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("HOOKGATE_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let sinks = [Sink::always(Reply::status(200)), Sink::always(Reply::status(200))];
    let rules = format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n  a: {{ url: '{}', concurrency: {CONCURRENCY} }}\n  b: {{ url: '{}', concurrency: {CONCURRENCY} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: [a, b], respond: 201 }} ]\n",
        sinks[0].url("/"),
        sinks[1].url("/")
    );
    let ledger = Ledger::default();
    let clock = Clock::system();
    let mut home = Home::new(&rules);
    let mut slowest_start = Duration::ZERO;
    for cycle in 0..CYCLES {
        let start = clock.instant();
        let gateway = Gateway::start_in(home).await;
        let first = signed(&payment("paid", &format!("first-{cycle}")));
        let answer = gateway.send(&first).await;
        slowest_start = slowest_start.max(clock.instant().duration_since(start));
        ledger.lock().unwrap().insert(answer.event(), first);

        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| tasks::spawn(send(gateway.public, format!("{cycle}-{sender}"), Arc::clone(&stop), Arc::clone(&ledger))))
            .collect();
        let enough = ledger.lock().unwrap().len() + random.usize(1..400);
        until("enough answers", || async { (ledger.lock().unwrap().len() >= enough).then_some(()) }).await;
        home = gateway.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.expect("a sender does not panic");
        }
    }
    let gateway = Gateway::start_in(home).await;
    let expected = ledger.lock().unwrap().clone();
    println!("{} events answered in {CYCLES} cycles; slowest start to first answer {slowest_start:?}", expected.len());
    for sink in &sinks {
        let arrived = sink.wait_for("every answered event", |requests| {
            let ids: std::collections::HashSet<_> = requests.iter().filter_map(|request| request.header("webhook-id")).collect();
            expected.keys().all(|id| ids.contains(id.as_str()))
        });
        let mut count: HashMap<String, usize> = HashMap::new();
        for request in arrived.await {
            let id = request.header("webhook-id").expect("an id").to_owned();
            if let Some(body) = expected.get(&id) {
                assert_eq!(&request.body, body, "{id} arrives byte for byte");
            }
            *count.entry(id).or_default() += 1;
        }
        let duplicates: usize = count.values().map(|times| times - 1).sum();
        // Settled outcomes are made durable some milliseconds later; what was not durable is sent again.
        println!("{duplicates} duplicates in {} deliveries", count.len() + duplicates);
        assert!(duplicates <= CYCLES * CONCURRENCY * 5, "{duplicates} duplicates");
    }
    for id in expected.keys() {
        assert_eq!(gateway.get(&format!("/api/v1/events/{id}")).await.code, 200, "{id} is stored");
    }
    assert!(slowest_start < Duration::from_secs(2), "start to first answer took {slowest_start:?}");
}

async fn send(to: std::net::SocketAddr, name: String, stop: Arc<AtomicBool>, ledger: Ledger) {
    let mut connection = Connection::open(to).await;
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let body = signed(&payment("paid", &format!("{name}-{number}")));
        connection.send(&request("POST", "/webhooks/ottu", &[], &body)).await;
        let Some(answer) = connection.answer().await else { return };
        assert_eq!(answer.code, 201, "{}", answer.text());
        ledger.lock().unwrap().insert(answer.event(), body);
    }
}
