//! Which requests are events and which are refused; the tests of each part are in their own files.

use super::*;
use crate::{
    domain::{clock::Timestamp, event::Fields, secret::Secret},
    provider::{Check, Scheme, SignError},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

mod ambiguity;
mod anomalies;
mod normalised;
mod origins;
mod signing;

const KEY: &str = "test-hmac-key";

fn source(secrets: &[&str], unsigned: Unsigned) -> Ottu {
    let settings = Settings { scheme: Scheme::Ottu, secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(), unsigned };
    Ottu::new(Name::unchecked("ottu"), &settings)
}

fn received(body: impl AsRef<[u8]>) -> Received {
    Received {
        source: Name::unchecked("ottu"),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
        body: Bytes::copy_from_slice(body.as_ref()),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        at: Timestamp::from_millis(1),
    }
}

fn open(body: impl AsRef<[u8]>) -> Result<Event, OpenError> {
    source(&[KEY], Unsigned::Reject).open(&received(body))
}

fn signed(payload: impl AsRef<[u8]>) -> Vec<u8> {
    sign(payload.as_ref(), &Secret::new(KEY)).expect("the payload can be signed")
}

fn verdict(payload: impl AsRef<[u8]>) -> Verdict {
    let payload = payload.as_ref();
    open(signed(payload)).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(payload))).verdict
}

fn reason(payload: impl AsRef<[u8]>) -> Option<Reason> {
    match verdict(payload) {
        Verdict::Accepted => None,
        Verdict::Quarantined(reason) => Some(reason),
    }
}

fn fields(payload: &str) -> (Kind, Fields) {
    let event = open(signed(payload)).expect("it is signed");
    (event.kind, event.fields)
}

const WRONG: OpenError = OpenError::Signature(SignatureError::Wrong);
const MISSING: OpenError = OpenError::Signature(SignatureError::Missing);
const MALFORMED: OpenError = OpenError::Signature(SignatureError::Malformed);

