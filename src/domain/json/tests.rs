//! The reader against `serde_json`, and what it makes of texts that are no strict JSON.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Reference;

fn read(text: impl AsRef<[u8]>) -> Document {
    Document::read(Bytes::copy_from_slice(text.as_ref()))
}

fn fault(text: impl AsRef<[u8]>) -> Option<Fault> {
    read(text).flaw().map(|flaw| flaw.fault)
}

fn entries(document: &Document) -> Vec<(String, Option<String>)> {
    document.root().entries().map(|(key, value)| (key.into_owned(), value.scalar_text().map(Cow::into_owned))).collect()
}

#[test]
fn values_are_found_by_key_and_place() {
    let document = read(r#" {"a": {"b": [10, {"c": "x\ny"}, []]}, "d": null, "e": true, "f": -1.50, "" : "" } "#);
    let root = document.root();
    let inner = root.get("a").and_then(|a| a.get("b")).and_then(|b| b.index(1)).and_then(|one| one.get("c"));
    assert_eq!(inner.and_then(Value::text).as_deref(), Some("x\ny"));
    assert_eq!(root.get("a").map(Value::raw), Some(&br#"{"b": [10, {"c": "x\ny"}, []]}"#[..]));
    assert_eq!(root.get("d").map(Value::kind), Some(Kind::Null));
    assert_eq!(root.get("d").and_then(Value::scalar_text), None);
    assert_eq!(root.get("e").and_then(Value::scalar_text).as_deref(), Some("true"));
    assert_eq!(root.get("f").and_then(Value::scalar_text).as_deref(), Some("-1.50"));
    assert_eq!(root.get("").and_then(Value::text).as_deref(), Some(""));
    assert!(root.get("g").is_none() && root.index(0).is_none() && document.flaw().is_none());
    let array = root.get("a").and_then(|a| a.get("b")).expect("the array is there");
    assert!(array.index(3).is_none() && array.get("c").is_none());
    assert_eq!(array.index(2).map(Value::raw), Some(&b"[]"[..]));
}

#[test]
fn duplicates_are_kept_and_the_last_one_counts() {
    let document = read(r#"{"state":"paid","\u0073tate":"failed"}"#);
    assert_eq!(entries(&document).len(), 2);
    assert_eq!(document.root().get("state").and_then(Value::text).as_deref(), Some("failed"));
    assert!(matches!(document.root().get("state").and_then(Value::text), Some(Cow::Borrowed(_))), "nothing is copied without an escape");
}

#[test]
fn each_fault_is_named_and_the_top_level_is_read_all_the_same() {
    for (text, wanted) in [
        (&br#"{"x":NaN,"state":"paid"}"#[..], Fault::Word),
        (br#"{"x":[1,-Infinity],"state":"paid"}"#, Fault::Word),
        (br#"{"x":01,"state":"paid"}"#, Fault::Word),
        (br#"{"x":1e999,"state":"paid"}"#, Fault::HugeNumber),
        (br#"{"x":"\ud800","state":"paid"}"#, Fault::Surrogate),
        (br#"{"x":"\udc00\ud800","state":"paid"}"#, Fault::Surrogate),
        (b"{\"x\":\"\xff\",\"state\":\"paid\"}", Fault::Utf8),
        (b"{\"x\":\"a\nb\",\"state\":\"paid\"}", Fault::Control),
        (br#"{"x":"\q\u12g4","state":"paid"}"#, Fault::Escape),
        (b"\xef\xbb\xbf{\"state\":\"paid\"}", Fault::ByteOrderMark),
        (br#"{"state":"paid"} trailing"#, Fault::Trailing),
        (br#"{"state":"paid"}{"state":"failed"}"#, Fault::Trailing),
        (br#"{"state":"paid","x":[1"#, Fault::Unfinished),
        (br#"{"state":"paid","x":"cut"#, Fault::Unfinished),
        (br#"{"state":"paid","x"#, Fault::Unfinished),
        (br#"{"state":"paid""#, Fault::Unfinished),
        (br#"{"state":"paid",}"#, Fault::Syntax),
        (br#"{,"state":"paid"}"#, Fault::Syntax),
        (br#"{"x":1 "state":"paid"}"#, Fault::Syntax),
        (br#"{"x" 1,"state":"paid"}"#, Fault::Syntax),
        (br#"{"x":,"state":"paid"}"#, Fault::Syntax),
        (br#"{"x":[1,],"state":"paid"}"#, Fault::Syntax),
        (br#"{"x":{"y":[1,2}],"state":"paid"}"#, Fault::Syntax),
        (br#"{"x":{"raw":"he said "no" }"},"state":"paid"}"#, Fault::Syntax),
        (br#"{x:1,"state":"paid"}"#, Fault::Syntax),
        (br#"{[{"state":"failed"}]:1,"state":"paid"}"#, Fault::Syntax),
        (br#"{'x':1,"state":"paid"}"#, Fault::Syntax),
        (br#"{/* a note */"state":"paid"}"#, Fault::Syntax),
    ] {
        let document = read(text);
        let shown = String::from_utf8_lossy(text);
        assert_eq!(document.flaw().map(|flaw| flaw.fault), Some(wanted), "{shown}");
        assert_eq!(document.root().get("state").and_then(Value::text).as_deref(), Some("paid"), "{shown}");
        assert!(serde_json::from_slice::<Reference>(text).is_err(), "{shown}");
    }
}

#[test]
fn where_no_object_can_be_read_there_are_no_entries() {
    for text in [
        &b""[..],
        b" ",
        b"{",
        b"[1,2]",
        b"\"x\"",
        b"1",
        b"nonsense",
        b"}",
        b"\xff\xfe{\x00\"\x00",
        b"\x00{\x00\"\x00a\x00\"",
        b"[{\"state\":1}]",
    ] {
        let document = read(text);
        assert_eq!(document.root().entries().count(), 0, "{text:?}");
        assert!(document.root().get("state").is_none());
    }
    assert_eq!(read("[1]").root().kind(), Kind::Array);
    assert_eq!(read("").root().raw(), b"");
}

#[test]
fn every_byte_at_every_place_of_a_string_is_judged_as_serde_json_judges_it() {
    for (byte, place) in (0..=u8::MAX).flat_map(|byte| (0..20).map(move |place| (byte, place))) {
        let mut text = b"{\"a\":\"abcdefghijklmnopqrst\"}".to_vec();
        text[6 + place] = byte;
        check_against_reference(&text);
    }
}

#[test]
fn nesting_is_bounded_and_never_recurses() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(fault(nested(MAX_DEPTH)), None);
    assert_eq!(fault(nested(MAX_DEPTH + 1)), Some(Fault::TooDeep));
    let document = read(format!(r#"{{"x":{},"state":"paid"}}"#, nested(400_000)));
    assert_eq!(document.flaw().map(|flaw| flaw.fault), Some(Fault::TooDeep));
    assert_eq!(document.root().get("state").and_then(Value::text).as_deref(), Some("paid"));
    for open in ["[", "{\"a\":", "[{", "{"] {
        let document = read(open.repeat(1_000_000));
        assert!(document.nodes.len() < 400 && document.flaw().is_some(), "{open}");
    }
}

#[test]
fn memory_is_at_most_eight_bytes_per_byte_of_text() {
    for unit in ["[],", "{},", "1,", "\"\",", "[[]],", "[1],"] {
        let text = format!("[{}0]", unit.repeat((1 << 20) / unit.len()));
        let document = read(&text);
        assert!(document.flaw().is_none());
        assert!(document.nodes.capacity() * size_of::<Node>() <= 8 * text.len() + 256, "{unit}: {}", document.nodes.capacity());
    }
}

#[test]
fn neither_debug_form_shows_the_payload() {
    let document = read(r#"{"card":"4111"}"#);
    assert_eq!(format!("{document:?}"), "Document { bytes: 15, flaw: None, .. }");
    assert_eq!(format!("{:?}", document.root().get("card").expect("it is there")), "String at 8..14");
}

fn assert_same(ours: Value<'_>, theirs: &Reference) {
    match theirs {
        Reference::Null => assert_eq!(ours.kind(), Kind::Null),
        Reference::Bool(bool) => assert_eq!(ours.scalar_text().as_deref(), Some(if *bool { "true" } else { "false" })),
        Reference::Number(number) => {
            let text = ours.scalar_text().expect("a number has a text");
            assert_eq!(serde_json::from_str::<serde_json::Number>(&text).expect("it is a number"), *number);
        }
        Reference::String(text) => assert_eq!(ours.text().as_deref(), Some(text.as_str())),
        Reference::Array(elements) => {
            assert_eq!(ours.kind(), Kind::Array);
            for (place, element) in elements.iter().enumerate() {
                assert_same(ours.index(place).expect("as many elements"), element);
            }
            assert!(ours.index(elements.len()).is_none());
        }
        Reference::Object(members) => {
            assert_eq!(ours.kind(), Kind::Object);
            assert!(ours.entries().all(|(key, _)| members.contains_key(&*key)));
            for (key, member) in members {
                assert_same(ours.get(key).expect("the same keys"), member);
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = String> {
    let text =
        prop_oneof![".{0,12}", "[a-z_]{1,24}", r#"[\\"/\x00-\x1f]{1,6}"#].prop_map(|text| serde_json::to_string(&text).expect("text"));
    let escape = r#""([a-z]|\\u[0-9a-fA-F]{4}|\\[bfnrt/"\\]|\\ud[89ab][0-9a-f]{2}\\ud[cdef][0-9A-F]{2}){0,5}""#;
    let number = r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?";
    let word = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), Just("false".to_owned())];
    let leaf = prop_oneof![3 => text.clone(), 1 => escape, 2 => number, 1 => word];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let key = text.clone();
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..6), "[ \n\t]{0,2}")
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(","))),
            (proptest::collection::vec((key, inner), 0..6), "[ \r]{0,2}").prop_map(|(members, space)| {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("{space}{key}{space}:{value}{space}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Strings of the alphabet of JSON, where most faults of structure are.
fn scraps() -> impl Strategy<Value = Vec<u8>> {
    let scrap = proptest::sample::select(vec![
        &b"{"[..],
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\"a\"",
        b"\"state\"",
        b"\\",
        b"\\u",
        b"d800",
        b"1",
        b"-",
        b".",
        b"e9",
        b"e999",
        b"0",
        b" ",
        b"\n",
        b"null",
        b"true",
        b"NaN",
        b"\xff",
        b"\x00",
        "é".as_bytes(),
        b"{\"a\":",
        b"[1,",
        b"\"x\":1",
    ]);
    proptest::collection::vec(scrap, 0..24).prop_map(|scraps| scraps.concat())
}

fn check_against_reference(text: &[u8]) {
    let ours = read(text);
    let theirs = serde_json::from_slice::<Reference>(text);
    assert_eq!(ours.flaw().is_none(), theirs.is_ok(), "{:?} {:?} {}", ours.flaw(), theirs, String::from_utf8_lossy(text));
    if let Ok(theirs) = theirs {
        assert_same(ours.root(), &theirs);
    }
    for (_, value) in ours.root().entries() {
        assert!(value.range().end <= text.len());
        let _ = (value.scalar_text(), value.raw());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_read_is_what_serde_json_reads(text in any_json()) {
        check_against_reference(text.as_bytes());
    }

    #[test]
    fn mutated_texts_are_judged_as_serde_json_judges_them(
        text in any_json(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..3, any::<u8>(), r#"[{}\[\],:"\\0-9eut ]"#), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (place, edit, byte, likely) in edits {
            let at = place.index(bytes.len() + 1);
            match edit {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.insert(at, byte),
                _likely => bytes.insert(at, likely.as_bytes()[0]),
            }
        }
        check_against_reference(&bytes);
    }

    #[test]
    fn scraps_are_judged_as_serde_json_judges_them(bytes in scraps()) {
        check_against_reference(&bytes);
    }
}
