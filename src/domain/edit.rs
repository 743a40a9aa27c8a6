//! Changes one value of a JSON text and leaves every other byte as it is.

use serde::de::{DeserializeOwned, IgnoredAny};
use std::ops::Range;

/// Why a value cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Not strict JSON, or no object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// The path leads through a text, a number, true, false or null.
    #[error("the path leads through a value that is neither an object nor an array")]
    NotAContainer,
    /// An array has no such place.
    #[error("the array has no such place")]
    NoSuchPlace,
}

/// The text with the value at the path replaced, or added with the objects that lead to it. `value` is JSON.
/// Of a key that is there twice the last counts, as most parsers read it.
///
/// # Errors
/// The text is no JSON object, or has no room for such a path.
pub fn set(payload: &[u8], path: &[&str], value: &str) -> Result<Vec<u8>, EditError> {
    let whole = object(payload)?;
    let (place, new) = place(payload, whole, path, value)?;
    Ok([&payload[..place.start], new.as_bytes(), &payload[place.end..]].concat())
}

/// The JSON text of a member of the payload's top level.
pub fn member<'a>(payload: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let members = Cursor::within(payload, object(payload).ok()?).members()?;
    members.into_iter().rev().find(|(key, _)| key == name).map(|(_, range)| &payload[range])
}

fn object(payload: &[u8]) -> Result<Range<usize>, EditError> {
    serde_json::from_slice::<IgnoredAny>(payload).map_err(|_| EditError::NotAnObject)?;
    let start = payload.iter().position(|byte| !byte.is_ascii_whitespace()).ok_or(EditError::NotAnObject)?;
    if payload[start] == b'{' { Ok(start..payload.trim_ascii_end().len()) } else { Err(EditError::NotAnObject) }
}

