//! What the front door makes of a body: verify, read, judge. The input is a payload. It is opened as it is, and once more
//! signed here, so that both sides of the signature are reached. serde_json, which reads nothing that is not strict, is the
//! reference.

#![no_main]

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hookgate::{
    domain::{
        clock::Timestamp,
        event::{Event, Kind, Verdict},
        json::Document,
        name::Name,
        received::Received,
        secret::Secret,
    },
    provider::{self, Check, OpenError, Provider, Scheme, Settings, Unsigned},
};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use members::Members;
use serde_json::value::RawValue;
use sha2::Sha256;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

mod members;

const KEY: &str = "test-hmac-key";

/// The signed fields by provider-ottu §4, alphabetically.
const SIGNED: [&str; 18] = [
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

/// More readings of one message than this are not tried.
const READINGS: usize = 64;

fuzz_target!(|payload: &[u8]| {
    for unsigned in [Unsigned::Reject, Unsigned::Quarantine, Unsigned::Accept] {
        let settings = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new("another key"), Secret::new(KEY)], unsigned };
        let source = provider::build(&Name::unchecked("ottu"), &settings);
        if let Ok(event) = open(source.as_ref(), payload) {
            check(&event, payload);
        }
    }
    let settings = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new(KEY)], unsigned: Unsigned::Reject };
    signed(provider::build(&Name::unchecked("ottu"), &settings).as_ref(), payload);
});

/// The payload under a signature that is right.
fn signed(source: &dyn Provider, payload: &[u8]) {
    let Ok(body) = provider::ottu::sign(payload, &Secret::new(KEY)) else { return };
    let opened = open(source, &body);
    let verification = provider::ottu::verify(&body, &[Secret::new(KEY)]);
    let holds = matches!(verification.check, Check::Holds { .. });
    assert_eq!(opened.is_ok(), holds, "opening and verifying agree");
    if Document::read(Bytes::copy_from_slice(payload)).flaw().is_none() {
        assert!(holds, "what was signed here verifies");
    }
    let Ok(event) = opened else { return };
    assert!(event.verified);
    check(&event, &body);
    let again = provider::ottu::sign(&body, &Secret::new(KEY)).expect("what was signed once can be signed again");
    assert_eq!(again, body, "signing again changes nothing");
    // One bit of the message or the key decides.
    let other = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new("another key")], unsigned: Unsigned::Accept };
    let refused = open(provider::build(&Name::unchecked("ottu"), &other).as_ref(), &body);
    assert!(matches!(refused, Err(OpenError::Signature(_))), "another key opens it");
}

fn open(source: &dyn Provider, body: &[u8]) -> Result<Event, OpenError> {
    let opened = source.open(&received(body));
    let again = source.open(&received(body));
    assert_eq!(opened.as_ref().map(|event| event.id), again.as_ref().map(|event| event.id), "the same bytes are the same event");
    opened
}

fn received(body: &[u8]) -> Received {
    Received {
        source: Name::unchecked("ottu"),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        at: Timestamp::default(),
    }
}

/// What holds of every event.
fn check(event: &Event, body: &[u8]) {
    assert_eq!(event.payload.bytes(), body, "the bytes are kept as they came");
    if event.verdict != Verdict::Accepted {
        return;
    }
    let members = Members::read(body).expect("what is accepted is strict JSON");
    let txn = members.get("txn").and_then(|txn| Members::read(txn.get().as_bytes())).unwrap_or_default();
    for object in [&members, &txn] {
        let names: BTreeSet<_> = object.0.iter().map(|(name, _)| name.to_lowercase()).collect();
        assert_eq!(names.len(), object.0.len(), "every parser reads the same of what is accepted");
    }
    let text = |name: &str| members.get(name).and_then(text);
    assert_eq!(event.kind == Kind::Payment, text("state").is_some());
    if event.kind != Kind::Operation {
        assert_eq!(event.fields.state.as_deref(), text("state").as_deref());
        assert_eq!(event.fields.amount.as_deref(), text("amount").as_deref());
        assert_eq!(event.fields.currency_code.as_deref(), text("currency_code").as_deref());
        assert_eq!(event.fields.result.as_deref(), text("result").as_deref());
    }
    assert_eq!(event.fields.reference_number.as_deref(), text("reference_number").as_deref());
    assert_eq!(event.fields.order_no.as_deref(), text("order_no").as_deref());
    assert_eq!(event.fields.gateway_account.as_deref(), text("gateway_account").as_deref());
    assert_eq!(event.fields.gateway_name.as_deref(), text("gateway_name").as_deref());
    if !event.verified {
        assert_eq!(event.kind, Kind::Operation, "only operations may come unsigned");
        assert!(members.get("signature").is_none());
        return;
    }
    let own: Vec<_> = SIGNED.iter().filter_map(|name| Some((*name, text(name)?))).collect();
    let message: String = own.iter().flat_map(|(name, text)| [*name, text.as_str()]).collect();
    let signature = text("signature").expect("an event that verifies has a signature");
    assert_eq!(signature.to_lowercase(), hmac(&message), "the signature is of what serde_json reads");
    no_other_reading_passes(&own, &message);
}

/// The message has no delimiters. Whatever other fields it can be read as, a payload of those is not accepted under the same
/// signature: else whoever saw the one could send the other.
fn no_other_reading_passes(own: &[(&'static str, String)], message: &str) {
    let mut readings = Vec::new();
    read(message, 0, &mut Vec::new(), &mut readings);
    let settings = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new(KEY)], unsigned: Unsigned::Reject };
    let source = provider::build(&Name::unchecked("ottu"), &settings);
    for reading in readings.iter().filter(|reading| !reading.iter().copied().eq(own.iter().map(|(name, text)| (*name, text.as_str())))) {
        let mut members: serde_json::Map<_, _> = reading.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        members.insert("signature".to_owned(), hmac(message).into());
        let body = serde_json::to_vec(&members).expect("texts can be written");
        let opened = source.open(&received(&body)).expect("the signature is of the same message");
        assert_ne!(opened.verdict, Verdict::Accepted, "both {own:?} and {reading:?} pass");
    }
}

/// All ways to read the rest of a message that begins with the name of a field at or after `first`.
fn read<'m>(rest: &'m str, first: usize, before: &mut Vec<(&'static str, &'m str)>, found: &mut Vec<Vec<(&'static str, &'m str)>>) {
    for (place, name) in SIGNED.iter().enumerate().skip(first) {
        let Some(value) = rest.strip_prefix(name) else { continue };
        for (end, _) in value.char_indices().skip(1).chain([(value.len(), ' ')]) {
            if found.len() == READINGS || end == 0 {
                return;
            }
            before.push((name, &value[..end]));
            if end == value.len() {
                found.push(before.clone());
            } else {
                read(&value[end..], place + 1, before, found);
            }
            before.pop();
        }
    }
}

/// What a field says, where its text is clear: that of a string, and an integer's digits.
fn text(value: &RawValue) -> Option<String> {
    let written = value.get();
    let text = match written.as_bytes()[0] {
        b'"' => serde_json::from_str(written).expect("a string"),
        b'-' | b'0'..=b'9' if written != "0" && written != "-0" => written.to_owned(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

fn hmac(message: &str) -> String {
    let keyed = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("keys of any length");
    hex::encode(keyed.chain_update(message).finalize().into_bytes())
}
