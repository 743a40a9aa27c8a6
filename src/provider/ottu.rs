//! Ottu: payments and operations, signed by HMAC-SHA256 over 18 fields.

use super::{
    OpenError, Origin, Provider, Settings, SignatureError, Unsigned, Vocabulary,
    signature::{Keys, Signature},
};
use crate::domain::{
    event::{Event, Fields, Flags, Kind, Reason, Verdict},
    field::Field,
    id::EventId,
    json::{self, Document},
    name::Name,
    received::Received,
};
use http::header::CONTENT_TYPE;

mod anomaly;
mod covered;
mod fields;
mod normalise;
mod origin;
pub mod samples;
mod sign;
mod variant;

#[cfg(test)]
mod tests;

use fields::Top;

pub(super) use covered::changeable;
pub use sign::{sign, verify};

/// The states, results and operations that the provider documents, in its schema or its prose, and those of older installations.
pub(super) const VOCABULARY: Vocabulary = Vocabulary {
    states: &[
        "created",
        "pending",
        "attempted",
        "authorized",
        "paid",
        "cod",
        "failed",
        "canceled",
        "expired",
        "invalided",
        "refunded",
        "refund_queued",
        "refund_rejected",
        "voided",
        "void_queued",
        "void_rejected",
        "capture_queued",
        "capture_rejected",
        "cancel_queued",
        "cancel_rejected",
    ],
    results: &["pending", "success", "failed", "canceled", "error", "cod", "rejected", "queued"],
    operations: &["payment", "authorization", "refund", "void", "capture", "cancel", "expire"],
};

/// What a payment has in `operation`, where it has something; an operation never has these.
pub(super) const OPERATIONS_OF_PAYMENTS: [&str; 2] = ["payment", "authorization"];

/// The states that both a payment and an operation on it can be in, each with the operation.
pub(super) const SHARED_STATES: [(&str, &str); 3] = [("paid", "capture"), ("canceled", "cancel"), ("expired", "expire")];

/// A source of Ottu's webhooks.
#[derive(Debug)]
pub(super) struct Ottu {
    source: Name,
    keys: Keys,
    unsigned: Unsigned,
}

/// What is known of a request whose signature was looked at.
struct Checked {
    id: EventId,
    kind: Kind,
    verified: bool,
    verdict: Verdict,
}

impl Ottu {
    /// With its keys.
    pub(super) fn new(source: Name, settings: &Settings) -> Self {
        Self { source, keys: Keys::new(&settings.secrets), unsigned: settings.unsigned }
    }

    fn read(&self, received: &Received, check: impl FnOnce(&Document, &Top<'_>) -> Result<Checked, OpenError>) -> Result<Event, OpenError> {
        let payload = Document::read(received.body.clone());
        if payload.root().kind() != json::Kind::Object {
            return Err(OpenError::Malformed);
        }
        let top = Top::of(payload.root());
        let Checked { id, kind, verified, verdict } = check(&payload, &top)?;
        let fields = normalise::fields(&top, kind);
        let flags = if anomaly::is_typed(&top) { Flags::TYPED } else { Flags::default() };
        drop(top);
        Ok(Event {
            id,
            source: self.source.clone(),
            received_at: received.at,
            kind,
            fields,
            payload,
            content_type: received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(Into::into),
            verified,
            verdict,
            flags,
        })
    }

    fn check(&self, document: &Document, top: &Top<'_>) -> Result<Checked, OpenError> {
        let kind = normalise::kind(top);
        let Some(signature) = top.signature else {
            let verdict = self.without_signature(document, top, kind)?;
            return Ok(Checked { id: EventId::unsigned(document.bytes()), kind, verified: false, verdict });
        };
        let text = signature.text();
        let signature = text.as_deref().and_then(Signature::parse).ok_or(OpenError::Signature(SignatureError::Malformed))?;
        let holds = top.message().is_some_and(|message| self.keys.verify(&[&message], &[signature]));
        if !holds {
            return Err(OpenError::Signature(SignatureError::Wrong));
        }
        let verdict = anomaly::find(document, top, kind).map_or(Verdict::Accepted, Verdict::Quarantined);
        Ok(Checked { id: EventId::signed(signature.to_hex().as_bytes(), document.bytes()), kind, verified: true, verdict })
    }

    /// What becomes of an event that has no `signature` field at all. Where the text is no strict JSON it may have had one,
    /// so such a text is an event only where unsigned ones are taken, and never goes on by itself.
    fn without_signature(&self, document: &Document, top: &Top<'_>, kind: Kind) -> Result<Verdict, OpenError> {
        let is_readable = document.flaw().is_none() || document.root().entries().next().is_some();
        let refused = if document.flaw().is_some() { OpenError::Malformed } else { OpenError::Signature(SignatureError::Missing) };
        match (self.unsigned, kind) {
            (Unsigned::Quarantine, Kind::Payment | Kind::Operation | Kind::Other) if is_readable => {
                Ok(Verdict::Quarantined(Reason::Unsigned))
            }
            (Unsigned::Accept, Kind::Operation) => Ok(anomaly::structure(document, top).map_or(Verdict::Accepted, Verdict::Quarantined)),
            (Unsigned::Accept, Kind::Payment | Kind::Other) | (Unsigned::Reject | Unsigned::Quarantine, _) => Err(refused),
        }
    }
}

impl Provider for Ottu {
    fn is_harmless(&self, first: &Document, again: &Document) -> bool {
        variant::is_harmless(first, again)
    }

    fn claims(&self, payload: &Document) -> Fields {
        let top = Top::of(payload.root());
        normalise::fields(&top, normalise::kind(&top))
    }

    fn origins(&self, event: &Event) -> Vec<Origin> {
        origin::origins(event)
    }

    fn covers(&self, field: &Field, event: &Event) -> bool {
        origin::covers(field, event)
    }

    fn open(&self, received: &Received) -> Result<Event, OpenError> {
        self.read(received, |payload, top| self.check(payload, top))
    }

    fn suppose(&self, received: &Received) -> Result<Event, OpenError> {
        self.read(received, |payload, top| {
            let kind = normalise::kind(top);
            let verdict = anomaly::find(payload, top, kind).map_or(Verdict::Accepted, Verdict::Quarantined);
            Ok(Checked { id: EventId::unsigned(payload.bytes()), kind, verified: false, verdict })
        })
    }
}
