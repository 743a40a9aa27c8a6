//! Golden requests of the providers that sign in headers: every line of `tests/data/<provider>/requests.json`,
//! and what becomes of such a request when something about it is changed.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hookgate::{
    config::{self, Unset},
    domain::{
        clock::Timestamp,
        event::{Event, Fields, Flags, Reason, Verdict},
        name::Name,
        received::Received,
        secret::Secret,
        standard_webhooks,
    },
    provider::{self, OpenError, Provider},
};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

/// The provider of a source that is called `golden`, from what a rules file says of it.
fn provider(source: &str) -> Box<dyn Provider> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    let rules = "destinations: { a: http://a/ }\nrules: [ { name: all, to: a } ]";
    fs::write(&path, format!("version: 1\nsources: {{ golden: {source} }}\n{rules}\n")).expect("written");
    let loaded = config::load(&path, &|_| None, Unset::Error).unwrap_or_else(|error| panic!("{error}"));
    provider::build(&Name::unchecked("golden"), &loaded.config.sources[0].provider)
}

/// A request of the file, received so many seconds after 1970.
fn request(folder: &str, file: &str, at: i64) -> Received {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data", folder, file].iter().collect();
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (head, body) = text.split_once("\n\n").expect("an empty line");
    let header = |line: &str| -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse().ok()?, value.parse().ok()?))
    };
    Received {
        source: Name::unchecked("golden"),
        headers: head.lines().map(|line| header(line).unwrap_or_else(|| panic!("{line}"))).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        at: Timestamp::from_millis(at * 1_000),
    }
}

fn vectors(folder: &str) -> Vec<Value> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data", folder, "requests.json"].iter().collect();
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("a list of requests")
}

fn fields(fields: &Fields) -> Value {
    let all = [
        ("state", &fields.state),
        ("result", &fields.result),
        ("operation", &fields.operation),
        ("amount", &fields.amount),
        ("currency_code", &fields.currency_code),
        ("reference_number", &fields.reference_number),
        ("session_id", &fields.session_id),
        ("order_no", &fields.order_no),
        ("gateway_account", &fields.gateway_account),
        ("gateway_name", &fields.gateway_name),
        ("is_sandbox", &fields.is_sandbox),
    ];
    all.into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), Value::from(&**text.as_ref()?))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What the sender is never told, and operators are.
fn refusal(opened: Result<Event, OpenError>) -> String {
    match opened {
        Err(OpenError::Signature(error)) => error.to_string(),
        Err(OpenError::Malformed) => "malformed".to_owned(),
        Ok(event) => panic!("{} was let in", event.id),
    }
}

#[test]
fn every_golden_request_gives_the_event_that_is_written_beside_it() {
    for (folder, count) in [("standard-webhooks", 12), ("hmac", 12)] {
        let vectors = vectors(folder);
        assert_eq!(vectors.len(), count, "{folder}");
        for vector in vectors {
            let file = vector["file"].as_str().expect("a file");
            let received = request(folder, file, vector["received"].as_i64().expect("seconds"));
            let provider = provider(&vector["source"].to_string());
            let event = provider.open(&received).unwrap_or_else(|error| panic!("{file}: {error}"));
            let verdict = vector["quarantined"].as_str().and_then(Reason::from_name).map_or(Verdict::Accepted, Verdict::Quarantined);
            assert_eq!((event.verdict, event.verified, event.flags), (verdict, true, Flags::default()), "{file}");
            assert_eq!((event.received_at, &*event.source), (received.at, "golden"), "{file}");
            assert_eq!(event.id.to_string(), vector["event"], "{file}");
            assert_eq!(event.kind.as_str(), vector["kind"], "{file}");
            assert_eq!(fields(&event.fields), vector["fields"], "{file}");
            assert_eq!(event.payload.bytes(), &received.body, "{file}");
            assert_eq!(provider.claims(&event.payload), event.fields, "{file}");
        }
    }
}

type Change = fn(&mut Received);

fn set(received: &mut Received, name: &'static str, value: &'static str) {
    received.headers.insert(name, HeaderValue::from_static(value));
}

fn add(received: &mut Received, name: &'static str, value: &'static str) {
    received.headers.append(name, HeaderValue::from_static(value));
}

