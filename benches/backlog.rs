//! A million waiting deliveries: what they take of the memory, how long a start takes, what an answer and a scrape cost beside
//! them, and how fast and in which order they go out once the destination is back.
//! `cargo bench --bench backlog [-- EVENTS]`; it takes some minutes and, with a million, 4 GB of the temporary folder.

use hookgate::domain::clock::{Clock, Instant};
use rig::{
    filling::fill,
    median,
    sender::{Pace, event, percentile, post},
    service::Service,
    support::{
        gateway::{Gateway, Home},
        sender,
    },
};
use std::time::Duration;

#[allow(dead_code, reason = "each measurement uses a part")]
mod rig;

/// Of what is counted once in a run, three are taken.
const TIMES: usize = 3;
/// Events a second beside the backlog.
const RATE: u32 = 500;
/// Seconds of it.
const WHILE: usize = 10;
const CONNECTIONS: usize = 64;

#[tokio::main]
async fn main() {
    let waiting = rig::count(1_000_000);
    let (backlog, other) = (Service::after(Duration::ZERO), Service::after(Duration::ZERO));
    let rules = format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}
destinations:
  backlog: {{ url: 'http://{}/', breaker: {{ open_after: 10, probe_every: 1s }} }}
  other: {{ url: 'http://{}/' }}
rules:
  - {{ name: paid, when: {{ state: paid }}, to: backlog }}
  - {{ name: failed, when: {{ state: failed }}, to: other }}
",
        backlog.address, other.address
    );
    let mut fresh = Numbers(waiting);

    println!("without a backlog");
    let alone = Gateway::start(&rules).await;
    beside(&alone, &other, &mut fresh).await;
    throughput(&alone, &other, &mut fresh).await;
    scrapes(&alone).await;
    drop(alone);

    let clock = Clock::system();
    let mut home = Home::new(&rules);
    let began = clock.instant();
    let places = fill(&home.data(), "backlog", waiting).await;
    let bytes: u64 =
        std::fs::read_dir(home.data()).expect("it is there").flatten().map(|file| file.metadata().map_or(0, |file| file.len())).sum();
    println!(
        "\n{waiting} deliveries wait: stored in {:.0} s, {:.2} KB of disk each",
        since(&clock, began),
        bytes as f64 / waiting as f64 / 1e3
    );

    for _ in 0..TIMES {
        let before = backlog.taken().len();
        let began = clock.instant();
        let gateway = Gateway::start_in(home).await;
        let first = fresh.take(1, "failed").pop().expect("one");
        assert_eq!(sender::post(gateway.public, "/webhooks/ottu", &first).await.code, 200);
        let answered = since(&clock, began);
        let delivered = backlog.wait_for(before + 1).await.duration_since(began).as_secs_f64();
        println!("start: first answer after {answered:.2} s, first delivery after {delivered:.2} s");
        home = gateway.kill();
    }

    backlog.turns(true);
    let gateway = Gateway::start_in(home).await;
    println!("\nwhile they wait and the destination is down");
    beside(&gateway, &other, &mut fresh).await;
    throughput(&gateway, &other, &mut fresh).await;
    scrapes(&gateway).await;
    memory(&gateway);

    backlog.turns(false);
    let before = backlog.taken().len();
    let (gone, busy) = (before, rig::busy(gateway.process()));
    let began = backlog.wait_for(before + 1).await;
    println!("\nwhile they go out");
    beside(&gateway, &other, &mut fresh).await;
    let half = backlog.taken().len();
    let new = fresh.take(RATE as usize * WHILE, "paid");
    let (_, times) = post(gateway.public, new, CONNECTIONS, Pace::PerSecond(RATE)).await;
    answers("answers to events for the same destination", &times);
    println!("{half} had gone by the middle of it");
    scrapes(&gateway).await;
    while seen(&backlog, waiting) < waiting {
        let before = backlog.taken().len();
        backlog.wait_for(before + 1).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let took = since(&clock, began);
    let went = backlog.taken().len() - gone;
    let busy = (rig::busy(gateway.process()) - busy).as_secs_f64() * 1e6 / went as f64;
    println!(
        "{went} deliveries in {took:.0} s: {:.0} a second, {busy:.0} µs of CPU each, all that came in meanwhile included",
        went as f64 / took
    );
    order(&backlog, &places, before);
    memory(&gateway);
}

/// Numbers for new events.
struct Numbers(usize);

impl Numbers {
    fn take(&mut self, count: usize, state: &str) -> Vec<Vec<u8>> {
        let first = self.0;
        self.0 += count;
        (first..self.0).map(|number| event(state, number)).collect()
    }
}

fn since(clock: &Clock, began: Instant) -> f64 {
    clock.instant().duration_since(began).as_secs_f64()
}

/// New events for a destination that is well, at a moderate rate.
async fn beside(gateway: &Gateway, other: &Service, fresh: &mut Numbers) {
    let before = other.taken().len();
    let count = RATE as usize * WHILE;
    let (began, times) = post(gateway.public, fresh.take(count, "failed"), CONNECTIONS, Pace::PerSecond(RATE)).await;
    let last = other.wait_for(before + count).await;
    answers("answers to events for another destination", &times);
    println!("{count} of them, posted within {WHILE} s, had all arrived after {:.2} s", last.duration_since(began).as_secs_f64());
}

/// New events for a destination that is well, as many as can be.
async fn throughput(gateway: &Gateway, other: &Service, fresh: &mut Numbers) {
    let count = 10_000;
    let mut rates = Vec::new();
    for _ in 0..TIMES {
        let before = other.taken().len();
        let (began, _) = post(gateway.public, fresh.take(count, "failed"), CONNECTIONS, Pace::Free).await;
        let ended = other.wait_for(before + count).await;
        rates.push(count as f64 / ended.duration_since(began).as_secs_f64());
    }
    println!("end to end to another destination: {:.0} events a second", median(rates));
}

fn answers(what: &str, times: &[Duration]) {
    println!("{what}: median {:.1} ms, p99 {:.1} ms", percentile(times, 50), percentile(times, 99));
}

async fn scrapes(gateway: &Gateway) {
    let clock = Clock::system();
    let mut times = Vec::new();
    for path in ["/metrics", "/metrics", "/metrics", "/api/v1/destinations"] {
        let began = clock.instant();
        assert_eq!(gateway.get(path).await.code, 200);
        times.push(format!("{path} {:.0} ms", since(&clock, began) * 1000.0));
    }
    println!("{}", times.join(", "));
}

fn memory(gateway: &Gateway) {
    let (now, peak) = gateway.memory();
    println!("memory of the gateway: {now:.0} MiB, at most {peak:.0} MiB");
}

/// How many of the first numbers have come.
fn seen(service: &Service, waiting: usize) -> usize {
    let mut seen = vec![false; waiting];
    for (number, _) in service.taken().iter() {
        if let Some(seen) = seen.get_mut(*number as usize) {
            *seen = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count()
}

/// How far from the order of acceptance they came; those apart that the destination had refused before.
fn order(service: &Service, places: &[u32], from: usize) {
    let refused = service.refused();
    let (mut furthest, mut worst) = (0, 0);
    for (number, _) in &service.taken()[from..] {
        if let Some(place) = places.get(*number as usize).filter(|_| !refused.contains(number)) {
            worst = worst.max(furthest - (*place).min(furthest));
            furthest = furthest.max(*place);
        }
    }
    println!("none came more than {worst} places late, but the {} that had been refused", refused.len());
}
