//! Which part of an event a condition or a template looks at.

use super::{
    event::{Event, Normal},
    json::{Kind, Value},
    path::{Path, PathError},
};
use std::{borrow::Cow, fmt};

/// A normalised field, or a path into the payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A normalised field.
    Normal(Normal),
    /// A place in the payload.
    Path(Path),
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

impl Field {
    /// As the rules file writes it: `state`, `txn.state`, `body.state`, `items.0.id`, `extra."flight.number"`.
    ///
    /// # Errors
    /// The text names no field.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Normal::from_name(text).map_or_else(|| Path::parse(text).map(Self::Path), |normal| Ok(Self::Normal(normal)))
    }

    /// What the event has there.
    pub fn find<'a>(&self, event: &'a Event) -> Found<'a> {
        match self {
            Self::Normal(field) => event.normal(*field).map_or(Found::Absent, |text| Found::Text(Cow::Borrowed(text))),
            Self::Path(path) => path.find(event.payload.root()).map_or(Found::Absent, Found::of),
        }
    }
}

/// As the rules file writes it.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal(field) => f.write_str(field.as_str()),
            Self::Path(path) => {
                let text = path.to_string();
                write!(f, "{}{text}", if Normal::from_name(&text).is_some() { "body." } else { "" })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_normalised_fields_are_no_paths() {
        for field in Normal::ALL {
            assert_eq!(Field::parse(field.as_str()), Ok(Field::Normal(field)));
        }
        for text in ["body.state", "\"state\"", "state.code", "State"] {
            assert_eq!(Field::parse(text), Path::parse(text).map(Field::Path), "{text}");
        }
        assert_eq!(Field::parse("a..b"), Err(PathError::Empty));
    }
    #[test]
    fn a_field_is_written_as_it_is_read() {
        for text in ["state", "body.state", "txn.state", "body.body.state", "items.0.id", "extra.\"flight.number\"", "\"body.x\"", "body"] {
            assert_eq!(Field::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Field::parse("body.txn.state").expect("a path").to_string(), "txn.state");
    }
}
