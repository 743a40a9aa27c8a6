//! What an event costs before the rules see it: verify, read and judge, beside the bare minimum in the same run, which is
//! serde_json and one HMAC. `cargo bench --bench open`; what counts is the ratio.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hookgate::{
    domain::{
        clock::{Clock, Timestamp},
        event::Verdict,
        name::Name,
        received::Received,
        secret::Secret,
    },
    provider::{self, Scheme, Settings, Unsigned},
};
use http::HeaderMap;
use serde_json::Value;
use sha2::Sha256;
use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

const KEY: &str = "test-hmac-key";

/// A signed payment of 1.1 KB, as the provider sends it.
const EVENT: &[u8] = include_bytes!("../tests/data/ottu/payment.paid.json");

/// In turn, so that what else the machine does falls on both.
const ROUNDS: usize = 201;
const EVENTS_A_ROUND: u32 = 1_000;

/// The signed fields that the event has.
const SIGNED: [&str; 12] = [
    "amount",
    "currency_code",
    "customer_email",
    "customer_first_name",
    "customer_last_name",
    "customer_phone",
    "gateway_account",
    "gateway_name",
    "order_no",
    "reference_number",
    "result",
    "state",
];

fn main() {
    let settings = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new(KEY)], unsigned: Unsigned::Reject };
    let source = Name::unchecked("ottu");
    let provider = provider::build(&source, &settings);
    let received = Received {
        source,
        headers: HeaderMap::new(),
        body: Bytes::from_static(EVENT),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        at: Timestamp::default(),
    };
    let ours = || {
        let event = provider.open(black_box(&received)).expect("it is signed");
        assert!(event.verified && event.verdict == Verdict::Accepted);
        event
    };

    let key = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("keys of any length");
    let bare = || {
        let payload: Value = serde_json::from_slice(black_box(EVENT)).expect("it is JSON");
        let text = |name: &str| payload[name].as_str().filter(|text| !text.is_empty());
        let mut message = String::with_capacity(512);
        for (name, text) in SIGNED.iter().filter_map(|name| Some((name, text(name)?))) {
            message.push_str(name);
            message.push_str(text);
        }
        let signature = hex::decode(text("signature").expect("it is there")).expect("it is hexadecimal");
        key.clone().chain_update(message).verify_slice(&signature).expect("it holds");
        payload
    };

    let clock = Clock::system();
    let (mut ours_took, mut bare_took) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours_took.push(micros(&clock, ours));
        bare_took.push(micros(&clock, bare));
    }
    let (ours, bare) = (median(ours_took), median(bare_took));
    println!("{} bytes, median of {ROUNDS} rounds of {EVENTS_A_ROUND} events", EVENT.len());
    println!("verify, read and judge   {ours:.2} µs");
    println!("serde_json and an HMAC   {bare:.2} µs");
    println!("ratio                    {:.2}", ours / bare);
}

/// What one event takes, in µs.
fn micros<T>(clock: &Clock, mut open: impl FnMut() -> T) -> f64 {
    let start = clock.instant();
    for _ in 0..EVENTS_A_ROUND {
        black_box(open());
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(EVENTS_A_ROUND)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
