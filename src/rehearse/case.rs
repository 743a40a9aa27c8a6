//! A test of the rules: an event, and what is expected to become of it.

use crate::domain::name::Name;
use bytes::Bytes;
use http::{HeaderName, Method};
use std::time::Duration;

/// One of the tests that a rules file has of itself.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique in the file.
    pub name: Box<str>,
    /// The source that the event comes in by.
    pub from: Name,
    /// The event's payload: a JSON object.
    pub payload: Bytes,
    /// What is looked at; nothing else is.
    pub expect: Expect,
}

/// What is expected. `None`, or nothing in a list of what must not be: it is not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Where the event goes: these destinations and no other.
    pub to: Option<Vec<Name>>,
    /// Where it does not go.
    pub not_to: Vec<Name>,
    /// Whether no rule but taps matches.
    pub unmatched: Option<bool>,
    /// Whether a rule drops it, and none sends it anywhere.
    pub drop: Option<bool>,
    /// What the provider is answered.
    pub respond: Option<Answer>,
    /// The rules that match: these and no other.
    pub rules: Option<Vec<Name>>,
    /// What these destinations get.
    pub requests: Vec<(Name, Request)>,
}

/// An expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// That code, at once.
    Code(u16),
    /// One that waits for a destination.
    Wait(Wait),
}

/// What is looked at of an answer that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the keys of `respond`")]
pub struct Wait {
    pub wait_for: Option<Name>,
    pub within: Option<Duration>,
    pub ok: Option<u16>,
    pub otherwise: Option<u16>,
}

/// What is looked at of a request to a destination.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method.
    pub method: Option<Method>,
    /// The path; with its query where a `?` is in it.
    pub path: Option<Box<str>>,
    /// Fields of the head, each with its whole value.
    pub headers: Vec<(HeaderName, Box<str>)>,
    /// The body: as JSON where it and what is sent are, byte for byte where not.
    pub body: Option<Box<str>>,
}
