//! Texts of the rules file with fields of an event in them: `order {{ order_no }}`, `{{ amount | number }}`. Pure.
//! What an event holds comes from outside, so each place that is filled in has its own way to keep it one value there.

use super::{
    event::Event,
    field::{Field, Found},
    path::PathError,
    secret::Secret,
};
use std::fmt;

mod body;
mod fill;
mod target;

pub use body::Body;
pub use target::{Target, Unsafe};

/// What stands for a secret that is not shown.
pub const MASK: &str = "***";

/// A text with places to be filled. `Debug` shows its places alone: the rest of a header may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A part of a text before it is a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Written where the template is: `{{ … }}` in it is a place.
    Written(&'a str),
    /// Put in from elsewhere, such as a variable: its text as it is, whatever it is, and a secret.
    Put(&'a str),
}

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// A text that was put in.
    Put(Secret),
    Place(Place),
}

/// For whom a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// For the destination.
    Sent,
    /// For people: what was put in is masked.
    Shown,
}

/// A place, as `{{ … }}` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    source: Source,
    form: Form,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// The event.
    Field(Field),
    /// What hookgate knows of it.
    Known(Known),
}

/// What hookgate knows of an event and an attempt, as `hookgate.event` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Event,
    Source,
    Attempt,
    ReceivedAt,
}

/// What stands behind `hookgate.`.
pub const KNOWN: [&str; 4] = ["event", "source", "attempt", "received_at"];

/// What stands behind `|`.
pub const FILTERS: [&str; 2] = ["number", "json"];

impl Known {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "event" => Some(Self::Event),
            "source" => Some(Self::Source),
            "attempt" => Some(Self::Attempt),
            "received_at" => Some(Self::ReceivedAt),
            _ => None,
        }
    }
}

/// As what a value is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Its text; empty where it is absent or has none.
    Text,
    /// A JSON number; null where its text is none.
    Number,
    /// As the payload writes it; null where it is absent.
    Json,
}

/// What a template is filled from.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The event.
    pub event: &'a Event,
    /// The number of the attempt: 1, 2, …
    pub attempt: u32,
}

/// Why a text is no template. What is shown of these has nothing of the text, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No end to a place.
    #[error("a `{{{{` has no `}}}}`")]
    Open,
    /// No field in a place.
    #[error("there is no field between `{{{{` and `}}}}`")]
    Empty,
    /// The text in a place is no field.
    #[error("what stands between `{{{{` and `}}}}` names no field: {0}")]
    Field(PathError),
    /// Something after `hookgate.` that is not known.
    #[error("of `hookgate.` there are {}", KNOWN.join(", "))]
    Known(String),
    /// Something after `|` that is not known.
    #[error("behind `|` goes one of {}", FILTERS.join(", "))]
    Filter(String),
}

