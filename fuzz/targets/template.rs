//! What is made of an event by a template, and what is left of a payload. The input is a template, a line break, a field, a line
//! break, and a payload.

#![no_main]

use bytes::Bytes;
use hookgate::{
    domain::{
        clock::Timestamp,
        event::Event,
        json::Document,
        name::Name,
        path::Path,
        received::Received,
        template::{Body, Target, Template, Values},
    },
    provider::{self, Scheme, Settings, Unsigned},
};
use http::{HeaderMap, HeaderValue, uri::PathAndQuery};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use std::net::{IpAddr, Ipv4Addr};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let (Some(text), Some(field), Some(payload)) = (parts.next(), parts.next(), parts.next()) else { return };
    let (Ok(text), Ok(field)) = (std::str::from_utf8(text), std::str::from_utf8(field)) else { return };
    let Some(event) = event(payload) else { return };
    let values = Values { event: &event, attempt: 7 };
    if let Ok(template) = Template::parse(text) {
        whole(&template, values);
    }
    if let Ok(template) = Template::parse(&format!("{{{{ {field} }}}}"))
        && template.has_places()
        && template.with("").is_empty()
    {
        one_value(&template, field, values);
    }
    if let Ok(path) = Path::parse(field) {
        left_out(&event.payload, &path);
    }
});

/// Whatever it is, it is one member of an object, and one header where its own text can be one.
fn whole(template: &Template, values: Values<'_>) {
    let body = Body::Map(vec![("a".into(), Body::Text(template.clone())), ("b".into(), Body::Plain("1".into()))]);
    let read: serde_json::Value = serde_json::from_slice(&body.fill(values)).expect("JSON");
    assert_eq!((read.as_object().map(|members| members.len()), read["b"].as_u64()), (Some(2), Some(1)));
    if HeaderValue::from_str(&template.with("")).is_ok() {
        assert!(HeaderValue::from_str(&template.header(values)).is_ok());
    }
    if let Some((before, target)) = Target::split(template) {
        assert!(template.with("").starts_with(&before));
        if let Ok(filled) = target.fill(values) {
            assert!(filled.starts_with('/'));
        }
    }
}

/// A template that is one place: its value is the same wherever it is put, and nothing else is there.
fn one_value(template: &Template, field: &str, values: Values<'_>) {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned();
    let quoted = Template::parse(&format!("<{{{{ {field} }}}}>")).expect("it is one without the brackets too");
    let text: String = serde_json::from_slice(&Body::Text(quoted).fill(values)).expect("a JSON text");
    let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).expect("the brackets are there");

    let header = template.header(values);
    assert!(header.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    assert_eq!(decoded(&header), text);

    let url = Template::parse(&format!("http://a/b/{{{{ {field} }}}}/c?d={{{{ {field} }}}}&e=f")).expect("it is one by itself too");
    let (before, target) = Target::split(&url).expect("its places are behind the host");
    assert_eq!(before, "http://a");
    let Ok(filled) = target.fill(values) else {
        assert!(text.is_empty() || text.starts_with(';') || text.contains(['.', '%']), "{text:?}");
        return;
    };
    assert!(filled.len() > 60_000 || filled.parse::<PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == filled));
    let (path, query) = filled.split_once('?').expect("a query");
    assert_eq!(path.split('/').map(decoded).collect::<Vec<_>>(), ["", "b", text, "c"]);
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(pairs, [("d".to_owned(), text.to_owned()), ("e".to_owned(), "f".to_owned())]);
}

/// What is left out is gone for every reader, and once it is gone nothing more goes.
fn left_out(payload: &Document, path: &Path) {
    let Ok(left) = payload.without(std::slice::from_ref(path)) else {
        return assert!(payload.flaw().is_some());
    };
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&left).is_ok());
    // What stands behind an element that is left out takes its place.
    if path.steps().any(|step| step.bytes().all(|byte| byte.is_ascii_digit())) {
        return;
    }
    let again = Document::read(left.clone());
    assert!(again.flaw().is_none() && path.find(again.root()).is_none());
    assert_eq!(again.without(std::slice::from_ref(path)), Ok(left.clone()));
    let pointer: String = path.steps().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
    if let Ok(read) = serde_json::from_slice::<serde_json::Value>(&left) {
        assert!(read.pointer(&pointer).is_none());
    }
}

/// Any object is an event where unsigned ones are kept.
fn event(payload: &[u8]) -> Option<Event> {
    let source = Name::unchecked("ottu");
    let settings = Settings { scheme: Scheme::Ottu, secrets: Vec::new(), unsigned: Unsigned::Quarantine };
    let received = Received {
        source: source.clone(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(payload),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        at: Timestamp::default(),
    };
    provider::build(&source, &settings).open(&received).ok()
}