/// Which bytes give way, and to what.
fn place(text: &[u8], container: Range<usize>, path: &[&str], value: &str) -> Result<(Range<usize>, String), EditError> {
    let Some((name, rest)) = path.split_first() else { return Ok((container, value.to_owned())) };
    match text[container.start] {
        b'{' => {
            let members = Cursor::within(text, container.clone()).members().ok_or(EditError::NotAnObject)?;
            if let Some((_, found)) = members.iter().rev().find(|(key, _)| key == name) {
                return place(text, found.clone(), rest, value);
            }
            let new = rest.iter().rev().fold(value.to_owned(), |inner, name| format!("{{{}:{inner}}}", quoted(name)));
            let (at, comma) = members.last().map_or((container.start + 1, ""), |(_, last)| (last.end, ","));
            Ok((at..at, format!("{comma}{}:{new}", quoted(name))))
        }
        b'[' => {
            let items = Cursor::within(text, container).items().ok_or(EditError::NotAnObject)?;
            let index: usize = name.parse().map_err(|_| EditError::NoSuchPlace)?;
            place(text, items.get(index).cloned().ok_or(EditError::NoSuchPlace)?, rest, value)
        }
        _ => Err(EditError::NotAContainer),
    }
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Walks one object or array whose text is known to be JSON.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn within(text: &'a [u8], container: Range<usize>) -> Self {
        Self { text: &text[..container.end], at: container.start + 1 }
    }

    fn members(mut self) -> Option<Vec<(String, Range<usize>)>> {
        let mut members = Vec::new();
        while self.byte()? != b'}' {
            let (key, _) = self.value()?;
            self.skip(b':')?;
            let (IgnoredAny, range) = self.value()?;
            members.push((key, range));
            self.skip(b',');
        }
        Some(members)
    }

    fn items(mut self) -> Option<Vec<Range<usize>>> {
        let mut items = Vec::new();
        while self.byte()? != b']' {
            let (IgnoredAny, range) = self.value()?;
            items.push(range);
            self.skip(b',');
        }
        Some(items)
    }

    fn value<T: DeserializeOwned>(&mut self) -> Option<(T, Range<usize>)> {
        self.byte()?;
        let start = self.at;
        let mut values = serde_json::Deserializer::from_slice(&self.text[start..]).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some((value, start..self.at))
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no white space.
    fn byte(&mut self) -> Option<u8> {
        self.at += self.text[self.at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn edited(payload: &str, path: &[&str], value: &str) -> Result<String, EditError> {
        set(payload.as_bytes(), path, value).map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn only_the_value_at_the_path_changes() {
        let payload = " { \"a\" : 1.10 ,\n \"txn\":{\"state\" :\"x\\\"}\", \"l\":[ 1, {\"k\":2} ]} } \n";
        for (path, value, wanted) in [
            (&["a"][..], "true", " { \"a\" : true ,\n \"txn\":{\"state\" :\"x\\\"}\", \"l\":[ 1, {\"k\":2} ]} } \n"),
            (&["txn", "state"], "\"y\"", " { \"a\" : 1.10 ,\n \"txn\":{\"state\" :\"y\", \"l\":[ 1, {\"k\":2} ]} } \n"),
            (&["txn", "l", "1", "k"], "3", " { \"a\" : 1.10 ,\n \"txn\":{\"state\" :\"x\\\"}\", \"l\":[ 1, {\"k\":3} ]} } \n"),
            (&["n", "m"], "4", " { \"a\" : 1.10 ,\n \"txn\":{\"state\" :\"x\\\"}\", \"l\":[ 1, {\"k\":2} ]},\"n\":{\"m\":4} } \n"),
        ] {
            assert_eq!(edited(payload, path, value).as_deref(), Ok(wanted));
        }
        assert_eq!(edited("{}", &["a\"b"], "1").as_deref(), Ok("{\"a\\\"b\":1}"));
        assert_eq!(edited("{\"a\":1,\"a\":2}", &["a"], "3").as_deref(), Ok("{\"a\":1,\"a\":3}"));
    }

    #[test]
    fn a_path_that_leads_nowhere_says_why() {
        assert_eq!(edited("{\"a\":\"x\"}", &["a", "b"], "1"), Err(EditError::NotAContainer));
        assert_eq!(edited("{\"a\":[1]}", &["a", "1"], "1"), Err(EditError::NoSuchPlace));
        assert_eq!(edited("{\"a\":[1]}", &["a", "x"], "1"), Err(EditError::NoSuchPlace));
        for bad in ["", "[]", "1", "{\"a\":1", "{} x", "{\"a\":NaN}"] {
            assert_eq!(edited(bad, &["a"], "1"), Err(EditError::NotAnObject), "{bad}");
        }
    }

    #[test]
    fn a_member_is_found_at_top_level_only() {
        assert_eq!(member(br#"{"txn":{"state":"x"}, "s":"\u0061"}"#, "s"), Some(&br#""\u0061""#[..]));
        assert_eq!(member(br#"{"txn":{"state":"x"}}"#, "state"), None);
        assert_eq!(member(b"[]", "state"), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn setting_a_value_gives_what_setting_it_in_the_parsed_document_gives(
            members in prop::collection::btree_map("[a-c]{1}", any_json(), 0..4), name in "[a-d]{1}", value in any_json(), pretty: bool,
        ) {
            let before = Value::Object(members.into_iter().collect());
            let text = if pretty { serde_json::to_string_pretty(&before) } else { serde_json::to_string(&before) }.expect("JSON");
            let after: Value = serde_json::from_slice(&set(text.as_bytes(), &[&name], &value.to_string()).expect("set")).expect("JSON");
            let mut wanted = before;
            wanted[&name] = value;
            prop_assert_eq!(after, wanted);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", name in ".*") {
            drop(set(text.as_bytes(), &[&name, "x"], "1"));
            drop(set(json!({ "a": text }).to_string().as_bytes(), &["a", &name], "1"));
        }
    }
}
