//! Which part of an event a condition looks at.

use crate::domain::event::Normal;

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

/// Why a text names no field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Nothing between two dots, or nothing at all.
    #[error("a part of the path is empty")]
    Empty,
    /// A quote without its twin, or text after a closing one.
    #[error("a quoted part of the path is not closed, or goes on after its closing quote")]
    Quote,
}

impl Field {
    /// As the rules file writes it: `state`, `txn.state`, `body.state`, `items.0.id`, `extra."flight.number"`.
    ///
    /// # Errors
    /// The text names no field.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let _ = text;
        todo!("route")
    }
}
