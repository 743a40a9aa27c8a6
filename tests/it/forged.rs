//! Payloads that nobody signed, under a signature that holds: through the real provider, rules and store, none is forwarded.

use crate::{
    provider::data,
    store_contract::{House, SQLITE},
};
use bytes::Bytes;
use hookgate::{
    config::{self, Unset},
    domain::{
        clock::Clock,
        event::{Event, Verdict},
        json::Document,
        name::Name,
        received::Received,
        secret::Secret,
    },
    provider::{self, Provider},
    route::Rules,
    store::{Appended, BODIES_PER_SIGNATURE, Judge, NewEvent, Store},
    tasks,
};
use http::HeaderMap;
use proptest::{
    prelude::*,
    strategy::{BoxedStrategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

const KEY: &str = "test-hmac-key";

/// Everything that is accepted goes somewhere.
const RULES: &str = "
version: 1
sources: { ottu: { secret: test-hmac-key } }
destinations: { orders: 'http://127.0.0.1:1', audit: 'http://127.0.0.1:1' }
rules: [ { name: paid, when: { state: paid }, to: orders }, { name: all, to: audit } ]
";

/// In the order of signing.
const NAMES: [&str; 18] = [
    "amount",
    "currency_code",
    "customer_address_city",
    "customer_address_country",
    "customer_address_line1",
    "customer_address_line2",
    "customer_address_postal_code",
    "customer_address_state",
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

/// What became of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Forwarded,
    Stored,
    Refused,
}

/// What stands behind the front door.
struct Walk {
    provider: Arc<dyn Provider>,
    rules: Rules,
    store: Arc<dyn Store>,
    clock: Clock,
    _house: House,
}

#[derive(Debug)]
struct OfProvider(Arc<dyn Provider>);

impl Judge for OfProvider {
    fn is_harmless(&self, first: Bytes, again: &Event) -> bool {
        self.0.is_harmless(&Document::read(first), &again.payload)
    }
}

impl Walk {
    fn new() -> Arc<Self> {
        let house = House::new(SQLITE);
        let file = house.folder.path().join("rules.yaml");
        std::fs::write(&file, RULES).unwrap();
        let config = config::load(&file, &|_| None, Unset::Error).unwrap().config;
        let provider = provider::build(&Name::unchecked("ottu"), &config.sources[0].provider).into();
        Arc::new(Self { provider, rules: config.rules, store: house.open(), clock: house.clock.clone(), _house: house })
    }

    async fn take(&self, body: Vec<u8>) -> Fate {
        let received = Received {
            source: Name::unchecked("ottu"),
            headers: HeaderMap::new(),
            body: body.into(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            at: self.clock.now(),
        };
        let event = Arc::new(self.provider.open(&received).expect("the signature holds"));
        let plan = self.rules.plan(&event);
        let plan = if event.verdict == Verdict::Accepted { plan } else { plan.answer_only() };
        let judge = Arc::new(OfProvider(Arc::clone(&self.provider)));
        let appended = self.store.append(NewEvent { event, plan, dedupe: Duration::from_secs(3_600), judge }).await.unwrap();
        match appended {
            Appended::Stored { leases, .. } if !leases.is_empty() => Fate::Forwarded,
            Appended::Duplicate { due, .. } if !due.is_empty() => Fate::Forwarded,
            Appended::Stored { .. } | Appended::Duplicate { .. } | Appended::Variant { stored: true } => Fate::Stored,
            Appended::Variant { stored: false } => Fate::Refused,
        }
    }

    /// All at once, so that they share commits.
    async fn take_all(self: &Arc<Self>, bodies: impl IntoIterator<Item = Vec<u8>>) -> Vec<Fate> {
        let take = |body| {
            let walk = Arc::clone(self);
            tasks::spawn(async move { walk.take(body).await })
        };
        let taken: Vec<_> = bodies.into_iter().map(take).collect();
        let mut fates = Vec::new();
        for fate in taken {
            fates.push(fate.await.unwrap());
        }
        fates
    }
}

type Payload = Map<String, Value>;

fn signed(payload: &Payload) -> Vec<u8> {
    provider::ottu::sign(&serde_json::to_vec(payload).unwrap(), &Secret::new(KEY)).unwrap()
}

/// The signed fields that are there, with their text.
fn fields(payload: &Payload) -> Vec<(&'static str, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let has_text = |value: &&Value| !matches!(value, Value::Null) && *value != "";
    NAMES.into_iter().filter_map(|name| Some((name, text(payload.get(name).filter(has_text)?)))).collect()
}

/// All ways to read a message as names in order, each with a text that is not empty; at most `room`.
fn readings<'a>(message: &'a str, names: &[&'static str], room: usize) -> Vec<Vec<(&'static str, &'a str)>> {
    let mut all = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let Some(rest) = message.strip_prefix(name).filter(|rest| !rest.is_empty()) else { continue };
        all.push(vec![(*name, rest)]);
        let cuts = rest.char_indices().map(|(at, _)| at).skip(1);
        for cut in cuts.filter(|cut| names[place + 1..].iter().any(|next| rest[*cut..].starts_with(next))) {
            for mut reading in readings(&rest[cut..], &names[place + 1..], room.saturating_sub(all.len())) {
                reading.insert(0, (*name, &rest[..cut]));
                all.push(reading);
            }
            if all.len() >= room {
                return all;
            }
        }
    }
    all
}

/// Payloads with the same signed message, signed fields exchanged and all else as it is.
fn forged(genuine: &Payload) -> Vec<Vec<u8>> {
    const ROOM: usize = 4_096;
    let own = fields(genuine);
    let message: String = own.iter().flat_map(|(name, text)| [*name, text]).collect();
    let signature = serde_json::from_slice::<Payload>(&signed(genuine)).unwrap()["signature"].clone();
    let is_own = |reading: &[(&str, &str)]| reading.iter().copied().eq(own.iter().map(|(name, text)| (*name, text.as_str())));
    let body = |reading: Vec<(&'static str, &str)>| {
        let mut payload = genuine.clone();
        payload.retain(|name, _| !NAMES.contains(&name.as_str()));
        payload.extend(reading.into_iter().map(|(name, text)| (name.to_owned(), text.into())));
        payload.insert("signature".to_owned(), signature.clone());
        serde_json::to_vec(&payload).unwrap()
    };
    readings(&message, &NAMES, ROOM).into_iter().filter(|reading| !is_own(reading)).map(body).collect()
}

/// Unusual, and genuine.
fn genuine() -> impl Strategy<Value = Payload> {
    let some = |text: &'static str| text.prop_map(Value::from).boxed();
    let one_of = |texts: &'static [&'static str]| proptest::sample::select(texts).prop_map(Value::from).boxed();
    let value = move |name: &'static str| -> BoxedStrategy<Value> {
        match name {
            "amount" => prop_oneof![some("[0-9]{1,4}\\.[0-9]{2,3}"), one_of(&["1,234.500", "12,345,678.90", "-5.000", "7"])].boxed(),
            "currency_code" => one_of(&["KWD", "SAR", "usd"]),
            "customer_address_city" | "customer_last_name" => one_of(&["الكويت", "محمد بن علي", "São Paulo", "O'Brien", "state"]),
            "customer_address_country" => one_of(&["KW", "Kuwait"]),
            "customer_address_line1" => one_of(&["12 State street, order 5 result", "Block 3\nStreet 7\r\nHouse 9", "amount of 5", "_"]),
            "customer_address_line2" => some("[A-Za-z0-9 ,.\n_-]{1,20}"),
            "customer_address_postal_code" => prop_oneof![(1_000..99_999).prop_map(Value::from), Just(json!("SW1A 1AA"))].boxed(),
            "customer_address_state" => one_of(&["Hawalli", "state", "NY", "حولي", "paid"]),
            "customer_email" => some("[a-z]{1,6}_[a-z]{1,4}@example\\.com"),
            "customer_first_name" => one_of(&["Ali", "فاطمة", "result", "Reference Number", "x_y"]),
            "customer_phone" => prop_oneof![(10_000_000..99_999_999).prop_map(Value::from), Just(json!("+965 1234567"))].boxed(),
            "gateway_account" => some("[a-z-]{3,12}"),
            "gateway_name" => one_of(&["mpgs", "knet"]),
            "order_no" => prop_oneof![(1..1_000_000).prop_map(Value::from), Just(Value::Null), some("[A-Za-z0-9]{4,6}")].boxed(),
            "reference_number" => some("staging[A-Z0-9]{12}"),
            "result" => one_of(&["success", "failed", "brand new"]),
            "state" => one_of(&["paid", "failed", "authorized", "something_new"]),
            other => unreachable!("{other} is not signed"),
        }
    };
    // Some of what the payer says is missing, of the rest nothing.
    let typed: Vec<&'static str> = NAMES.into_iter().filter(|name| name.starts_with("customer_")).collect();
    proptest::sample::subsequence(typed, 2..7).prop_flat_map(move |typed| {
        let names = NAMES.into_iter().filter(|name| !name.starts_with("customer_") || typed.contains(name));
        let fields: Vec<_> = names.map(|name| value(name).prop_map(move |value| (name.to_owned(), value))).collect();
        fields.prop_map(|fields| {
            let unsigned = [("session_id".to_owned(), json!("f".repeat(40))), ("message".to_owned(), json!("thank you"))];
            fields.into_iter().chain(unsigned).collect()
        })
    })
}

