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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{clock::Timestamp, event::Event, name::Name, received::Received},
        provider::{Settings, Unsigned, build, ottu::samples::SAMPLES},
    };
    use std::net::{IpAddr, Ipv4Addr};

    fn event(payload: &'static [u8], scheme: &Scheme) -> Event {
        let source = Name::unchecked("source");
        let settings = Settings { scheme: scheme.clone(), secrets: Vec::new(), unsigned: Unsigned::Reject };
        let (body, peer) = (bytes::Bytes::from_static(payload), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let received = Received { source: source.clone(), headers: http::HeaderMap::new(), body, peer, at: Timestamp::default() };
        build(&source, &settings).suppose(&received).expect("it is an event")
    }

    fn is_expected(event: &Event, scheme: &Scheme) -> bool {
        let is_one = |field: &Normal| {
            let Expected { may_be_absent, texts } = scheme.expected(event.kind, *field);
            match (event.normal(*field), texts) {
                (None, _) => may_be_absent,
                (Some(_), Texts::Nothing) => false,
                (Some(_), Texts::Anything) => true,
                (Some(text), Texts::Only(texts)) => texts.contains(&text),
                (Some(text), Texts::AnythingBut(texts)) => !texts.contains(&text),
            }
        };
        scheme.kinds().any(|kind| kind == event.kind) && Normal::ALL[2..].iter().all(is_one)
    }

    #[test]
    fn every_sample_is_what_is_expected_of_its_kind() {
        for sample in SAMPLES {
            let event = event(sample.payload, &Scheme::Ottu);
            assert!(is_expected(&event, &Scheme::Ottu), "{}", sample.name);
            let shared = |(state, _): &&(&str, &str)| event.kind == Kind::Operation && event.normal(Normal::State) == Some(state);
            if let Some((_, operation)) = Scheme::Ottu.shared_states().iter().find(shared) {
                assert_eq!(event.normal(Normal::Operation), Some(*operation), "{}", sample.name);
            }
        }
    }

    #[test]
    fn what_is_mapped_is_what_is_expected() {
        let mapping = |names: &[Normal]| {
            let mut mapping = Mapping::default();
            names.iter().for_each(|name| mapping.insert(*name, crate::domain::path::Path::parse(name.as_str()).expect("a path")));
            Scheme::StandardWebhooks(mapping)
        };
        for scheme in [
            mapping(&[]),
            mapping(&[Normal::State]),
            mapping(&[Normal::Operation, Normal::Amount]),
            mapping(&[Normal::State, Normal::Operation, Normal::Result]),
        ] {
            for payload in ["{}", r#"{"state":"s"}"#, r#"{"operation":"o","amount":1}"#, r#"{"state":"s","operation":"o","result":"r"}"#] {
                assert!(is_expected(&event(payload.as_bytes(), &scheme), &scheme), "{payload} {scheme:?}");
            }
        }
    }
}
