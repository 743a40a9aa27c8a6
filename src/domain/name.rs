//! Names of sources, destinations and rules: short text that is shared, compared and put into labels.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

/// A name from the rules file. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// Why a text is no name of a source or destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Longer than 63 characters, or empty.
    #[error("a name has 1 to 63 characters")]
    Length,
    /// A character outside the allowed ones.
    #[error("a name has only a-z, 0-9, `_` and `-`, and starts with a letter or digit")]
    Character,
}

impl Name {
    /// The name of a source or destination: `[a-z0-9][a-z0-9_-]{0,62}`.
    pub fn of_part(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > 63 {
            return Err(NameError::Length);
        }
        let first = text.as_bytes()[0];
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = allowed(first) && text.bytes().all(|byte| allowed(byte) || byte == b'_' || byte == b'-');
        if good { Ok(Self(text.into())) } else { Err(NameError::Character) }
    }

    /// A name that was checked elsewhere: a rule's (1 to 100 characters of any kind), or one read back from the store.
    pub fn unchecked(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_follow_the_pattern() {
        for good in ["a", "0", "orders", "ottu-test", "a_b", &"x".repeat(63)] {
            assert!(Name::of_part(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a b", "a.b", "é", &"x".repeat(64)] {
            assert!(Name::of_part(bad).is_err(), "{bad}");
        }
    }
}
