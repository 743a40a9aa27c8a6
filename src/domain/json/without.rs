//! A payload with some of its fields left out, all else as it was received.

use super::{Document, Flaw, Kind, Value};
use crate::domain::path::Path;
use bytes::Bytes;

/// What is left of the steps of a path.
type Rest<'p> = Vec<&'p str>;

/// A part of an object or array.
struct Part<'a, 'p> {
    /// The key of a member.
    key: Option<Value<'a>>,
    value: Value<'a>,
    /// What is left of the paths that go through it; `None`: one of them ends here.
    below: Option<Vec<Rest<'p>>>,
}

impl Document {
    /// The text without what is at these paths, each member of that name where there are several. What stays keeps its bytes;
    /// where nothing is there to be left out, that is the whole text.
    ///
    /// # Errors
    /// It is no strict JSON, so that nobody can say what another reader would find in it.
    pub fn without(&self, paths: &[Path]) -> Result<Bytes, Flaw> {
        if let Some(flaw) = self.flaw {
            return Err(flaw);
        }
        let rests: Vec<Rest<'_>> = paths.iter().map(|path| path.steps().collect()).collect();
        let range = self.root().range();
        let mut text = Vec::with_capacity(self.text.len());
        text.extend_from_slice(&self.text[..range.start]);
        write(self.root(), &rests, &mut text);
        text.extend_from_slice(&self.text[range.end..]);
        Ok(text.into())
    }
}

fn write(value: Value<'_>, rests: &[Rest<'_>], text: &mut Vec<u8>) {
    let raw = value.raw();
    if !is_hit(value, rests) {
        return text.extend_from_slice(raw);
    }
    text.push(raw[0]);
    let mut is_first = true;
    for Part { key, value, below } in parts(value, rests) {
        let Some(below) = below else { continue };
        if !std::mem::take(&mut is_first) {
            text.push(b',');
        }
        if let Some(key) = key {
            text.extend_from_slice(&value.document.text[key.range().start..value.range().start]);
        }
        write(value, &below, text);
    }
    text.push(raw[raw.len() - 1]);
}

/// Whether one of the paths ends at something in the value.
fn is_hit(value: Value<'_>, rests: &[Rest<'_>]) -> bool {
    let hit = |part: &Part<'_, '_>| part.below.as_ref().is_none_or(|below| is_hit(part.value, below));
    !rests.is_empty() && parts(value, rests).iter().any(hit)
}

fn parts<'a, 'p>(value: Value<'a>, rests: &[Rest<'p>]) -> Vec<Part<'a, 'p>> {
    let part = |key, name: &str, value| Part { key, value, below: below(rests, name) };
    match value.kind() {
        Kind::Object => value.members().map(|(key, value)| part(Some(key), &key.string(), value)).collect(),
        Kind::Array => value.elements().enumerate().map(|(place, value)| part(None, &place.to_string(), value)).collect(),
        Kind::Null | Kind::Bool | Kind::Number | Kind::String | Kind::Word => Vec::new(),
    }
}

fn below<'p>(rests: &[Rest<'p>], name: &str) -> Option<Vec<Rest<'p>>> {
    let through = rests.iter().filter(|rest| rest[0] == name).map(|rest| rest[1..].to_vec());
    let below: Vec<Rest<'p>> = through.collect();
    below.iter().all(|rest| !rest.is_empty()).then_some(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn without(text: &str, paths: &[&str]) -> Option<String> {
        let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path).unwrap()).collect();
        let left = Document::read(Bytes::copy_from_slice(text.as_bytes())).without(&paths).ok()?;
        Some(String::from_utf8(left.to_vec()).unwrap())
    }

    #[test]
    fn what_stays_keeps_its_bytes() {
        for (text, paths, wanted) in [
            (r#" {"a":1, "b" : 2,"c":3} "#, &["b"][..], r#" {"a":1,"c":3} "#),
            (r#"{"a":1, "b" : 1.50,"c":"\u0041"}"#, &["a"], r#"{"b" : 1.50,"c":"\u0041"}"#),
            (r#"{"a":1}"#, &["a"], "{}"),
            (r#"{ "a" : 1 , "b" : 2 }"#, &["x", "a.x"], r#"{ "a" : 1 , "b" : 2 }"#),
            (r#"{"p":{"card":"4","type":"V"},"token":"t"}"#, &["p.card", "token"], r#"{"p":{"type":"V"}}"#),
            (r#"{"p":{"card":"4"},"q": [ 1, 2 ]}"#, &["p.card"], r#"{"p":{},"q": [ 1, 2 ]}"#),
            (r#"{"l":[{"id":1,"x":2},{"id":3}]}"#, &["l.0.id", "l.1"], r#"{"l":[{"x":2}]}"#),
            (r#"{"a":1,"\u0061":2,"b":3,"a":4}"#, &["a"], r#"{"b":3}"#),
            (r#"{"a":{"b":1},"a":{"b":2,"c":3}}"#, &["a.b"], r#"{"a":{},"a":{"c":3}}"#),
            (r#"{"a":{"b":1}}"#, &["a.b", "a"], "{}"),
            (r#"{"a":{"b":1}}"#, &["a", "a.b"], "{}"),
            ("[1,2]", &["0"], "[2]"),
            ("7", &["a"], "7"),
        ] {
            assert_eq!(without(text, paths).as_deref(), Some(wanted), "{text} without {paths:?}");
        }
    }

    #[test]
    fn of_what_is_no_strict_json_nothing_can_be_left_out() {
        for text in [r#"{"a":NaN,"b":1}"#, r#"{"a":1} x"#, r#"{"a":1"#, ""] {
            assert_eq!(without(text, &["b"]), None, "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![Just(serde_json::json!(null)), any::<i32>().prop_map(Into::into), "[a-c\"\\\\é]{0,3}".prop_map(Into::into)];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn leave_out(value: &mut serde_json::Value, steps: &[&str]) {
        let [step, rest @ ..] = steps else { return };
        match value {
            serde_json::Value::Object(map) if rest.is_empty() => drop(map.remove(*step)),
            serde_json::Value::Object(map) => {
                if let Some(inner) = map.get_mut(*step) {
                    leave_out(inner, rest);
                }
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn it_is_what_is_left_when_the_fields_are_taken_out_one_by_one(json in any_json(), paths in proptest::collection::vec("[a-c](\\.[a-c]){0,2}", 0..4)) {
            let text = serde_json::to_string_pretty(&json).unwrap();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let left = without(&text, &paths).expect("strict JSON");
            let mut wanted = json;
            paths.iter().for_each(|path| leave_out(&mut wanted, &path.split('.').collect::<Vec<_>>()));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&left).unwrap(), wanted);
        }
    }
}