impl Template {
    /// As the rules file writes it.
    ///
    /// # Errors
    /// What stands between `{{` and `}}` is not a field with at most one filter.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::of([Part::Written(text)])
    }

    /// Of parts, one behind the other. A place stands in one of them.
    ///
    /// # Errors
    /// What stands between `{{` and `}}` is not a field with at most one filter.
    pub fn of<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        for part in parts {
            let mut rest = match part {
                Part::Written(text) => text,
                Part::Put(text) => {
                    pieces.push(Piece::Put(Secret::new(text)));
                    continue;
                }
            };
            while let Some((before, after)) = rest.split_once("{{") {
                let end = end_of_place(after).ok_or(TemplateError::Open)?;
                if !before.is_empty() {
                    pieces.push(Piece::Text(before.into()));
                }
                pieces.push(Piece::Place(Place::parse(&after[..end])?));
                rest = &after[end + 2..];
            }
            if !rest.is_empty() {
                pieces.push(Piece::Text(rest.into()));
            }
        }
        Ok(Self(pieces))
    }

    /// A text without places, none of it secret.
    pub fn plain(text: &str) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// A text without places that is a secret.
    pub fn secret(text: &str) -> Self {
        Self(vec![Piece::Put(Secret::new(text))])
    }

    /// Its text, where it has no places. It may be a secret.
    pub fn fixed(&self) -> Option<String> {
        (!self.has_places()).then(|| self.with(""))
    }

    /// Its text with this in every place. It may be a secret.
    pub fn with(&self, value: &str) -> String {
        self.0.iter().map(|piece| piece.text().unwrap_or(value)).collect()
    }

    /// Whether something is filled in.
    pub fn has_places(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Place(_)))
    }

    /// Whether some of it was put in, so that it is not shown.
    pub fn is_secret(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Put(_)))
    }

    /// Whether there are places, for each part between two such letters that are in none.
    fn split(&self, letter: char) -> Vec<bool> {
        let mut parts = vec![false];
        for piece in &self.0 {
            match piece.text() {
                Some(text) => parts.extend(text.matches(letter).map(|_| false)),
                None => parts.last_mut().into_iter().for_each(|has_place| *has_place = true),
            }
        }
        parts
    }

    /// The fields of the event that it is filled from.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(Place { source: Source::Field(field), .. }) => Some(field),
            Piece::Place(Place { source: Source::Known(_), .. }) | Piece::Text(_) | Piece::Put(_) => None,
        })
    }

    /// The text with all places filled, each value passed through `escape`.
    fn fill(&self, values: Values<'_>, look: Look, escape: impl Fn(&str, &mut String)) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match (piece, look) {
                (Piece::Text(fixed), Look::Sent | Look::Shown) => text.push_str(fixed),
                (Piece::Put(secret), Look::Sent) => text.push_str(secret.expose()),
                (Piece::Put(_), Look::Shown) => text.push_str(MASK),
                (Piece::Place(place), Look::Sent | Look::Shown) => escape(&place.text(values), &mut text),
            }
        }
        text
    }

    /// For a header: whatever is no visible ASCII letter or space in a value is percent-encoded, and so is `%`.
    pub fn header(&self, values: Values<'_>) -> String {
        self.fill(values, Look::Sent, fill::header)
    }
}

impl Piece {
    /// Its text, where it is no place. It may be a secret.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Put(secret) => Some(secret.expose()),
            Self::Place(_) => None,
        }
    }

    /// As secret as it is, with this as its text; a place stays.
    fn with_text(&self, text: &str) -> Self {
        match self {
            Self::Text(_) => Self::Text(text.into()),
            Self::Put(_) => Self::Put(Secret::new(text)),
            Self::Place(place) => Self::Place(place.clone()),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) | Self::Put(_) => f.write_str(MASK),
            Self::Place(place) => place.fmt(f),
        }
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        let (name, form) = match split_filter(text) {
            (name, None) => (name, Form::Text),
            (name, Some("number")) => (name, Form::Number),
            (name, Some("json")) => (name, Form::Json),
            (_, Some(other)) => return Err(TemplateError::Filter(other.to_owned())),
        };
        let source = match name.strip_prefix("hookgate.") {
            _ if name.is_empty() => return Err(TemplateError::Empty),
            Some(known) => Source::Known(Known::from_name(known).ok_or_else(|| TemplateError::Known(known.to_owned()))?),
            None => Source::Field(Field::parse(name).map_err(TemplateError::Field)?),
        };
        Ok(Self { source, form })
    }
}

/// Where the `}}` is that ends a place: not inside a quoted part of its path.
fn end_of_place(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| {
        is_quoted ^= bytes[*at] == b'"';
        !is_quoted && bytes[*at..].starts_with(b"}}")
    })
}

/// The name, and what follows a `|` that is not inside a quoted part of it.
fn split_filter(text: &str) -> (&str, Option<&str>) {
    let mut is_quoted = false;
    let bar = text.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        byte == b'|' && !is_quoted
    });
    bar.map_or((text.trim(), None), |bar| (text[..bar].trim(), Some(text[bar + 1..].trim())))
}

#[cfg(test)]
#[path = "template/tests.rs"]
mod tests;
