//! Which part of an event a condition looks at.

use crate::domain::{
    event::{Event, Normal},
    json::{Kind, Value},
};
use std::borrow::Cow;

/// A normalised field, or a path into the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A normalised field.
    Normal(Normal),
    /// Steps into the payload.
    Path(Vec<Step>),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of an object; a number also indexes an array.
    Key(Box<str>),
}

/// What is found where a field points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing, or null, or a normalised field that is empty.
    Absent,
    /// A text; of numbers and booleans their JSON text.
    Text(Cow<'a, str>),
    /// Something that has no text: an array or object.
    Textless,
}

/// Why a text names no field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Nothing between two dots, or nothing at all.
    #[error("a part of the path is empty")]
    Empty,
    /// A quote without its twin, or text before an opening or after a closing one.
    #[error("a quoted part of the path is not closed, or goes on after its closing quote")]
    Quote,
}

impl Field {
    /// As the rules file writes it: `state`, `txn.state`, `body.state`, `items.0.id`, `extra."flight.number"`.
    ///
    /// # Errors
    /// The text names no field.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if let Some(normal) = Normal::from_name(text) {
            return Ok(Self::Normal(normal));
        }
        let mut steps = Vec::new();
        let mut rest = Some(text.strip_prefix("body.").unwrap_or(text));
        while let Some(text) = rest {
            let (part, after) = part(text)?;
            steps.push(Step::Key(part.into()));
            rest = after;
        }
        Ok(Self::Path(steps))
    }

    /// What the event has there.
    pub fn find<'a>(&self, event: &'a Event) -> Found<'a> {
        match self {
            Self::Normal(field) => event.normal(*field).map_or(Found::Absent, |text| Found::Text(Cow::Borrowed(text))),
            Self::Path(steps) => {
                let value = steps.iter().try_fold(event.payload.root(), |value, Step::Key(key)| step(value, key));
                value.map_or(Found::Absent, Found::of)
            }
        }
    }
}

impl<'a> Found<'a> {
    fn of(value: Value<'a>) -> Self {
        match value.kind() {
            Kind::Null => Self::Absent,
            Kind::Bool | Kind::Number | Kind::String => value.scalar_text().map_or(Self::Textless, Self::Text),
            Kind::Array | Kind::Object | Kind::Word => Self::Textless,
        }
    }

    /// Its text, where it has one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Textless => None,
        }
    }

    /// Whether there is something.
    pub fn is_there(&self) -> bool {
        match self {
            Self::Text(_) | Self::Textless => true,
            Self::Absent => false,
        }
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
fn part(text: &str) -> Result<(&str, Option<&str>), FieldError> {
    let (part, after) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (part, after) = quoted.split_once('"').ok_or(FieldError::Quote)?;
            match after.strip_prefix('.') {
                None if !after.is_empty() => return Err(FieldError::Quote),
                after => (part, after),
            }
        }
        None => {
            let (part, after) = text.split_once('.').map_or((text, None), |(part, after)| (part, Some(after)));
            if part.contains('"') {
                return Err(FieldError::Quote);
            }
            (part, after)
        }
    };
    if part.is_empty() { Err(FieldError::Empty) } else { Ok((part, after)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(parts: &[&str]) -> Result<Field, FieldError> {
        Ok(Field::Path(parts.iter().map(|part| Step::Key((*part).into())).collect()))
    }

    #[test]
    fn names_and_paths() {
        for field in Normal::ALL {
            assert_eq!(Field::parse(field.as_str()), Ok(Field::Normal(field)));
        }
        for (text, parts) in [
            ("txn.state", &["txn", "state"][..]),
            ("body.state", &["state"]),
            ("body.body.state", &["body", "state"]),
            ("body", &["body"]),
            ("\"body\".state", &["body", "state"]),
            ("\"state\"", &["state"]),
            ("state.code", &["state", "code"]),
            ("items.0.id", &["items", "0", "id"]),
            ("extra.\"flight.number\"", &["extra", "flight.number"]),
            ("\"a.b\".\"c d\".e", &["a.b", "c d", "e"]),
            ("extra.flight-number", &["extra", "flight-number"]),
        ] {
            assert_eq!(Field::parse(text), path(parts), "{text}");
        }
    }

    #[test]
    fn what_names_no_field_is_an_error() {
        for text in ["", ".", "a.", ".a", "a..b", "body.", "\"\"", "a.\"\""] {
            assert_eq!(Field::parse(text), Err(FieldError::Empty), "{text}");
        }
        for text in ["\"a", "\"a\"b", "a\"b\"", "a.\"b.c", "a\"", "\"a\"\"b\""] {
            assert_eq!(Field::parse(text), Err(FieldError::Quote), "{text}");
        }
    }
}
