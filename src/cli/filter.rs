//! Filters of events, with the keys of the API.

use super::exit::UsageError;
use crate::domain::text::similar;

const KEYS: [&str; 11] = ["from", "kind", "state", "result", "operation", "reference", "session", "order", "status", "rule", "destination"];

/// From `key=value`.
///
/// # Errors
/// It is none, or the API has no such key.
pub fn parse(text: &str) -> Result<(&'static str, String), UsageError> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    let wrong = || UsageError::Filter {
        found: text.into(),
        wanted: KEYS.join(", ").into(),
        similar: similar(key, KEYS.into_iter().filter(|known| *known != key)),
    };
    let known = KEYS.into_iter().find(|known| *known == key);
    known.zip(value).map(|(key, value)| (key, value.to_owned())).ok_or_else(wrong)
}
