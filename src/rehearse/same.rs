//! Whether two bodies say the same: by what JSON means, where both are JSON.

use crate::domain::{
    decimal::Decimal,
    json::{Document, Kind, Value},
};
use bytes::Bytes;
use std::{borrow::Cow, collections::HashMap};

/// Whether both are JSON of the same meaning, or the same bytes. Of members the order does not count, and of numbers only
/// their value does: `9.0` is `9`, and neither is ever a float.
pub(super) fn is_same(one: &Bytes, other: &Bytes) -> bool {
    if one == other {
        return true;
    }
    let [one, other] = [one, other].map(|bytes| Document::read(bytes.clone()));
    one.flaw().is_none() && other.flaw().is_none() && are_same(one.root(), other.root())
}

fn are_same(one: Value<'_>, other: Value<'_>) -> bool {
    match (one.kind(), other.kind()) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Bool, Kind::Bool) | (Kind::Word, Kind::Word) => one.raw() == other.raw(),
        (Kind::Number, Kind::Number) => one.raw() == other.raw() || decimal(one).is_some_and(|number| decimal(other) == Some(number)),
        (Kind::String, Kind::String) => one.text() == other.text(),
        (Kind::Array, Kind::Array) => {
            let mut others = other.elements();
            one.elements().all(|element| others.next().is_some_and(|other| are_same(element, other))) && others.next().is_none()
        }
        (Kind::Object, Kind::Object) => {
            let (one, other) = (members(one), members(other));
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| are_same(*value, *other)))
        }
        (Kind::Null | Kind::Bool | Kind::Word | Kind::Number | Kind::String | Kind::Array | Kind::Object, _) => false,
    }
}

/// By their names, of several of one name the last.
fn members(object: Value<'_>) -> HashMap<Cow<'_, str>, Value<'_>> {
    object.entries().collect()
}

fn decimal(number: Value<'_>) -> Option<Decimal> {
    Decimal::parse(&number.scalar_text()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn same(one: &str, other: &str) -> bool {
        let [one, other] = [one, other].map(|text| Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(is_same(&one, &other), is_same(&other, &one), "it does not matter which is first");
        is_same(&one, &other)
    }

    #[test]
    fn bodies_are_compared_by_what_they_mean() {
        for (one, other) in [
            (r#"{"a":1,"b":[true,null]}"#, "{ \"b\": [ true, null ],\n\"a\": 1.0 }"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u0061""#, r#""a""#),
            ("9.000", "9"),
            ("1e3", "1e3"),
            ("0.1000000000000000000000000000000000001", "0.10000000000000000000000000000000000010"),
            ("amount=9", "amount=9"),
            ("", ""),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":null}"#, "{}"),
            (r#""9""#, "9"),
            ("9.0", "9.1"),
            ("0.1000000000000000000000000000000000001", "0.1000000000000000000000000000000000002"),
            ("[1,2]", "[2,1]"),
            ("[1,2]", "[1]"),
            ("true", "false"),
            ("[]", "{}"),
            ("amount=9", "amount=9 "),
            ("{\"a\":1}", "{\"a\":1"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn how_json_is_written_does_not_matter(a in ".*", b: i32, c in proptest::collection::vec(any::<Option<bool>>(), 0..4)) {
            let value = json!({ "z": c, "a": a, "b": { "b": b } });
            prop_assert!(same(&value.to_string(), &serde_json::to_string_pretty(&value).unwrap()));
            let other = json!({ "z": c, "a": format!("{a}."), "b": { "b": b } });
            prop_assert!(!same(&value.to_string(), &other.to_string()));
        }
    }
}
