//! Why no request can be made of a delivery. No text of these holds a value of the event.

use crate::domain::{json::Flaw, template::Unsafe};
use http::HeaderName;

/// Why no request can be made of a delivery: not now, and not later either, unless the rules file is mended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// A segment of the path would mean another place.
    #[error("unsafe path: a field that `url` has in its path is empty or absent, `.` or `..`, or an encoding of these")]
    UnsafePath,
    /// Path and query are longer than any server takes.
    #[error("the path and query of `url` come to {length} bytes with the event's fields, and at most {most} are sent")]
    LongUrl {
        /// Their bytes.
        length: usize,
        /// How many there may be.
        most: usize,
    },
    /// A header is longer than any server takes.
    #[error("the header {name} comes to {length} bytes with the event's fields, and at most {most} are sent")]
    LongHeader {
        /// Its name.
        name: HeaderName,
        /// Its bytes.
        length: usize,
        /// How many there may be.
        most: usize,
    },
    /// Fields cannot be left out of a payload that different programs read differently.
    #[error("`remove` cannot be relied on, since the payload is no strict JSON: {0}")]
    NotStrictJson(Flaw),
    /// The settings give a header no value that can be sent.
    #[error("the value set for header {0} cannot be sent")]
    Header(HeaderName),
    /// The settings give a path and query that cannot be sent.
    #[error("the path and query of `url` cannot be sent")]
    Url,
    /// Its caller has not read the event, though the settings ask for its fields.
    #[error("the event was not read")]
    EventMissing,
}

impl From<Unsafe> for Unsendable {
    fn from(Unsafe: Unsafe) -> Self {
        Self::UnsafePath
    }
}
