//! What is not as expected, in words.

use super::judge::Mismatch;
use crate::domain::text::{clipped, is_unseen};
use serde_json::Value;
use std::fmt;

/// Longer texts are bodies; whoever wants all of one has it in the JSON form.
const LONGEST: usize = 2_000;

impl Mismatch {
    /// As the test says, in words.
    pub fn wanted(&self) -> String {
        let words = words(&self.wanted);
        if self.key == "not_to" { format!("none of {words}") } else { words }
    }

    /// As it is, in words.
    pub fn found(&self) -> String {
        words(&self.found)
    }

    /// Of two lists, what the one that was found lacks, and what it has besides. `None`: they are no lists of which that can
    /// be said.
    pub fn difference(&self) -> Option<String> {
        let (Value::Array(wanted), Value::Array(found)) = (&self.wanted, &self.found) else { return None };
        let (less, more) =
            if self.key == "not_to" { (Vec::new(), both(found, wanted)) } else { (without(wanted, found), without(found, wanted)) };
        let part = |what: &str, names: &[&Value]| (!names.is_empty()).then(|| format!("{what} {}", list(names.iter().copied())));
        let parts: Vec<_> = [part("missing:", &less), part("not wanted:", &more)].into_iter().flatten().collect();
        Some(parts.join("; "))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` wants {}, found {}", self.key, self.wanted(), self.found())
    }
}

fn without<'v>(one: &'v [Value], other: &[Value]) -> Vec<&'v Value> {
    one.iter().filter(|value| !other.contains(value)).collect()
}

fn both<'v>(one: &'v [Value], other: &[Value]) -> Vec<&'v Value> {
    one.iter().filter(|value| other.contains(value)).collect()
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => seen(&clipped(text, LONGEST)),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => list(values),
        Value::Object(members) => {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("{key}: {}", words(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

/// Names of destinations as they are, those of rules in quotes: they may have any letters.
fn list<'v>(values: impl IntoIterator<Item = &'v Value>) -> String {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let shown = |value: &Value| match value {
        Value::String(text) if is_word(text) => text.clone(),
        Value::String(text) => format!("\"{}\"", seen(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => words(value),
    };
    values.into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn seen(text: &str) -> String {
    text.chars().map(|letter| if letter != '\n' && is_unseen(letter) { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_in_words() {
        for (key, wanted, found, told, difference) in [
            ("to", json!(["orders", "erp"]), json!(["orders"]), "`to` wants orders, erp, found orders", Some("missing: erp")),
            ("to", json!([]), json!(["orders"]), "`to` wants none, found orders", Some("not wanted: orders")),
            (
                "rules",
                json!(["large refunds"]),
                json!(["paid", "all, always"]),
                "`rules` wants \"large refunds\", found paid, \"all, always\"",
                Some("missing: \"large refunds\"; not wanted: paid, \"all, always\""),
            ),
            (
                "not_to",
                json!(["staging"]),
                json!(["orders", "staging"]),
                "`not_to` wants none of staging, found orders, staging",
                Some("not wanted: staging"),
            ),
            ("drop", json!(true), json!(false), "`drop` wants true, found false", None),
            ("respond", json!({ "wait_for": "orders" }), json!(200), "`respond` wants { wait_for: orders }, found 200", None),
            ("rules", json!(["a\u{1b}[31m"]), json!([]), "`rules` wants \"a\u{fffd}[31m\", found none", Some("missing: \"a\u{fffd}[31m\"")),
        ] {
            let mismatch = Mismatch { key: key.to_owned(), wanted, found };
            assert_eq!((mismatch.to_string().as_str(), mismatch.difference().as_deref()), (told, difference));
        }
    }
}
