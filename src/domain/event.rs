//! A verified webhook, in the form that rules see. Only `provider` makes one.

use super::{clock::Timestamp, id::EventId, json::Document, name::Name};
use bytes::Bytes;

/// A webhook whose signature was checked (or whose source takes unsigned ones, see `verified`).
#[derive(Debug)]
pub struct Event {
    /// Made of the content.
    pub id: EventId,
    /// The source it came in by.
    pub source: Name,
    /// When it was received.
    pub received_at: Timestamp,
    /// The family of payload.
    pub kind: Kind,
    /// The normalised fields.
    pub fields: Fields,
    /// The payload, with the bytes received.
    pub payload: Document,
    /// The content type received.
    pub content_type: Option<Box<str>>,
    /// Whether a signature was there and held.
    pub verified: bool,
    /// Whether it may be forwarded.
    pub verdict: Verdict,
    /// What is worth telling a destination about it.
    pub flags: Flags,
}

/// What is kept of an event: all that it is made of again, once an operator lets it go on.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named after the fields of `Event`")]
pub struct Kept {
    pub id: EventId,
    pub source: Name,
    pub received_at: Timestamp,
    pub kind: Kind,
    pub fields: Fields,
    pub body: Bytes,
    pub content_type: Option<Box<str>>,
    pub verified: bool,
    pub flags: Flags,
}

impl Event {
    /// The text of a normalised field; absent where it is missing or empty.
    pub fn normal(&self, field: Normal) -> Option<&str> {
        let fields = &self.fields;
        let text = match field {
            Normal::From => return Some(&self.source),
            Normal::Kind => return Some(self.kind.as_str()),
            Normal::State => &fields.state,
            Normal::Result => &fields.result,
            Normal::Operation => &fields.operation,
            Normal::Amount => &fields.amount,
            Normal::CurrencyCode => &fields.currency_code,
            Normal::ReferenceNumber => &fields.reference_number,
            Normal::SessionId => &fields.session_id,
            Normal::OrderNo => &fields.order_no,
            Normal::GatewayAccount => &fields.gateway_account,
            Normal::GatewayName => &fields.gateway_name,
            Normal::IsSandbox => &fields.is_sandbox,
        };
        text.as_deref().filter(|text| !text.is_empty())
    }
}

/// The family of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Has a `state` at top level.
    Payment,
    /// A refund, void, capture and the like.
    Operation,
    /// Neither; can still be matched on its own fields.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Payment, Self::Operation, Self::Other];

    /// As rules and labels write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Operation => "operation",
            Self::Other => "other",
        }
    }
}

/// The normalised fields of an event; `None` and empty both mean absent. Amounts are text, never floats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the fields of the payload they are taken from")]
pub struct Fields {
    pub state: Option<Box<str>>,
    pub result: Option<Box<str>>,
    pub operation: Option<Box<str>>,
    pub amount: Option<Box<str>>,
    pub currency_code: Option<Box<str>>,
    pub reference_number: Option<Box<str>>,
    pub session_id: Option<Box<str>>,
    pub order_no: Option<Box<str>>,
    pub gateway_account: Option<Box<str>>,
    pub gateway_name: Option<Box<str>>,
    pub is_sandbox: Option<Box<str>>,
}

impl Fields {
    /// The texts of those that are there.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let all = [
            &self.state,
            &self.result,
            &self.operation,
            &self.amount,
            &self.currency_code,
            &self.reference_number,
            &self.session_id,
            &self.order_no,
            &self.gateway_account,
            &self.gateway_name,
            &self.is_sandbox,
        ];
        all.into_iter().filter_map(Option::as_deref)
    }
}

/// The names that rules use for what was normalised; any other name is a path into the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named after the fields of `Fields`")]
pub enum Normal {
    From,
    Kind,
    State,
    Result,
    Operation,
    Amount,
    CurrencyCode,
    ReferenceNumber,
    SessionId,
    OrderNo,
    GatewayAccount,
    GatewayName,
    IsSandbox,
}

