//! Standard Webhooks 1.0: verifies what `domain/standard_webhooks.rs` signs. The payload is of any form.

use super::{
    HeaderFault, OpenError, Origin, Provider, SignatureError,
    headers::{fault, near, one, seconds},
    mapped::Mapping,
    signature::{Algorithm, Keys, Signature},
};
use crate::domain::{
    event::{Event, Fields, Reason, Verdict},
    field::Field,
    id::EventId,
    json::Document,
    name::Name,
    received::Received,
    secret::Secret,
    standard_webhooks::{ID, SIGNATURE, TIMESTAMP, key},
};
use std::time::Duration;

/// How far the time of a request may be from that of its reception, as the libraries of Standard Webhooks have it.
const TOLERANCE: Duration = Duration::from_secs(300);

/// A source of webhooks by the standard.
#[derive(Debug)]
pub(super) struct StandardWebhooks {
    source: Name,
    keys: Keys,
    mapping: Mapping,
}

impl StandardWebhooks {
    /// With its secrets. One that is none is no key; the rules file was told so.
    pub(super) fn new(source: Name, secrets: &[Secret], mapping: Mapping) -> Self {
        let keys = secrets.iter().filter_map(|secret| key(secret).ok());
        Self { source, keys: Keys::of(Algorithm::Sha256, keys), mapping }
    }

    /// The id of a request whose signature holds.
    fn check<'a>(&self, received: &'a Received) -> Result<&'a [u8], SignatureError> {
        let headers = &received.headers;
        let (id, time) = (one(headers, &ID)?, one(headers, &TIMESTAMP)?);
        if id.is_empty() {
            return Err(fault(&ID, HeaderFault::Malformed("a text".into())));
        }
        let at = seconds(&TIMESTAMP, time)?;
        let signatures = signatures(received)?;
        if !self.keys.verify(&[id, b".", time, b".", &received.body], &signatures) {
            return Err(fault(&SIGNATURE, HeaderFault::Wrong));
        }
        near(&TIMESTAMP, at, received.at, TOLERANCE)?;
        Ok(id)
    }
}

impl Provider for StandardWebhooks {
    fn open(&self, received: &Received) -> Result<Event, OpenError> {
        let id = self.check(received).map_err(OpenError::Signature)?;
        // With a full stop in the id the message could be that of a shorter id and a longer body.
        let verdict = if id.contains(&b'.') { Verdict::Quarantined(Reason::Ambiguous) } else { Verdict::Accepted };
        let id = EventId::named(&self.source, id, &received.body);
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

/// The signatures of version 1; those of other versions are passed over.
fn signatures(received: &Received) -> Result<Vec<Signature>, SignatureError> {
    let lines = received.headers.get_all(&SIGNATURE);
    let words = lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b' '));
    let found: Vec<_> = words.filter_map(|word| Signature::parse_base64(word.strip_prefix(b"v1,")?)).collect();
    let fault = |kind| Err(fault(&SIGNATURE, kind));
    match (lines.iter().next(), found.is_empty()) {
        (None, _) => fault(HeaderFault::Missing),
        (Some(_), true) => fault(HeaderFault::Malformed("`v1,` and 44 characters of base64".into())),
        (Some(_), false) => Ok(found),
    }
}