#[test]
fn what_is_no_object_is_malformed() {
    let utf16: Vec<u8> =
        String::from_utf8(signed(r#"{"state":"paid"}"#)).expect("text").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = b"[".repeat(1_000_000);
    for body in [
        &b""[..],
        b" ",
        b"null",
        b"[1]",
        b"\"{}\"",
        b"state=paid&signature=00",
        b"<xml/>",
        b"{",
        b"{\"a\":NaN}",
        b"{\"state\":\"paid\"",
        &utf16,
        &deep,
    ] {
        assert_eq!(open(body).map(|event| event.verdict), Err(OpenError::Malformed), "{:?}", &body[..body.len().min(40)]);
    }
}

#[test]
fn a_signature_that_is_none_is_refused() {
    let hex = Signature::of(b"statepaid", &Secret::new(KEY)).to_hex();
    let with = |signature: &str| format!(r#"{{"state":"paid","signature":{signature}}}"#);
    for (body, wanted) in [
        (r#"{"state":"paid"}"#.to_owned(), MISSING),
        ("{}".to_owned(), MISSING),
        (with("null"), MALFORMED),
        (with("\"\""), MALFORMED),
        (with("12"), MALFORMED),
        (with(&format!("[\"{hex}\"]")), MALFORMED),
        (with(&format!("\"{}\"", &hex[1..])), MALFORMED),
        (with(&format!("\"{hex}0\"")), MALFORMED),
        (with(&format!("\"{hex} \"")), MALFORMED),
        (with(&format!("\"g{}\"", &hex[1..])), MALFORMED),
        (with(&format!("\"{}\"", "0".repeat(64))), WRONG),
        (with(&format!("\"{hex}\",\"state\":\"failed\"")), WRONG),
        (with(&format!("\"{hex}\",\"amount\":[1]")), WRONG),
        (with(&format!("\"{}\",\"x\":NaN", "0".repeat(64))), WRONG),
    ] {
        for unsigned in [Unsigned::Reject, Unsigned::Accept] {
            assert_eq!(source(&[KEY], unsigned).open(&received(&body)).map(|event| event.id).as_ref(), Err(&wanted), "{body}");
        }
    }
    let upper = open(with(&format!("\"{}\"", hex.to_uppercase()))).expect("case does not matter");
    assert_eq!(upper.id.signature_half(), open(with(&format!("\"{hex}\""))).expect("it holds").id.signature_half());
    assert_eq!(upper.id, EventId::signed(hex.as_bytes(), upper.payload.bytes()));
}

#[test]
fn each_of_several_keys_opens_and_no_other_does() {
    let keys = ["new", "old"];
    for (key, opens) in [("new", true), ("old", true), ("older", false), ("", false)] {
        let body = sign(br#"{"state":"paid"}"#, &Secret::new(key)).expect("it can be signed");
        assert_eq!(source(&keys, Unsigned::Reject).open(&received(body)).is_ok(), opens, "{key}");
    }
    let empty = sign(br#"{"state":"paid"}"#, &Secret::new("")).expect("it can be signed");
    assert_eq!(source(&[""], Unsigned::Reject).open(&received(empty)).map(|event| event.id), Err(WRONG));
}

#[test]
fn unsigned_events_are_taken_only_as_the_source_says() {
    let operation = r#"{"operation":"void","amount":"None","success":true}"#;
    let payment = r#"{"state":"paid"}"#;
    let other = r#"{"hello":1}"#;
    let open = |unsigned, body: &str| source(&[KEY], unsigned).open(&received(body)).map(|event| (event.verdict, event.verified));
    let quarantined = |reason| Ok((Verdict::Quarantined(reason), false));
    for body in [operation, payment, other] {
        assert_eq!(open(Unsigned::Reject, body), Err(MISSING), "{body}");
        assert_eq!(open(Unsigned::Quarantine, body), quarantined(Reason::Unsigned), "{body}");
    }
    assert_eq!(open(Unsigned::Accept, operation), Ok((Verdict::Accepted, false)));
    assert_eq!(open(Unsigned::Accept, payment), Err(MISSING));
    assert_eq!(open(Unsigned::Accept, other), Err(MISSING));
    // One with a signature that is wrong never passes as one without.
    for unsigned in [Unsigned::Reject, Unsigned::Quarantine, Unsigned::Accept] {
        for (signature, wanted) in
            [("null".to_owned(), MALFORMED), ("\"\"".to_owned(), MALFORMED), (format!("\"{}\"", "0".repeat(64)), WRONG)]
        {
            let body = operation.replace("{\"", &format!("{{\"signature\":{signature},\""));
            assert_eq!(open(unsigned, &body), Err(wanted), "{body}");
        }
    }
}

#[test]
fn an_unsigned_event_that_parsers_read_differently_does_not_go_on_by_itself() {
    let open = |unsigned, body: &str| source(&[KEY], unsigned).open(&received(body)).map(|event| (event.verdict, event.verified));
    for (body, reason) in [
        (r#"{"operation":"void","pg_response":NaN}"#, Reason::NotStrictJson),
        (r#"{"operation":"void","operation":"refund"}"#, Reason::DuplicateKey),
        (r#"{"operation":"void","Operation":"refund"}"#, Reason::CaseTwin),
    ] {
        assert_eq!(open(Unsigned::Accept, body), Ok((Verdict::Quarantined(reason), false)), "{body}");
        assert_eq!(open(Unsigned::Quarantine, body), Ok((Verdict::Quarantined(Reason::Unsigned), false)), "{body}");
    }
    assert_eq!(open(Unsigned::Reject, r#"{"operation":"void","pg_response":NaN}"#), Err(OpenError::Malformed));
    assert_eq!(open(Unsigned::Quarantine, "{nonsense"), Err(OpenError::Malformed));
    let event = source(&[KEY], Unsigned::Accept).open(&received(r#"{"operation":"void"}"#)).expect("it is taken");
    assert_eq!(event.id, EventId::unsigned(br#"{"operation":"void"}"#));
}

proptest! {
    #[test]
    fn no_body_makes_it_panic_and_none_passes_without_the_key(body in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
        for unsigned in [Unsigned::Reject, Unsigned::Quarantine, Unsigned::Accept] {
            for body in [body.clone(), format!("{{\"signature\":\"{}\",\"state\":\"{text}\"}}", "a".repeat(64)).into_bytes()] {
                prop_assert!(!source(&[KEY], unsigned).open(&received(body)).is_ok_and(|event| event.verified));
            }
        }
    }

    #[test]
    fn every_value_is_signed_decoded(value in ".{1,40}", escaped: bool) {
        let written: String = if escaped {
            value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
        } else {
            let quoted = serde_json::to_string(&value).expect("a text");
            quoted[1..quoted.len() - 1].to_owned()
        };
        let body = signed(format!(r#"{{"customer_first_name":"{written}"}}"#));
        let hex = Signature::of(format!("customer_first_name{value}").as_bytes(), &Secret::new(KEY)).to_hex();
        prop_assert!(String::from_utf8_lossy(&body).contains(&hex));
    }
}
