//! Paths into a payload: `data.status`, `items.0.id`, `extra."flight.number"`.

use super::json::{Kind, Value};
use std::fmt;

/// A place in a payload: the members to go through from its root; a number also indexes an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(Vec<Box<str>>);

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing between two dots, or nothing at all.
    #[error("a part of the path is empty")]
    Empty,
    /// A quote without its twin, or text before an opening or after a closing one.
    #[error("a quoted part of the path is not closed, or goes on after its closing quote")]
    Quote,
}

impl Path {
    /// As the rules file writes it. A leading `body.` is the payload itself.
    ///
    /// # Errors
    /// The text is no path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut steps = Vec::new();
        let mut rest = Some(text.strip_prefix("body.").unwrap_or(text));
        while let Some(text) = rest {
            let (part, after) = part(text)?;
            steps.push(part.into());
            rest = after;
        }
        Ok(Self(steps))
    }

    /// The names it steps through, from the root.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// What is there below a root.
    pub fn find<'a>(&self, root: Value<'a>) -> Option<Value<'a>> {
        self.0.iter().try_fold(root, |value, key| step(value, key))
    }
}

/// As the rules file writes it, without the `body.` that may stand before it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > 1 && &*self.0[0] == "body" {
            f.write_str("body.")?;
        }
        for (place, step) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "." })?;
            if step.contains('.') { write!(f, "\"{step}\"")? } else { f.write_str(step)? }
        }
        Ok(())
    }
}

fn step<'a>(value: Value<'a>, key: &str) -> Option<Value<'a>> {
    match value.kind() {
        Kind::Object => value.get(key),
        Kind::Array => {
            let is_number = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
            value.index(key.parse().ok().filter(|_| is_number)?)
        }
        Kind::Null | Kind::Bool | Kind::Number | Kind::String | Kind::Word => None,
    }
}

/// The first part of a path, and what follows the dot after it.
fn part(text: &str) -> Result<(&str, Option<&str>), PathError> {
    let (part, after) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (part, after) = quoted.split_once('"').ok_or(PathError::Quote)?;
            match after.strip_prefix('.') {
                None if !after.is_empty() => return Err(PathError::Quote),
                after => (part, after),
            }
        }
        None => {
            let (part, after) = text.split_once('.').map_or((text, None), |(part, after)| (part, Some(after)));
            if part.contains('"') {
                return Err(PathError::Quote);
            }
            (part, after)
        }
    };
    if part.is_empty() { Err(PathError::Empty) } else { Ok((part, after)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::json::Document;

    #[test]
    fn paths_are_read_part_by_part() {
        for (text, parts) in [
            ("txn.state", &["txn", "state"][..]),
            ("body.state", &["state"]),
            ("body.body.state", &["body", "state"]),
            ("body", &["body"]),
            ("\"body\".state", &["body", "state"]),
            ("\"state\"", &["state"]),
            ("items.0.id", &["items", "0", "id"]),
            ("extra.\"flight.number\"", &["extra", "flight.number"]),
            ("\"a.b\".\"c d\".e", &["a.b", "c d", "e"]),
            ("extra.flight-number", &["extra", "flight-number"]),
        ] {
            assert_eq!(Path::parse(text), Ok(Path(parts.iter().map(|part| (*part).into()).collect())), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_an_error() {
        for text in ["", ".", "a.", ".a", "a..b", "body.", "\"\"", "a.\"\""] {
            assert_eq!(Path::parse(text), Err(PathError::Empty), "{text}");
        }
        for text in ["\"a", "\"a\"b", "a\"b\"", "a.\"b.c", "a\"", "\"a\"\"b\""] {
            assert_eq!(Path::parse(text), Err(PathError::Quote), "{text}");
        }
    }

    #[test]
    fn a_number_indexes_an_array_and_names_a_member() {
        let document = Document::read(r#"{"a":[{"b":1},{"b":2}],"o":{"1":3,"01":4},"n":null}"#.into());
        for (text, found) in [
            ("a.1.b", Some("2")),
            ("a.01.b", None),
            ("a.2.b", None),
            ("a.b", None),
            ("o.1", Some("3")),
            ("o.01", Some("4")),
            ("n", Some("null")),
            ("n.x", None),
            ("a.0", Some(r#"{"b":1}"#)),
        ] {
            let value = Path::parse(text).expect(text).find(document.root());
            assert_eq!(value.map(Value::raw), found.map(str::as_bytes), "{text}");
        }
    }
}
