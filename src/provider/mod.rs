//! CATALOG, who sends: signature schemes and payload schemas. One file per provider.
//! `open` is the only maker of an `Event`: verify, then parse.

use crate::domain::{
    event::{Event, Fields, Flags, Kept, Verdict},
    json::Document,
    name::Name,
    received::Received,
    secret::Secret,
};

mod ottu;
mod signature;
mod verification;

pub use verification::{Check, Verification};

/// A signature scheme and a payload schema.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// Verifies and reads a request.
    ///
    /// # Errors
    /// What is wrong with it; see [`OpenError`].
    fn open(&self, received: &Received) -> Result<Event, OpenError>;

    /// Whether a second payload under the signature of a first one may be forwarded: whatever decides where it goes and what
    /// it means is the same, or its state is the lawful next one.
    fn is_harmless(&self, first: &Document, again: &Document) -> bool;

    /// What a request says of itself, verified or not: for operators only.
    fn claims(&self, payload: &Document) -> Fields;
}

/// How a source's requests are verified and read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The scheme.
    pub scheme: Scheme,
    /// The keys in force, 1 to 3.
    pub secrets: Vec<Secret>,
    /// What is done with an event that has no signature.
    pub unsigned: Unsigned,
}

/// The schemes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Ottu's payments and operations.
    Ottu,
}

/// What is done with an event that has no `signature` field at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unsigned {
    /// 401.
    #[default]
    Reject,
    /// Stored, and forwarded on release.
    Quarantine,
    /// Operation events are forwarded, marked unverified; anything else is refused.
    Accept,
}

/// Why a request gives no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Neither a JSON object nor anything that the signed fields can be read from: 400.
    #[error("the body is not a JSON object")]
    Malformed,
    /// The signature is missing, is none, or is wrong under every key: 401.
    #[error("{0}")]
    Signature(SignatureError),
}

/// What is wrong with a signature. Told to operators, never to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No such field, and the source does not take unsigned events of this kind.
    #[error("there is no signature")]
    Missing,
    /// Not 64 hexadecimal characters.
    #[error("the signature is not 64 hexadecimal characters")]
    Malformed,
    /// Right form, wrong under every current key.
    #[error("the signature is wrong under every key of the source")]
    Wrong,
}

/// Why a payload cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Nothing can be added to it.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// A signed field is an array or object, for which no text is defined.
    #[error("a signed field is an array, an object or no JSON value, where text is wanted")]
    NoText,
}

/// The words a provider is known to send: what metrics tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary {
    /// Of `state`.
    pub states: &'static [&'static str],
    /// Of `result`.
    pub results: &'static [&'static str],
    /// Of `operation`.
    pub operations: &'static [&'static str],
}

/// The words of a scheme.
pub fn vocabulary(scheme: Scheme) -> &'static Vocabulary {
    match scheme {
        Scheme::Ottu => &ottu::VOCABULARY,
    }
}

/// The provider of a source.
pub fn build(source: &Name, settings: &Settings) -> Box<dyn Provider> {
    match settings.scheme {
        Scheme::Ottu => Box::new(ottu::Ottu::new(source.clone(), settings)),
    }
}

/// An event that was opened before, from what was kept of it: it was verified then, and an operator lets it go on.
pub fn restore(kept: Kept) -> Event {
    let Kept { id, source, received_at, kind, fields, body, content_type, verified, flags } = kept;
    let (payload, verdict) = (Document::read(body), Verdict::Accepted);
    Event { id, source, received_at, kind, fields, payload, content_type, verified, verdict, flags }
}

/// An event whose signature was refused when it came, and holds now.
pub fn late(event: Event) -> Event {
    let flags = event.flags.with(Flags::LATE);
    Event { flags, ..event }
}

/// The payload with a signature of that scheme added or replaced; all else stays byte for byte.
///
/// # Errors
/// There is nothing to sign; see [`SignError`].
pub fn sign(scheme: Scheme, payload: &[u8], secret: &Secret) -> Result<Vec<u8>, SignError> {
    match scheme {
        Scheme::Ottu => ottu::sign(payload, secret),
    }
}

/// Says whether and why a payload's signature holds.
pub fn verify(scheme: Scheme, payload: &[u8], secrets: &[Secret]) -> Verification {
    match scheme {
        Scheme::Ottu => ottu::verify(payload, secrets),
    }
}
