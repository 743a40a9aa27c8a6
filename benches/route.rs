//! What the rules cost an event: 20 and 1,000 of them, of several shapes. `cargo bench --bench route`.

use bytes::Bytes;
use hookgate::{
    config::{self, Unset},
    domain::{
        clock::{Clock, Timestamp},
        event::Event,
        name::Name,
        received::Received,
        secret::Secret,
    },
    provider::{self, Scheme, Settings, Unsigned},
    route::Rules,
};
use http::HeaderMap;
use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

/// A signed payment of 1.1 KB, as the provider sends it.
const EVENT: &[u8] = include_bytes!("../tests/data/ottu/payment.paid.json");

const ROUNDS: usize = 101;
const EVENTS_A_ROUND: u32 = 1_000;

/// The condition of a rule that the event does not fulfil, by its number.
type Shape = fn(usize) -> String;

const SHAPES: [(&str, Shape); 4] = [
    ("another operation each", |number| format!("{{ kind: operation, operation: refund, amount: {{ gte: {number} }} }}")),
    ("another shop each", |number| format!("{{ kind: payment, state: paid, extra.shop: shop-{number} }}")),
    ("one of several each", |number| format!("{{ any: [ {{ order_no: o-{number} }}, {{ order_no: p-{number} }} ] }}")),
    ("a pattern each, which no index helps", |number| format!("{{ order_no: \"shop-{number}-*\" }}")),
];

fn main() {
    let event = event();
    println!("the last rule matches; median of {ROUNDS} rounds of {EVENTS_A_ROUND} events");
    println!("{:38} {:>9} {:>12}", "conditions of the others", "20 rules", "1,000 rules");
    for (shape, condition) in SHAPES {
        let [few, many] = [20, 1_000].map(|count| micros(&rules(count, condition), &event));
        println!("{shape:38} {few:>6.2} µs {many:>9.2} µs");
    }
}

fn event() -> Event {
    let settings = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new("test-hmac-key")], unsigned: Unsigned::Reject };
    let source = Name::unchecked("ottu");
    let provider = provider::build(&source, &settings);
    let body = Bytes::from_static(EVENT);
    let received = Received { source, headers: HeaderMap::new(), body, peer: IpAddr::V4(Ipv4Addr::LOCALHOST), at: Timestamp::default() };
    provider.open(&received).expect("it is signed")
}

fn rules(count: usize, condition: Shape) -> Rules {
    let others = (1..count).map(|number| format!("  - {{ name: rule {number}, when: {}, to: d }}\n", condition(number)));
    let text = format!(
        "version: 1\nsources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ d: http://localhost }}\nrules:\n{}{}",
        others.collect::<String>(),
        "  - { name: last, when: { kind: payment, state: [paid, authorized] }, to: d }\n",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, text).expect("the file is written");
    config::load(&path, &|_| None, Unset::Error).unwrap_or_else(|error| panic!("{error}")).config.rules
}

/// What one event takes, in µs.
fn micros(rules: &Rules, event: &Event) -> f64 {
    let clock = Clock::system();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = clock.instant();
            for _ in 0..EVENTS_A_ROUND {
                assert_eq!(black_box(rules.plan(black_box(event))).targets.len(), 1);
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(EVENTS_A_ROUND)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
