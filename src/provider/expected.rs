//! What the senders of a scheme are expected to send, as they document it: for telling whether a rule can ever match.
//! Nothing is refused for being something else.

use super::{Mapping, Scheme, ottu};
use crate::domain::{
    event::{Kind, Normal},
    field::Field,
};

/// What a field can be in events of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Whether it can be absent.
    pub may_be_absent: bool,
    /// The texts that it can be.
    pub texts: Texts,
}

/// A set of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// None at all.
    Nothing,
    /// Any.
    Anything,
    /// These.
    Only(&'static [&'static str]),
    /// Any but these.
    AnythingBut(&'static [&'static str]),
}

impl Expected {
    const ABSENT: Self = Self { may_be_absent: true, texts: Texts::Nothing };
    const ANYTHING: Self = Self { may_be_absent: true, texts: Texts::Anything };
    const PRESENT: Self = Self { may_be_absent: false, texts: Texts::Anything };
}

impl Scheme {
    /// The kinds of event there can be.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| match (self, kind) {
            (Self::Ottu, _) | (Self::StandardWebhooks(_) | Self::Hmac(..), Kind::Other) => true,
            (Self::StandardWebhooks(mapping) | Self::Hmac(_, mapping), Kind::Payment) => mapping.has(Normal::State),
            (Self::StandardWebhooks(mapping) | Self::Hmac(_, mapping), Kind::Operation) => mapping.has(Normal::Operation),
        })
    }

    /// What a field of such events can be. Of `from` and `kind` nothing is said here.
    pub fn expected(&self, kind: Kind, field: Normal) -> Expected {
        match self {
            Self::Ottu => of_ottu(kind, field),
            Self::StandardWebhooks(mapping) | Self::Hmac(_, mapping) => mapped(mapping, kind, field),
        }
    }

    /// The places in an event of that kind that say the field and that the signature leaves open: whoever has one signed
    /// event can write there what he likes. None where what the field says is signed, or is not the sender's to say.
    pub fn changeable(&self, kind: Kind, field: &Field) -> Vec<String> {
        match self {
            Self::Ottu => ottu::changeable(kind, field),
            // The body is signed as a whole.
            Self::StandardWebhooks(_) | Self::Hmac(..) => Vec::new(),
        }
    }

    /// The states that do not tell a payment from an operation, each with the operation that leads to it.
    pub fn shared_states(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Ottu => &ottu::SHARED_STATES,
            Self::StandardWebhooks(_) | Self::Hmac(..) => &[],
        }
    }
}

fn of_ottu(kind: Kind, field: Normal) -> Expected {
    match (kind, field) {
        (Kind::Payment, Normal::State) => Expected::PRESENT,
        (Kind::Payment, Normal::Operation) => Expected { may_be_absent: true, texts: Texts::Only(&ottu::OPERATIONS_OF_PAYMENTS) },
        (Kind::Operation, Normal::Operation) => Expected { may_be_absent: true, texts: Texts::AnythingBut(&ottu::OPERATIONS_OF_PAYMENTS) },
        (Kind::Other, Normal::State | Normal::Operation) => Expected::ABSENT,
        (Kind::Payment | Kind::Operation | Kind::Other, _) => Expected::ANYTHING,
    }
}

fn mapped(mapping: &Mapping, kind: Kind, field: Normal) -> Expected {
    match (kind, field) {
        (Kind::Payment, Normal::State) | (Kind::Operation, Normal::Operation) => Expected::PRESENT,
        (Kind::Operation | Kind::Other, Normal::State) | (Kind::Other, Normal::Operation) => Expected::ABSENT,
        (Kind::Payment | Kind::Operation | Kind::Other, field) if mapping.has(field) => Expected::ANYTHING,
        (Kind::Payment | Kind::Operation | Kind::Other, _) => Expected::ABSENT,
    }
}