fn samples() -> Vec<Payload> {
    ["payment.paid", "payment.failed", "payment.attempted", "operation.refund", "operation.void", "operation.capture"]
        .map(|sample| serde_json::from_slice(&data(&format!("{sample}.json"))).unwrap())
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_payloads_with_one_signed_message_only_the_genuine_one_is_forwarded_whichever_comes_first() {
    let (before, after) = (Walk::new(), Walk::new());
    let mut runner = TestRunner::default();
    let random = (0..6).map(|_| genuine().new_tree(&mut runner).unwrap().current());
    let mut readings = 0;
    for payload in samples().into_iter().chain(random) {
        let forged = forged(&payload);
        readings += forged.len();
        let is_kept = |fates: &[Fate]| fates.iter().all(|fate| *fate != Fate::Forwarded);

        assert_eq!(after.take(signed(&payload)).await, Fate::Forwarded, "{payload:?}");
        assert!(is_kept(&after.take_all(forged.clone()).await), "after {payload:?}");

        assert!(is_kept(&before.take_all(forged).await), "before {payload:?}");
        // What is genuine is compared with the first one, which is in quarantine: so a human decides.
        assert_ne!(before.take(signed(&payload)).await, Fate::Forwarded, "{payload:?}");
    }
    assert!(readings > 5_000, "{readings}");
}

/// One genuine payload, and so many that differ from it in what is not signed. More of them: `HOOKGATE_TEST_VARIANTS=1000000
/// cargo test --release --test it one_payload_in_many -- --nocapture`, which prints what it measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_payload_in_many_signed_variants_takes_little_room_and_no_longer_than_as_many_events() {
    const AT_ONCE: usize = 500;
    let count = std::env::var("HOOKGATE_TEST_VARIANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let clock = Clock::system();
    let genuine: Payload = serde_json::from_slice(&data("payment.paid.json")).unwrap();
    let signature = serde_json::from_slice::<Payload>(&signed(&genuine)).unwrap()["signature"].clone();

    let walk = Walk::new();
    assert_eq!(walk.take(signed(&genuine)).await, Fate::Forwarded);
    let variant = |number: usize| {
        let mut payload = genuine.clone();
        // Some say the same, others do not.
        let (name, value) = if number.is_multiple_of(2) { ("message", json!(number)) } else { ("is_sandbox", json!(format!("{number}"))) };
        payload.insert(name.to_owned(), value);
        payload.insert("signature".to_owned(), signature.clone());
        serde_json::to_vec(&payload).unwrap()
    };
    let event = |number: usize| {
        let mut payload = genuine.clone();
        payload.insert("reference_number".to_owned(), json!(format!("R{number}")));
        signed(&payload)
    };
    let others = Walk::new();
    let (mut stored, mut accepted) = (1, 0);
    let (mut refusing, mut accepting) = (Duration::ZERO, Duration::ZERO);
    for start in (0..count).step_by(AT_ONCE) {
        let numbers = start..(start + AT_ONCE).min(count);
        let variants: Vec<_> = numbers.clone().map(variant).collect();
        let began = clock.instant();
        let fates = walk.take_all(variants).await;
        refusing += clock.instant().duration_since(began);
        stored += fates.iter().filter(|fate| **fate != Fate::Refused).count();
        // In turns, so that both have the same share of the machine.
        if accepted < 20_000 {
            let events: Vec<_> = numbers.map(event).collect();
            let began = clock.instant();
            accepted += others.take_all(events).await.len();
            accepting += clock.instant().duration_since(began);
        }
    }
    let bytes = walk.store.stats().await.unwrap().bytes;
    let (refusals, acceptance) = (count as f64 / refusing.as_secs_f64(), accepted as f64 / accepting.as_secs_f64());
    println!("{count} variants: {stored} bodies, {bytes} bytes; {refusals:.0} refused per second, {acceptance:.0} accepted per second");
    assert_eq!(stored, BODIES_PER_SIGNATURE);
    assert!(bytes <= 1 << 20, "{bytes} bytes");
    // They take turns, but time that others on the machine take falls on either: a quarter is left for that.
    assert!(
        refusals >= 0.75 * acceptance,
        "{refusals:.0} refused per second, {acceptance:.0} accepted per second: less than 3/4, and no more than a quarter is noise"
    );
}
