//! One try to deliver, and what it led to.

use super::clock::Timestamp;
use std::time::Duration;

/// One try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number: 1, 2, …; counts on over retries by hand.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What came of it.
    pub result: AttemptResult,
    /// The status code, where there was an answer.
    pub status: Option<u16>,
    /// The beginning of the answer's body, where it was no success.
    pub response: Option<Box<str>>,
    /// The cause, where there was no answer.
    pub error: Option<Box<str>>,
}

/// What came of an attempt, as the label `result` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptResult {
    /// Answered 2xx (or any other code below 300).
    Status2xx,
    /// Answered 3xx; never followed.
    Status3xx,
    /// Answered 4xx.
    Status4xx,
    /// Answered 5xx.
    Status5xx,
    /// Not done within the destination's timeout.
    Timeout,
    /// The host's name has no address.
    Dns,
    /// Refused, unreachable, or reset before the request was sent.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Reset, closed early, or a malformed answer.
    Protocol,
    /// The egress guard refused the address.
    Refused,
    /// The token endpoint failed.
    Auth,
}

impl AttemptResult {
    /// All results.
    pub const ALL: [Self; 11] = [
        Self::Status2xx,
        Self::Status3xx,
        Self::Status4xx,
        Self::Status5xx,
        Self::Timeout,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Protocol,
        Self::Refused,
        Self::Auth,
    ];

    /// Of an answer with a status code.
    pub const fn of_status(status: u16) -> Self {
        match status {
            0..300 => Self::Status2xx,
            300..400 => Self::Status3xx,
            400..500 => Self::Status4xx,
            500.. => Self::Status5xx,
        }
    }

    /// As labels, the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status2xx => "2xx",
            Self::Status3xx => "3xx",
            Self::Status4xx => "4xx",
            Self::Status5xx => "5xx",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::Auth => "auth",
        }
    }

    /// The result of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.as_str() == name)
    }
}

/// What happens to a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Done.
    Delivered,
    /// Tried again at that time.
    RetryAt(Timestamp),
    /// Given up: an operator, or a duplicate from the provider, can start it again.
    Dead,
}
