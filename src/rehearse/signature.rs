//! From a payload to its event, and what its signature is worth.

use super::Source;
use crate::{
    domain::{
        event::{Event, Verdict},
        received::Received,
    },
    provider::{self, OpenError, Scheme, SignatureError},
};

/// Where a payload comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// As a provider sent it, byte for byte.
    Received,
    /// It is a sample, or was changed here: its own signature is of no meaning.
    Made,
    /// A test of a rules file has it: such a test is of the rules alone.
    Supposed,
}

/// No event can be made of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not a JSON object, and no event of this provider can be anything else")]
pub struct NoEvent;

/// What is known of an event's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signature {
    /// It is right.
    Holds,
    /// It was right when the event came.
    Held,
    /// There is none, and the source takes such events.
    Absent,
    /// The event would be refused for it.
    Refused(SignatureError),
    /// The event would be refused: it is no strict JSON, and no signature can be read from it.
    Unreadable,
    /// It was not looked at, and why.
    NotChecked(&'static str),
}

/// The event of a payload, whatever its signature is worth; and its verdict, as far as the signature lets it come.
pub(super) fn open(source: &Source, received: &Received, given: Given) -> Result<(Event, Signature), NoEvent> {
    let provider = provider::build(&source.name, &source.provider);
    let supposed = |signature| provider.suppose(received).map(|event| (event, signature)).map_err(|_| NoEvent);
    if let Some(why) = unchecked(&source.provider.scheme) {
        return supposed(Signature::NotChecked(why));
    }
    if given == Given::Supposed {
        return supposed(Signature::NotChecked("a test is of the rules alone"));
    }
    match (provider.open(received), given) {
        (Ok(event), _) if event.verified => Ok((event, Signature::Holds)),
        (Ok(event), _) => Ok((event, Signature::Absent)),
        (Err(OpenError::Malformed), _) => supposed(Signature::Unreadable),
        (Err(OpenError::Signature(SignatureError::Wrong)), _) if source.provider.secrets.is_empty() => {
            supposed(Signature::NotChecked("the key of the source is not set here"))
        }
        (Err(OpenError::Signature(SignatureError::Wrong | SignatureError::Malformed)), Given::Made) => {
            supposed(Signature::NotChecked("the payload is a sample, or was changed here"))
        }
        (Err(OpenError::Signature(cause)), _) => supposed(Signature::Refused(cause)),
    }
}

/// Why a payload alone says nothing of its signature.
fn unchecked(scheme: &Scheme) -> Option<&'static str> {
    match scheme {
        Scheme::Ottu => None,
        Scheme::StandardWebhooks(_) | Scheme::Hmac(..) => Some("this provider signs in headers, and a payload alone has none"),
    }
}

/// What the gateway makes of an event, before it looks at the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reception {
    /// It is stored, and what is said of it tells whether it is forwarded.
    Taken(Verdict),
    /// It is answered with that code and not stored.
    Refused(u16),
}

impl Signature {
    pub(super) fn reception(&self, event: &Event) -> Reception {
        match self {
            Self::Holds | Self::Held | Self::Absent | Self::NotChecked(_) => Reception::Taken(event.verdict),
            Self::Refused(_) => Reception::Refused(401),
            Self::Unreadable => Reception::Refused(400),
        }
    }

    /// Whether what the provider signs is proven, or would be.
    pub(super) fn proves(&self) -> bool {
        match self {
            Self::Holds | Self::Held | Self::Refused(_) | Self::Unreadable | Self::NotChecked(_) => true,
            Self::Absent => false,
        }
    }

    /// Whether the event's id is known, which is made of it.
    pub(super) fn tells_id(&self) -> bool {
        match self {
            Self::Holds | Self::Held | Self::Absent => true,
            Self::Refused(_) | Self::Unreadable | Self::NotChecked(_) => false,
        }
    }
}
