//! What a dead and a slow destination cost a healthy one: its throughput beside them ÷ its throughput alone, in turns, each
//! with a gateway and a data folder of its own. `cargo bench --bench isolation [-- EVENTS]`.

use rig::{
    median,
    sender::{Pace, event, post},
    service::Service,
    support::gateway::Gateway,
};
use std::time::Duration;

#[allow(dead_code, reason = "each measurement uses a part")]
mod rig;

const ROUNDS: usize = 15;
const CONNECTIONS: usize = 64;

/// What stands beside the healthy destination.
const COMPANY: [(&str, &[&str]); 3] =
    [("alone", &[]), ("beside two healthy ones", &["well", "well"]), ("beside a dead and a slow one", &["dead", "slow"])];

#[tokio::main]
async fn main() {
    let events = rig::count(10_000);
    let mut rates = [(); COMPANY.len()].map(|()| Vec::new());
    let mut memory: f64 = 0.0;
    for round in 0..ROUNDS {
        for ((_, company), rates) in COMPANY.iter().zip(&mut rates) {
            let (rate, peak) = throughput(company, round * events, events).await;
            rates.push(rate);
            memory = memory.max(peak);
        }
    }
    println!("{events} events over {CONNECTIONS} connections; medians of {ROUNDS} rounds, ratios within a round");
    for ((what, _), rates_beside) in COMPANY.iter().zip(&rates) {
        // What else the machine does falls on a round more than on an arm of it.
        let ratios = rates_beside.iter().zip(&rates[0]).map(|(beside, alone)| beside / alone).collect();
        println!("{what:30} {:7.0} events/s   {:.2} of alone", median(rates_beside.clone()), median(ratios));
    }
    println!("memory of the gateway, at most {memory:.0} MiB");
}

/// Events per second that reach the healthy destination, from the first post to the last arrival, and the gateway's peak of memory.
async fn throughput(company: &[&str], first: usize, events: usize) -> (f64, f64) {
    let (healthy, well) = (Service::after(Duration::ZERO), Service::after(Duration::ZERO));
    let slow = Service::after(Duration::from_secs(30));
    let mut names = vec!["healthy".to_owned()];
    let mut lines = format!("  healthy: {{ url: 'http://{}/' }}\n", healthy.address);
    for (place, kind) in company.iter().enumerate() {
        let url = match *kind {
            "dead" => "127.0.0.1:1".to_owned(),
            "slow" => slow.address.to_string(),
            _ => well.address.to_string(),
        };
        names.push(format!("{kind}-{place}"));
        lines.push_str(&format!("  {kind}-{place}: {{ url: 'http://{url}/', timeout: 60s }}\n"));
    }
    let rules = format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n{lines}rules: [ {{ name: all, to: [{}] }} ]\n",
        names.join(", ")
    );
    let gateway = Gateway::start(&rules).await;
    let bodies = (first..first + events).map(|number| event("paid", number)).collect();
    let (began, _) = post(gateway.public, bodies, CONNECTIONS, Pace::Free).await;
    let ended = healthy.wait_for(events).await;
    assert_eq!(healthy.taken().len(), events, "each event arrives once");
    (events as f64 / ended.duration_since(began).as_secs_f64(), gateway.memory().1)
}
