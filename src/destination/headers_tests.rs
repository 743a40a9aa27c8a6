//! What a destination is told, header by header.

use super::*;
use crate::domain::{
    clock::Timestamp,
    delivery::{Accepted, Seq},
    event::Flags,
    id::EventId,
    secret::Secret,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

fn settings(url: &str, headers: &[(&'static str, &str)]) -> Settings {
    Settings {
        headers: headers.iter().map(|(name, value)| (HeaderName::from_static(name), Template::plain(value))).collect(),
        ..Settings::to(url.parse().unwrap())
    }
}

fn delivery(rules: &[&str], flags: Flags) -> Delivery {
    Delivery {
        event: Arc::new(Accepted {
            seq: Seq(1),
            id: EventId::from_halves(0, 1),
            source: Name::unchecked("ottu"),
            received_at: Timestamp::from_millis(1_795_386_473_123),
            content_type: Some("application/json; charset=utf-8".into()),
            verified: true,
            flags,
            first: flags.contains(Flags::RENOTIFIED).then(|| EventId::from_halves(0, 7)),
        }),
        rules: rules.iter().map(|rule| Name::unchecked(rule)).collect(),
        attempt: 3,
        at: Timestamp::from_millis(1_795_386_500_999),
        body: Bytes::from_static(b"{}"),
    }
}

fn text<'a>(map: &'a HeaderMap, name: &str) -> Option<&'a str> {
    map.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_header_of_the_contract_is_there_once_and_no_other() {
    let headers = Headers::new(&settings("http://orders.internal/x", &[])).unwrap();
    let map = headers.of(&delivery(&["paid", "große Beträge, 5%"], Flags::RENOTIFIED.with(Flags::OUT_OF_ORDER)), &[], b"{}");
    let (trace, span) = text(&map, "traceparent").and_then(|parent| parent.split_at_checked(36)).expect("a trace");
    assert_eq!((trace, span.len(), span.ends_with("-00")), ("00-00000000000000000000000000000001-", 19, true));
    assert_ne!(&span[..16], "0000000000000000", "a span is never zero");
    let mut found: Vec<_> =
        map.iter().filter(|(name, _)| *name != "traceparent").map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    found.sort();
    let version = concat!("user-agent: hookgate/", env!("CARGO_PKG_VERSION"));
    let wanted = [
        "content-type: application/json; charset=utf-8",
        "hookgate-attempt: 3",
        "hookgate-first-event: evt_00000000000000000000000007",
        "hookgate-flags: renotified,out-of-order",
        "hookgate-received: 1795386473123",
        "hookgate-rules: paid,gro%C3%9Fe%20Betr%C3%A4ge%2C%205%25",
        "hookgate-source: ottu",
        "hookgate-verified: true",
        "host: orders.internal",
        version,
        "webhook-id: evt_00000000000000000000000001",
        "webhook-timestamp: 1795386500",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn what_is_empty_is_left_out() {
    let headers = Headers::new(&settings("http://orders.internal/x", &[])).unwrap();
    let map = headers.of(&delivery(&[], Flags::default()), &[], b"{}");
    assert_eq!([&map.get("hookgate-flags"), &map.get("hookgate-rules"), &map.get("hookgate-first-event")], [&None; 3]);
}

#[test]
fn the_host_has_its_port_unless_it_is_the_usual_one() {
    for (url, host) in [
        ("http://a.example/x", "a.example"),
        ("http://a.example:80/x", "a.example"),
        ("https://a.example:443", "a.example"),
        ("https://a.example:80/", "a.example:80"),
        ("http://a.example:8080/", "a.example:8080"),
        ("http://user:pw@[::1]:81/", "[::1]:81"),
    ] {
        let map = Headers::new(&settings(url, &[])).unwrap().of(&delivery(&[], Flags::default()), &[], b"{}");
        assert_eq!(text(&map, "host"), Some(host), "{url}");
    }
}

#[test]
fn settings_replace_what_is_theirs_and_nothing_else() {
    let configured = [
        ("user-agent", "shop"),
        ("content-type", "text/plain"),
        ("authorization", "Bearer t"),
        ("content-length", "7"),
        ("webhook-id", "x"),
        ("hookgate-attempt", "9"),
        ("connection", "close"),
    ];
    let map = Headers::new(&settings("http://u:p@a.example/", &configured)).unwrap().of(&delivery(&[], Flags::default()), &[], b"{}");
    assert_eq!(text(&map, "user-agent"), Some("shop"));
    assert_eq!(text(&map, "content-type"), Some("text/plain"));
    assert_eq!(text(&map, "authorization"), Some("Bearer t"));
    assert_eq!((text(&map, "content-length"), text(&map, "connection")), (None, None));
    assert_eq!(text(&map, "webhook-id"), Some("evt_00000000000000000000000001"));
    assert_eq!(text(&map, "hookgate-attempt"), Some("3"));
}

#[test]
fn configured_values_are_not_shown() {
    let headers = Headers::new(&settings("http://u:hunter2@a.example/", &[("x-key", "hunter2")])).unwrap();
    assert!(!format!("{headers:?}").contains("hunter2"));
}

#[test]
fn a_value_with_a_line_break_is_refused() {
    let refused = Headers::new(&settings("http://a.example/", &[("x-key", "a\r\nb: c")])).unwrap_err();
    assert_eq!(refused, Unsendable::Header(HeaderName::from_static("x-key")));
}

#[test]
fn an_empty_body_has_a_length_too() {
    let headers = Headers::new(&settings("http://a.example/", &[])).unwrap();
    let empty = Delivery { body: Bytes::new(), ..delivery(&[], Flags::default()) };
    assert_eq!(text(&headers.of(&empty, &[], &empty.body), "content-length"), Some("0"));
}

proptest! {
    #[test]
    fn rules_are_whole_and_fit(names in proptest::collection::vec(".{1,100}", 0..60)) {
        let names: Vec<_> = names.iter().map(|name| Name::unchecked(name)).collect();
        let mut text = BytesMut::new();
        write_rules(&mut text, &names);
        prop_assert!(text.len() <= RULES_LIMIT);
        let written = std::str::from_utf8(&text).unwrap();
        let decoded: Vec<_> = written.split(',').filter(|name| !name.is_empty()).map(decoded).collect();
        let whole: Vec<_> = names.iter().take(decoded.len()).map(|name| name.to_string()).collect();
        prop_assert_eq!(decoded, whole);
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = String::from_utf8(rest.by_ref().take(2).collect()).unwrap();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_attempt_is_signed_by_every_secret_over_the_id_and_time_that_it_carries() {
    let secrets = ["whsec_bmV3", "whsec_b2xk"].map(Secret::new);
    let signed = Settings { sign: secrets.to_vec(), ..settings("http://orders.internal/", &[]) };
    let map = Headers::new(&signed).unwrap().of(&delivery(&["paid"], Flags::default()), &[], b"{}");
    let (id, time) = (text(&map, "webhook-id").unwrap(), text(&map, "webhook-timestamp").unwrap());
    let wanted = secrets.map(|secret| Signer::new(&secret).unwrap().sign(id.as_bytes(), time.as_bytes(), b"{}"));
    assert_eq!(text(&map, "webhook-signature"), Some(&*wanted.join(" ")));
    assert!(!format!("{signed:?}").contains("whsec_"));
}
