//! Any sender that signs the raw body, alone or with a time, by an HMAC in a header. The payload is of any form.

use super::{
    HeaderFault, OpenError, Origin, Provider, SignatureError,
    headers::{fault, near, one, seconds},
    mapped::Mapping,
    signature::{Algorithm, Encoding, Keys},
};
use crate::domain::{
    event::{Event, Fields, Reason, Verdict},
    field::Field,
    id::EventId,
    json::Document,
    name::Name,
    received::Received,
    secret::Secret,
};
use http::HeaderName;
use std::time::Duration;

/// How a sender signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The header that has the signature.
    pub header: HeaderName,
    /// What it is made with.
    pub algorithm: Algorithm,
    /// How it is written.
    pub encoding: Encoding,
    /// What stands before it in the header, such as `sha256=`.
    pub prefix: Box<str>,
    /// The time that is signed with the body, where one is.
    pub time: Option<SignedTime>,
}

/// A time that is signed with the body, as `<time>.<body>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTime {
    /// The header that has it, in whole seconds since 1970.
    pub header: HeaderName,
    /// How far it may be from the time of reception.
    pub tolerance: Duration,
}

/// A source of such webhooks.
#[derive(Debug)]
pub(super) struct Hmac {
    source: Name,
    keys: Keys,
    form: Form,
    mapping: Mapping,
}

impl Hmac {
    /// With its secrets, whose bytes are the keys.
    pub(super) fn new(source: Name, secrets: &[Secret], form: Form, mapping: Mapping) -> Self {
        let keys = Keys::of(form.algorithm, secrets.iter().map(|secret| secret.expose().as_bytes()));
        Self { source, keys, form, mapping }
    }

    /// The id of a request whose signature holds.
    fn check(&self, received: &Received) -> Result<EventId, SignatureError> {
        let Form { header, time, .. } = &self.form;
        let (headers, body) = (&received.headers, &received.body);
        let signature = self.form.read(one(headers, header)?)?;
        let verify = |message: &[&[u8]]| {
            let holds = self.keys.verify(message, &[&signature]);
            if holds { Ok(()) } else { Err(fault(header, HeaderFault::Wrong)) }
        };
        match time {
            None => {
                verify(&[body])?;
                Ok(EventId::signed(Encoding::Hex.encode(&signature).as_bytes(), body))
            }
            Some(SignedTime { header, tolerance }) => {
                let text = one(headers, header)?;
                let time = seconds(header, text)?;
                verify(&[text, b".", body])?;
                near(header, time, received.at, *tolerance)?;
                // A repetition has a new time, and so a new signature.
                Ok(EventId::named(&self.source, body, body))
            }
        }
    }
}

impl Form {
    /// The bytes of the signature in a header's value.
    fn read(&self, value: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let text = value.strip_prefix(self.prefix.as_bytes());
        let bytes = text.and_then(|text| self.encoding.decode(text)).filter(|bytes| bytes.len() == self.algorithm.length());
        bytes.ok_or_else(|| fault(&self.header, HeaderFault::Malformed(self.wanted().into())))
    }

    fn wanted(&self) -> String {
        let prefix = if self.prefix.is_empty() { String::new() } else { format!("`{}` and ", self.prefix) };
        let length = self.algorithm.length();
        match self.encoding {
            Encoding::Hex => format!("{prefix}{} hexadecimal characters", length * 2),
            Encoding::Base64 => format!("{prefix}{} characters of base64", length.div_ceil(3) * 4),
        }
    }
}

impl Provider for Hmac {
    fn open(&self, received: &Received) -> Result<Event, OpenError> {
        let id = self.check(received).map_err(OpenError::Signature)?;
        // A signature of nothing says nothing, and is the same for ever.
        let is_empty = received.body.is_empty() && self.form.time.is_none();
        let verdict = if is_empty { Verdict::Quarantined(Reason::EmptyMessage) } else { Verdict::Accepted };
        Ok(self.mapping.event(&self.source, received, id, verdict))
    }

    /// Every body is signed as a whole.
    fn is_harmless(&self, _first: &Document, _again: &Document) -> bool {
        true
    }

    fn suppose(&self, received: &Received) -> Result<Event, OpenError> {
        Ok(self.mapping.supposed(&self.source, received))
    }

    fn claims(&self, payload: &Document) -> Fields {
        self.mapping.fields(payload)
    }

    fn origins(&self, event: &Event) -> Vec<Origin> {
        self.mapping.origins(event)
    }

    /// Every body is signed as a whole.
    fn covers(&self, _field: &Field, _event: &Event) -> bool {
        true
    }
}