impl Normal {
    /// All names.
    pub const ALL: [Self; 13] = [
        Self::From,
        Self::Kind,
        Self::State,
        Self::Result,
        Self::Operation,
        Self::Amount,
        Self::CurrencyCode,
        Self::ReferenceNumber,
        Self::SessionId,
        Self::OrderNo,
        Self::GatewayAccount,
        Self::GatewayName,
        Self::IsSandbox,
    ];

    /// As the rules file writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::Kind => "kind",
            Self::State => "state",
            Self::Result => "result",
            Self::Operation => "operation",
            Self::Amount => "amount",
            Self::CurrencyCode => "currency_code",
            Self::ReferenceNumber => "reference_number",
            Self::SessionId => "session_id",
            Self::OrderNo => "order_no",
            Self::GatewayAccount => "gateway_account",
            Self::GatewayName => "gateway_name",
            Self::IsSandbox => "is_sandbox",
        }
    }

    /// The field of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }
}

/// Whether an event may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Goes where the rules say.
    Accepted,
    /// Stored, answered as if accepted, and forwarded only when an operator releases it.
    Quarantined(Reason),
}

/// Why an event is in quarantine (provider-ottu §5, in the order of the checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not strict JSON, though the signed fields can be read and verify.
    NotStrictJson,
    /// No signed field has a value: the signature proves nothing.
    EmptyMessage,
    /// A key twice at top level or inside `txn`.
    DuplicateKey,
    /// Two top-level keys that differ only in case.
    CaseTwin,
    /// A signed field that is neither text nor an integer where one is usual.
    SignedType,
    /// A control character in a signed value.
    ControlCharacter,
    /// An amount that is none.
    Amount,
    /// A currency code that is not three letters.
    Currency,
    /// A state or result of unusual characters or length.
    StateOrResult,
    /// A signed value that contains the name of another signed field: the message could be read in two ways.
    Ambiguous,
    /// No signature, at a source that quarantines such events.
    Unsigned,
    /// Another body with a signature seen before.
    Variant,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 12] = [
        Self::NotStrictJson,
        Self::EmptyMessage,
        Self::DuplicateKey,
        Self::CaseTwin,
        Self::SignedType,
        Self::ControlCharacter,
        Self::Amount,
        Self::Currency,
        Self::StateOrResult,
        Self::Ambiguous,
        Self::Unsigned,
        Self::Variant,
    ];

    /// As labels, the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStrictJson => "not_strict_json",
            Self::EmptyMessage => "empty_message",
            Self::DuplicateKey => "duplicate_key",
            Self::CaseTwin => "case_twin",
            Self::SignedType => "signed_type",
            Self::ControlCharacter => "control_character",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::StateOrResult => "state_or_result",
            Self::Ambiguous => "ambiguous",
            Self::Unsigned => "unsigned",
            Self::Variant => "variant",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// What a destination is told about an event, in the header `hookgate-flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// A variant that differs only in unimportant fields.
    pub const RENOTIFIED: Self = Self(1);
    /// The same bytes again, long after they were delivered.
    pub const REPEATED: Self = Self(1 << 1);
    /// An operator sent it again.
    pub const REPLAYED: Self = Self(1 << 2);
    /// An operator released it from quarantine.
    pub const RELEASED: Self = Self(1 << 3);
    /// Its signature verified only after a reload.
    pub const LATE: Self = Self(1 << 4);
    /// A signed field came as a number.
    pub const TYPED: Self = Self(1 << 5);
    /// An earlier event of the same order key was overtaken.
    pub const OUT_OF_ORDER: Self = Self(1 << 6);

    /// An operator closed it: never forwarded, so no destination sees this.
    pub const DISCARDED: Self = Self(1 << 7);

    /// Only a part of it is kept, in quarantine: never forwarded, so no destination sees this.
    pub const TRUNCATED: Self = Self(1 << 8);

    const NAMES: [&str; 9] = ["renotified", "repeated", "replayed", "released", "late", "typed", "out-of-order", "discarded", "truncated"];

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other set are in this one.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As the store keeps them.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// From what the store kept.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0x1ff)
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}
