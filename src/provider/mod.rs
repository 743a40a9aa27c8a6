//! CATALOG, who sends: signature schemes and payload schemas. One file per provider; docs/providers.md says how to add one.
//! `open` is the only maker of an `Event`: verify, then parse.

use crate::domain::{
    event::{Event, Fields, Flags, Kept, Verdict},
    field::Field,
    json::Document,
    name::Name,
    quantity::show_duration,
    received::Received,
    secret::Secret,
};
use http::HeaderName;
use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

pub mod hmac;
pub mod ottu;

mod expected;
mod headers;
mod mapped;
mod origin;
mod signature;
mod standard_webhooks;
mod verification;

pub use expected::{Expected, Texts};
pub use mapped::Mapping;
pub use origin::Origin;
pub use signature::{Algorithm, Encoding};
pub use verification::{Check, Verification};

/// A signature scheme and a payload schema.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// Verifies and reads a request.
    ///
    /// # Errors
    /// What is wrong with it; see [`OpenError`].
    fn open(&self, received: &Received) -> Result<Event, OpenError>;

    /// The event that a request would be if its signature held: for explanations and for tests of rules, never for what is
    /// forwarded. Nothing of it is verified, and its id is of no meaning; where its signature would not keep it from being
    /// quarantined, the verdict says so.
    ///
    /// # Errors
    /// [`OpenError::Malformed`]: its body cannot be an event of this provider.
    fn suppose(&self, received: &Received) -> Result<Event, OpenError>;

    /// Whether a second payload under the signature of a first one may be forwarded: whatever decides where it goes and what
    /// it means is the same, or its state is the lawful next one.
    fn is_harmless(&self, first: &Document, again: &Document) -> bool;

    /// What a request says of itself, verified or not: for operators only.
    fn claims(&self, payload: &Document) -> Fields;

    /// Where the normalised fields of an event of this provider were found: of those that are there and that the payload
    /// decides.
    fn origins(&self, event: &Event) -> Vec<Origin>;

    /// Whether a signature that holds proves what the event says there, or that it says nothing there.
    fn covers(&self, field: &Field, event: &Event) -> bool;
}

/// How a source's requests are verified and read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The scheme.
    pub scheme: Scheme,
    /// The keys in force, 1 to 3.
    pub secrets: Vec<Secret>,
    /// What is done with an event of Ottu that has no signature; from other providers there is none.
    pub unsigned: Unsigned,
}

/// The schemes there are, with what their payloads and signatures need to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Ottu's payments and operations.
    Ottu,
    /// Standard Webhooks 1.0.
    StandardWebhooks(Mapping),
    /// An HMAC of the body in a header.
    Hmac(hmac::Form, Mapping),
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Neither a JSON object nor anything that the signed fields can be read from: 400.
    #[error("the body is not a JSON object")]
    Malformed,
    /// The signature is missing, is none, or is wrong under every key: 401.
    #[error("{0}")]
    Signature(SignatureError),
}

/// What is wrong with a signature. Told to operators, never to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No such field, and the source does not take unsigned events of this kind.
    #[error("there is no field `signature`")]
    Missing,
    /// Not 64 hexadecimal characters.
    #[error("`signature` is not 64 hexadecimal characters")]
    Malformed,
    /// Right form, wrong under every current key.
    #[error("`signature` is wrong under every key of the source")]
    Wrong,
    /// Of a signature that is not in the payload.
    #[error("`{name}` {fault}")]
    Header {
        /// The header concerned.
        name: HeaderName,
        /// What is wrong with it.
        fault: HeaderFault,
    },
}

/// What is wrong with a header that is part of a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// There is none.
    #[error("is not there")]
    Missing,
    /// There are several, of which one would have to be believed.
    #[error("is there more than once")]
    Repeated,
    /// It has not the form that is wanted.
    #[error("is not {0}")]
    Malformed(Cow<'static, str>),
    /// Right form, wrong under every current key.
    #[error("is wrong under every key of the source")]
    Wrong,
    /// Its time, which is signed, is too long ago: somebody sends an old request again, or a clock is wrong.
    #[error("is {} before the request came, which is more than {}", show_duration(*.by), show_duration(*.tolerance))]
    Stale {
        /// How long before the request came, in whole seconds.
        by: Duration,
        /// How long is allowed.
        tolerance: Duration,
    },
    /// Its time, which is signed, is still to come: a clock is wrong.
    #[error("is {} after the request came, which is more than {}", show_duration(*.by), show_duration(*.tolerance))]
    Ahead {
        /// How long after the request came, in whole seconds.
        by: Duration,
        /// How long is allowed.
        tolerance: Duration,
    },
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

impl Scheme {
    /// The provider, as the rules file calls it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ottu => "ottu",
            Self::StandardWebhooks(_) => "standard-webhooks",
            Self::Hmac(..) => "hmac",
        }
    }

    /// The codes that tell the sender that its event was taken.
    pub fn answers(&self) -> RangeInclusive<u16> {
        match self {
            Self::Ottu => 200..=201,
            Self::StandardWebhooks(_) | Self::Hmac(..) => 200..=299,
        }
    }

    /// The words that its senders are known to use.
    pub fn vocabulary(&self) -> &'static Vocabulary {
        match self {
            Self::Ottu => &ottu::VOCABULARY,
            Self::StandardWebhooks(_) | Self::Hmac(..) => &Vocabulary { states: &[], results: &[], operations: &[] },
        }
    }
}

/// The provider of a source.
pub fn build(source: &Name, settings: &Settings) -> Box<dyn Provider> {
    let (source, secrets) = (source.clone(), &settings.secrets);
    match &settings.scheme {
        Scheme::Ottu => Box::new(ottu::Ottu::new(source, settings)),
        Scheme::StandardWebhooks(mapping) => Box::new(standard_webhooks::StandardWebhooks::new(source, secrets, mapping.clone())),
        Scheme::Hmac(form, mapping) => Box::new(hmac::Hmac::new(source, secrets, form.clone(), mapping.clone())),
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
