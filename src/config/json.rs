//! From YAML to JSON: the payloads and bodies that tests write out. Bounded, since aliases can repeat a long text many times.

use super::{
    diagnostics::Code,
    keys::key,
    problem::Problem,
    tree::{Kind, Node, Span, Style},
};
use crate::domain::{
    edit::{self, EditError, quoted},
    path::Path,
};
use bytes::Bytes;
use serde::de::IgnoredAny;

/// All that the tests of a file may come to, in bytes.
const MOST: usize = 32 << 20;

/// Writes JSON as long as there is room.
pub struct Payloads {
    left: usize,
}

impl Default for Payloads {
    fn default() -> Self {
        Self { left: MOST }
    }
}

impl Payloads {
    /// The value as JSON: what is plain and null, a boolean or a number of JSON is just that, as it is written; anything else
    /// is a text.
    ///
    /// # Errors
    /// The tests come to too much.
    pub fn json(&mut self, node: &Node) -> Result<String, Problem> {
        let mut json = String::new();
        self.write(node, node.span, &mut json)?;
        Ok(json)
    }

    /// A scalar's text as it is, anything else as JSON.
    ///
    /// # Errors
    /// The tests come to too much.
    pub fn text(&mut self, node: &Node) -> Result<String, Problem> {
        match &node.kind {
            Kind::Scalar(text, _) => self.take(text.len(), node.span).map(|()| text.to_string()),
            Kind::Sequence(_) | Kind::Mapping(_) => self.json(node),
        }
    }

    /// The payload with the value at a path replaced or added, which counts like a payload of its own.
    ///
    /// # Errors
    /// The tests come to too much.
    pub fn set(&mut self, payload: &Bytes, path: &Path, value: &str, at: Span) -> Result<Result<Bytes, EditError>, Problem> {
        self.take(payload.len() + value.len(), at)?;
        let steps: Vec<&str> = path.steps().collect();
        Ok(edit::set(payload, &steps, value).map(Bytes::from))
    }

    /// `at`: where an alias stands for the value, as far as is known.
    fn write(&mut self, node: &Node, at: Span, json: &mut String) -> Result<(), Problem> {
        let before = json.len();
        match &node.kind {
            Kind::Scalar(text, _) => match word(node) {
                Some(word) => *json += word,
                None => *json += &quoted(text),
            },
            Kind::Sequence(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    json.push_str(if index == 0 { "" } else { "," });
                    self.write(item, at, json)?;
                }
                json.push(']');
                return self.take(2 + items.len(), at);
            }
            Kind::Mapping(entries) => {
                json.push('{');
                let named = entries.iter().filter_map(|entry| Some((key(entry)?, &*entry.value)));
                for (index, (name, value)) in named.enumerate() {
                    json.push_str(if index == 0 { "" } else { "," });
                    let name = quoted(name) + ":";
                    self.take(name.len(), at)?;
                    *json += &name;
                    self.write(value, at, json)?;
                }
                json.push('}');
                return self.take(2 + entries.len(), at);
            }
        }
        self.take(json.len() - before, at)
    }

    fn take(&mut self, bytes: usize, at: Span) -> Result<(), Problem> {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        let message = format!("the events of the tests come to more than {} MiB, what aliases repeat included", MOST >> 20);
        left.map(drop).ok_or_else(|| Problem::error(Code::TooManyValues, at, message))
    }
}

/// What is written without quotes and is null, a boolean or a number, as JSON writes it; numbers keep every digit.
pub fn word(node: &Node) -> Option<&str> {
    let Kind::Scalar(text, Style::Plain) = &node.kind else { return None };
    match &**text {
        _ if node.is_null() => Some("null"),
        "true" | "True" | "TRUE" => Some("true"),
        "false" | "False" | "FALSE" => Some("false"),
        text => {
            let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            (begins && serde_json::from_str::<IgnoredAny>(text).is_ok()).then_some(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{tree::FileId, yaml};
    use proptest::prelude::*;

    fn json(yaml: &str) -> String {
        let root = yaml::read(yaml, FileId::MAIN).expect(yaml);
        Payloads::default().json(&root).unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    #[test]
    fn plain_words_of_json_are_themselves_and_anything_else_is_text() {
        for (yaml, wanted) in [
            ("{ a: null, b: ~, c: , d: 'null' }", r#"{"a":null,"b":null,"c":null,"d":"null"}"#),
            ("[true, False, 'true', yes, no, on]", r#"[true,false,"true","yes","no","on"]"#),
            ("[10.000, -0.5, 1e3, 0, '9.000']", r#"[10.000,-0.5,1e3,0,"9.000"]"#),
            ("[007, +5, .5, 5., 0x1F, 1_000, .inf, 1e, -x, 12:30]", r#"["007","+5",".5","5.","0x1F","1_000",".inf","1e","-x","12:30"]"#),
            ("{ 1: { two: [ { } ] } }", r#"{"1":{"two":[{}]}}"#),
            ("\"a\\\"b\\n\"", r#""a\"b\n""#),
            ("a: &x { b: 1 }\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
        ] {
            assert_eq!(json(yaml), wanted, "{yaml}");
        }
    }

    #[test]
    fn what_aliases_repeat_is_bounded() {
        let long = "x".repeat(1 << 20);
        let bomb = format!("a: &a {long}\nb: [{}]", vec!["*a"; 40].join(","));
        let root = yaml::read(&bomb, FileId::MAIN).expect("it is YAML");
        let mut payloads = Payloads::default();
        let problem = payloads.json(&root).expect_err("it is too much");
        assert_eq!(problem.code, Code::TooManyValues);
        assert!(payloads.json(&root).is_err(), "nothing is left");
    }

    proptest! {
        #[test]
        fn any_text_in_quotes_is_that_text(text in "[^'\\\\\\p{Cc}\u{feff}]*") {
            let written = json(&format!("'{text}'"));
            prop_assert_eq!(serde_json::from_str::<String>(&written).expect("a text"), text);
        }
    }
}
