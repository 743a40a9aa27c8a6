//! What the rules decided for one event.

use super::{name::Name, order::OrderKey};
use std::time::Duration;

/// Where an event goes and what the provider is answered. Decided once, when the event is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Each destination once, in the order in which the rules named them.
    pub targets: Vec<Target>,
    /// All rules that matched, taps and drops too, in the order of the file.
    pub rules: Vec<Name>,
    /// What kind of match it was.
    pub routing: Routing,
    /// What the provider is answered.
    pub answer: Respond,
}

/// An answer to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Respond {
    /// That code, as soon as the event is stored.
    Now(u16),
    /// A code that a destination decides.
    After(Wait),
}

/// An answer that waits for the first attempt at one delivery of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Where that delivery goes: one of the plan's targets.
    pub destination: Name,
    /// How long the answer waits, from the first byte of its request.
    pub within: Duration,
    /// The code where the attempt succeeds in time.
    pub ok: u16,
    /// The code where it fails, is not done in time, or cannot be made now.
    pub otherwise: u16,
}

/// One destination of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub destination: Name,
    /// The rules that send the event there.
    pub rules: Vec<Name>,
    /// What it is kept in order by there; `None`: by nothing.
    pub order: Option<OrderKey>,
}

/// Whether a rule that is no tap matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Routing {
    /// At least one rule sends it somewhere.
    Routed,
    /// A rule matched that drops it, and none sends it anywhere.
    Dropped,
    /// No rule but taps matched.
    Unmatched,
}

impl Routing {
    /// As the API and the command line write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Dropped => "dropped",
            Self::Unmatched => "unmatched",
        }
    }
}

impl Plan {
    /// The same answer, and no destination: of an event that is kept back.
    #[must_use]
    pub fn answer_only(self) -> Self {
        let answer = Respond::Now(self.answer.without_wait());
        Self { targets: Vec::new(), rules: Vec::new(), answer, ..self }
    }
}

impl Respond {
    /// The code where nobody waits.
    pub fn without_wait(&self) -> u16 {
        match self {
            Self::Now(code) => *code,
            Self::After(wait) => wait.otherwise,
        }
    }

    /// The wait, where there is one.
    pub fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Now(_) => None,
            Self::After(wait) => Some(wait),
        }
    }

    /// Every code that it may come to.
    pub fn codes(&self) -> impl Iterator<Item = u16> {
        let (first, second) = match self {
            Self::Now(code) => (*code, None),
            Self::After(wait) => (wait.ok, Some(wait.otherwise)),
        };
        std::iter::once(first).chain(second)
    }
}
