//! The provider against its published vectors and samples: every line of `tests/data/ottu/vectors.json`.

use bytes::Bytes;
use hookgate::{
    domain::{
        clock::Timestamp,
        event::{Event, Reason, Verdict},
        id::EventId,
        name::Name,
        received::Received,
        secret::Secret,
    },
    provider::{self, OpenError, Scheme, Settings, SignatureError, Unsigned},
};
use http::HeaderMap;
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

const KEY: &str = "test-hmac-key";

pub fn data(file: &str) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/ottu").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

/// Read without a look at its signature.
fn suppose(body: Bytes) -> Result<Event, OpenError> {
    let settings = Settings { scheme: Scheme::Ottu, secrets: Vec::new(), unsigned: Unsigned::Reject };
    let source = Name::unchecked("ottu");
    provider::build(&source, &settings).suppose(&received(source.clone(), body))
}

fn received(source: Name, body: Bytes) -> Received {
    Received { source, headers: HeaderMap::new(), body, peer: IpAddr::V4(Ipv4Addr::LOCALHOST), at: Timestamp::default() }
}

pub fn open(source: &str, body: Bytes, unsigned: Unsigned) -> Result<Event, OpenError> {
    open_with(source, body, unsigned, KEY)
}

fn open_with(source: &str, body: Bytes, unsigned: Unsigned, key: &str) -> Result<Event, OpenError> {
    let source = Name::unchecked(source);
    let settings = Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new(key)], unsigned };
    provider::build(&source, &settings).open(&received(source.clone(), body))
}

fn vectors(part: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_slice(&data("vectors.json")).expect("the vectors are JSON");
    vectors[part].as_array().cloned().expect("a list of vectors")
}

fn text<'a>(vector: &'a Value, field: &str) -> Option<&'a str> {
    vector[field].as_str()
}

#[test]
fn what_a_payload_would_be_is_what_it_is_whoever_signed_it() {
    let files = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/ottu")).expect("the samples");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    for name in names.filter(|name| name.ends_with(".json") && *name != "vectors.json") {
        let body = data(&name);
        let supposed = suppose(body.clone()).expect("an event");
        assert!(!supposed.verified);
        let opened = open("ottu", body, Unsigned::Quarantine).expect("an event");
        assert_eq!((supposed.kind, &supposed.fields), (opened.kind, &opened.fields));
        if opened.verified {
            assert_eq!((supposed.verdict, supposed.flags), (opened.verdict, opened.flags));
        }
    }
    assert!(matches!(suppose(Bytes::from_static(b"[]")), Err(OpenError::Malformed)));
}

#[test]
fn every_signature_vector_holds() {
    let vectors = vectors("signature_vectors");
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let (key, signature) = (text(&vector, "key").expect("a key"), text(&vector, "signature").expect("a signature"));
        let payload = serde_json::to_vec(&vector["payload"]).expect("it was JSON");
        let signed = provider::ottu::sign(&payload, &Secret::new(key)).expect("an object can be signed");
        let signed_with: Value = serde_json::from_slice(&signed).expect("it stays JSON");
        assert_eq!(text(&signed_with, "signature"), Some(signature), "{vector}");
        let event = open_with("ottu", signed.clone().into(), Unsigned::Reject, key).expect("the signature holds");
        assert_eq!((event.verdict, event.verified), (Verdict::Accepted, true), "{vector}");
        let wrong = open_with("ottu", signed.into(), Unsigned::Reject, "another key");
        assert_eq!(wrong.map(|event| event.id), Err(OpenError::Signature(SignatureError::Wrong)));
    }
}

