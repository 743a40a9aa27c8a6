//! Standard Webhooks 1.0: HMAC-SHA256 over id, time and body, in three headers. The payload is of any form.

use super::{
    HeaderFault, OpenError, Provider, SignatureError,
    headers::{fault, near, one, seconds},
    mapped::Mapping,
    signature::{Algorithm, Keys, Signature},
};
use crate::domain::{
    clock::Timestamp,
    event::{Event, Fields, Reason, Verdict},
    id::EventId,
    json::Document,
    name::Name,
    received::Received,
    secret::Secret,
};
use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    },
};
use http::HeaderName;
use std::time::Duration;

static ID: HeaderName = HeaderName::from_static("webhook-id");
static TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
static SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Some senders draw the characters of a secret instead of its bytes, so that its last one may have bits to spare.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// How far the time of a request may be from that of its reception, as the libraries of Standard Webhooks have it.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Why a text is no secret of Standard Webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else in front, or nothing.
    #[error("does not begin with `whsec_`")]
    Prefix,
    /// No base64 follows.
    #[error("has something else than base64 behind `whsec_`")]
    Base64,
    /// Nothing follows.
    #[error("has nothing behind `whsec_`")]
    Empty,
}

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

    fn claims(&self, payload: &Document) -> Fields {
        self.mapping.fields(payload)
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

/// The bytes of a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
///
/// # Errors
/// It is none.
pub fn key(secret: &Secret) -> Result<Vec<u8>, KeyError> {
    let text = secret.expose().strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
    let key = BASE64.decode(text).map_err(|_| KeyError::Base64)?;
    if key.is_empty() { Err(KeyError::Empty) } else { Ok(key) }
}

/// The headers with which a sender would sign a body, its time in whole seconds.
///
/// # Errors
/// The secret is none of Standard Webhooks.
pub fn sign(id: &str, at: Timestamp, body: &[u8], secret: &Secret) -> Result<[(&'static HeaderName, String); 3], KeyError> {
    let time = at.millis().div_euclid(1_000).to_string();
    let signature = Signature::of_parts(&[id.as_bytes(), b".", time.as_bytes(), b".", body], &key(secret)?);
    Ok([(&ID, id.to_owned()), (&TIMESTAMP, time), (&SIGNATURE, format!("v1,{}", signature.to_base64()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whsec_and_base64_are_a_secret() {
        for (text, wanted) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(24)),
            ("whsec_dGVzdA==", Ok(4)),
            ("whsec_dGVzdA", Ok(4)),
            ("whsec_dGVzdB", Ok(4)),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(KeyError::Prefix)),
            ("WHSEC_dGVzdA==", Err(KeyError::Prefix)),
            ("whpk_dGVzdA==", Err(KeyError::Prefix)),
            ("", Err(KeyError::Prefix)),
            ("whsec_", Err(KeyError::Empty)),
            ("whsec_dGVzd", Err(KeyError::Base64)),
            ("whsec_test-hmac-key", Err(KeyError::Base64)),
            ("whsec_dGVzdA== ", Err(KeyError::Base64)),
        ] {
            assert_eq!(key(&Secret::new(text)).map(|key| key.len()), wanted, "{text}");
        }
    }
}
