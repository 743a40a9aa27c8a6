//! Problem documents (RFC 9457): what an HTTP caller is told when something is wrong.

use std::borrow::Cow;

/// A problem: what went wrong and what to do about it. Never holds payload values or secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status code of the answer.
    pub status: u16,
    /// What kind of problem it is: the same text for every one of its kind.
    pub title: &'static str,
    /// What was found here, what was wanted, and what to do.
    pub detail: Cow<'static, str>,
}

impl Problem {
    /// The media type of the document.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// A problem of that kind.
    pub fn new(status: u16, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, title, detail: detail.into() }
    }

    /// The document.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "title": self.title, "status": self.status, "detail": self.detail }).to_string()
    }
}