#[test]
fn every_sample_event_is_read_as_the_vectors_say() {
    let vectors = vectors("events");
    assert_eq!(vectors.len(), 15);
    for vector in vectors {
        let body = data(text(&vector, "file").expect("a file"));
        let message = text(&vector, "message");
        let event = open("ottu", body.clone(), Unsigned::Accept).expect("it is accepted");
        assert_eq!((event.verdict, event.verified, event.flags.is_empty()), (Verdict::Accepted, message.is_some(), true), "{vector}");
        assert_eq!(provider::ottu::verify(&body, &[Secret::new(KEY)]).message.as_deref(), message.or(provider_message(&body).as_deref()));
        assert_eq!(Some(event.kind.as_str()), text(&vector, "kind"), "{vector}");
        let fields = &event.fields;
        for (name, found) in [("state", &fields.state), ("result", &fields.result), ("operation", &fields.operation)] {
            assert_eq!(found.as_deref(), text(&vector, name), "{name} of {vector}");
        }
        assert_eq!(event.payload.bytes(), &body);
        assert!(event.payload.flaw().is_none());
    }
}

/// What the unsigned samples would have signed, by the definition of the message.
fn provider_message(body: &[u8]) -> Option<String> {
    let payload: Value = serde_json::from_slice(body).ok()?;
    let names = ["amount", "order_no", "reference_number", "result"];
    Some(names.iter().filter_map(|name| Some(format!("{name}{}", text(&payload, name)?))).collect())
}

#[test]
fn a_sample_without_a_signature_is_taken_only_where_the_source_says_so() {
    for file in ["operation.void.unsigned.json", "operation.legacy.void.unsigned.json"] {
        let missing = open("ottu", data(file), Unsigned::Reject);
        assert_eq!(missing.map(|event| event.id), Err(OpenError::Signature(SignatureError::Missing)));
        let kept = open("ottu", data(file), Unsigned::Quarantine).expect("it is stored");
        assert_eq!((kept.verdict, kept.verified), (Verdict::Quarantined(Reason::Unsigned), false));
        assert_eq!(kept.id, EventId::unsigned(&data(file)));
    }
    let legacy = open("ottu", data("operation.legacy.void.unsigned.json"), Unsigned::Accept).expect("it is accepted");
    assert_eq!(legacy.fields.amount, None, "an amount of None is no amount");
    let void = open("ottu", data("operation.void.unsigned.json"), Unsigned::Accept).expect("it is accepted");
    assert_eq!(void.fields.currency_code.as_deref(), Some("SAR"));
}

#[test]
fn signing_a_signed_sample_again_gives_it_back_byte_for_byte() {
    for vector in vectors("events") {
        let body = data(text(&vector, "file").expect("a file"));
        let signed = provider::ottu::sign(&body, &Secret::new(KEY)).expect("an object can be signed");
        if text(&vector, "message").is_some() {
            assert_eq!(signed, body);
            let bare = without_signature(&body);
            assert_eq!(provider::ottu::sign(&bare, &Secret::new(KEY)).as_deref(), Ok(&*body), "the layout is kept");
        }
        assert!(open("ottu", signed.into(), Unsigned::Reject).is_ok());
    }
}

/// The samples have their signature last.
fn without_signature(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).expect("it is text");
    let (before, after) = text.split_once(",\n  \"signature\"").expect("it has a signature");
    let (_, after) = after.split_once('\n').expect("the signature has its own line");
    format!("{before}\n{after}").into_bytes()
}

#[test]
fn a_changed_byte_in_any_signed_value_is_refused() {
    let body = data("payment.paid.json");
    let text = std::str::from_utf8(&body).expect("it is text");
    for (from, to) in
        [("\"10.000\",\n  \"amount_details\"", "\"10.001\",\n  \"amount_details\""), ("\"paid\"", "\"cod\""), ("48G8SS", "48G8ST")]
    {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let refused = open("ottu", changed.into(), Unsigned::Accept);
        assert_eq!(refused.map(|event| event.id), Err(OpenError::Signature(SignatureError::Wrong)));
    }
    let unsigned_field = text.replace("\"Example\"", "\"Other\"");
    let (genuine, variant) = (open("ottu", body.clone(), Unsigned::Reject), open("ottu", unsigned_field.into(), Unsigned::Reject));
    let (genuine, variant) = (genuine.expect("it is signed").id, variant.expect("the field is not signed").id);
    assert_eq!(genuine.signature_half(), variant.signature_half());
    assert_ne!(genuine, variant);
}
