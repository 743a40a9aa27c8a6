//! The query of a URL, encoded.

use std::fmt::Write;

/// A path with its parameters.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    next: char,
}

impl Query {
    /// Of a path that needs no encoding, without parameters yet.
    pub fn of(path: &str) -> Self {
        Self { text: path.to_owned(), next: '?' }
    }

    /// With one more parameter.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.text.push(self.next);
        self.next = '&';
        self.encode(key);
        self.text.push('=');
        self.encode(value);
        self
    }

    /// As it stands in a request.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn encode(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                write!(self.text, "%{byte:02X}").expect("a String takes all");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_letter_is_encoded() {
        let query = Query::of("/api/v1/events").with("rule", "paid & näher+").with("limit", "5");
        assert_eq!(query.as_str(), "/api/v1/events?rule=paid%20%26%20n%C3%A4her%2B&limit=5");
        assert_eq!(Query::of("/x").as_str(), "/x");
    }
}