#[test]
fn a_webhook_of_the_standard_that_was_changed_is_refused_with_the_header_concerned() {
    let published = request("standard-webhooks", "published.http", 1_614_265_330);
    let provider = provider("{ provider: standard-webhooks, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }");
    assert!(provider.open(&published).is_ok());
    let changes: &[(Change, &str)] = &[
        (|received| received.body = "{\"test\": 2432232315}".into(), "`webhook-signature` is wrong under every key of the source"),
        (|received| received.body = "{\"test\":2432232314}".into(), "`webhook-signature` is wrong under every key of the source"),
        (|received| set(received, "webhook-id", "msg_other"), "`webhook-signature` is wrong under every key of the source"),
        (|received| set(received, "webhook-id", ""), "`webhook-id` is not a text"),
        (|received| set(received, "webhook-timestamp", "1614265331"), "`webhook-signature` is wrong under every key of the source"),
        (|received| set(received, "webhook-timestamp", "01614265330"), "`webhook-signature` is wrong under every key of the source"),
        (|received| set(received, "webhook-timestamp", "soon"), "`webhook-timestamp` is not a whole number of seconds since 1970"),
        (|received| drop(received.headers.remove("webhook-id")), "`webhook-id` is not there"),
        (|received| drop(received.headers.remove("webhook-timestamp")), "`webhook-timestamp` is not there"),
        (|received| drop(received.headers.remove("webhook-signature")), "`webhook-signature` is not there"),
        (|received| add(received, "webhook-id", "x"), "`webhook-id` is there more than once"),
        (|received| add(received, "webhook-timestamp", "1"), "`webhook-timestamp` is there more than once"),
        (
            |received| set(received, "webhook-signature", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            "`webhook-signature` is not `v1,` and 44 characters of base64",
        ),
        (
            |received| set(received, "webhook-signature", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            "`webhook-signature` is not `v1,` and 44 characters of base64",
        ),
        (|received| set(received, "webhook-signature", "v1,"), "`webhook-signature` is not `v1,` and 44 characters of base64"),
        (|received| set(received, "webhook-signature", ""), "`webhook-signature` is not `v1,` and 44 characters of base64"),
        (
            |received| set(received, "webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            "`webhook-signature` is wrong under every key of the source",
        ),
        (
            |received| received.at = Timestamp::from_millis(1_614_265_630_001),
            "`webhook-timestamp` is 301s before the request came, which is more than 5m",
        ),
        (
            |received| received.at = Timestamp::from_millis(1_614_265_000_000),
            "`webhook-timestamp` is 330s after the request came, which is more than 5m",
        ),
    ];
    for (change, told) in changes {
        let mut changed = published.clone();
        change(&mut changed);
        assert_eq!(refusal(provider.open(&changed)), *told);
    }
}

#[test]
fn a_second_line_of_signatures_counts_as_the_first() {
    let mut received = request("standard-webhooks", "published.http", 1_614_265_330);
    let right = received.headers.remove("webhook-signature").expect("it has one");
    set(&mut received, "webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    received.headers.append("webhook-signature", right);
    let provider = provider("{ provider: standard-webhooks, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }");
    assert!(provider.open(&received).is_ok());
}

#[test]
fn a_body_signed_in_a_header_that_was_changed_is_refused_with_the_header_concerned() {
    let source = "{ provider: hmac, secret: k1, signature: { header: X-Signature, prefix: v1=, timestamp_header: x-timestamp } }";
    let signed = request("hmac", "with-a-time.http", 1_700_000_000);
    let provider = provider(source);
    assert!(provider.open(&signed).is_ok());
    let changes: &[(Change, &str)] = &[
        (|received| received.body = "{}".into(), "`x-signature` is wrong under every key of the source"),
        (|received| set(received, "x-timestamp", "1700000001"), "`x-signature` is wrong under every key of the source"),
        (|received| set(received, "x-timestamp", ""), "`x-timestamp` is not a whole number of seconds since 1970"),
        (|received| drop(received.headers.remove("x-timestamp")), "`x-timestamp` is not there"),
        (|received| drop(received.headers.remove("x-signature")), "`x-signature` is not there"),
        (|received| add(received, "x-signature", "x"), "`x-signature` is there more than once"),
        (|received| set(received, "x-signature", "sha256=00"), "`x-signature` is not `v1=` and 64 hexadecimal characters"),
        (|received| set(received, "x-signature", "v1=00"), "`x-signature` is not `v1=` and 64 hexadecimal characters"),
        (
            |received| received.at = Timestamp::from_millis(1_700_000_301_000),
            "`x-timestamp` is 301s before the request came, which is more than 5m",
        ),
        (
            |received| received.at = Timestamp::from_millis(1_699_999_000_000),
            "`x-timestamp` is 1000s after the request came, which is more than 5m",
        ),
    ];
    for (change, told) in changes {
        let mut changed = signed.clone();
        change(&mut changed);
        assert_eq!(refusal(provider.open(&changed)), *told);
    }
}

#[test]
fn a_signature_of_another_algorithm_encoding_or_key_is_refused() {
    for (file, signature, told) in [
        (
            "github.http",
            "header: x-hub-signature-256, prefix: 'sha1='",
            "`x-hub-signature-256` is not `sha1=` and 64 hexadecimal characters",
        ),
        ("rfc-sha256-hex.http", "header: x-signature, algorithm: sha1", "`x-signature` is not 40 hexadecimal characters"),
        ("rfc-sha256-hex.http", "header: x-signature, encoding: base64", "`x-signature` is not 44 characters of base64"),
        ("rfc-sha512-base64.http", "header: x-signature, algorithm: sha512", "`x-signature` is not 128 hexadecimal characters"),
        ("rfc-sha1-base64.http", "header: x-signature, encoding: base64", "`x-signature` is not 44 characters of base64"),
        ("rfc-sha256-hex.http", "header: x-signature", "`x-signature` is wrong under every key of the source"),
        (
            "rfc-sha512-base64.http",
            "header: x-signature, encoding: base64, algorithm: sha512",
            "`x-signature` is wrong under every key of the source",
        ),
    ] {
        let provider = provider(&format!("{{ provider: hmac, secret: [jefe, Jef], signature: {{ {signature} }} }}"));
        assert_eq!(refusal(provider.open(&request("hmac", file, 1_700_000_000))), told, "{file}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_signed_as_a_whole_is_let_in_and_nothing_else_is(
        body in prop::collection::vec(any::<u8>(), 0..200), id in "[!-~&&[^.]]{1,40}", key in prop::collection::vec(1_u8.., 1..100),
        seconds in 0..4_000_000_000_i64, place: prop::sample::Index, bit in 0..8_u32,
    ) {
        let secret = format!("whsec_{}", STANDARD.encode(&key));
        let provider = provider(&format!("{{ provider: standard-webhooks, secret: '{secret}' }}"));
        let at = Timestamp::from_millis(seconds * 1_000 + 999);
        let signed = standard_webhooks::sign(&id, at, &body, &Secret::new(secret)).expect("a secret");
        let mut received = request("standard-webhooks", "empty.http", seconds);
        received.headers = signed.into_iter().map(|(name, value)| (name.clone(), value.parse().expect("a header"))).collect();
        received.body = body.clone().into();
        let event = provider.open(&received).expect("it is signed");
        prop_assert_eq!((event.verdict, event.payload.bytes()), (Verdict::Accepted, &received.body));
        let mut changed = body.clone();
        if body.is_empty() {
            changed.push(0);
        } else {
            changed[place.index(body.len())] ^= 1 << bit;
        }
        received.body = changed.into();
        prop_assert_eq!(refusal(provider.open(&received)), "`webhook-signature` is wrong under every key of the source");
    }
}

#[test]
fn a_request_is_compared_with_the_time_it_came_however_late_it_is_verified() {
    let received = request("standard-webhooks", "published.http", 1_614_265_330);
    let wrong = provider("{ provider: standard-webhooks, secret: whsec_aGlkZGVuLWtleQ== }");
    assert_eq!(refusal(wrong.open(&received)), "`webhook-signature` is wrong under every key of the source");
    // The request is years old; the key is mended, and it holds.
    let mended = provider("{ provider: standard-webhooks, secret: [whsec_aGlkZGVuLWtleQ==, whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw] }");
    assert!(mended.open(&received).is_ok());
}
