//! What the rules decided for one event.

use super::name::Name;

/// Where an event goes and what the provider is answered. Decided once, when the event is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Each destination once, in the order in which the rules named them.
    pub targets: Vec<Target>,
    /// All rules that matched, taps and drops too, in the order of the file.
    pub rules: Vec<Name>,
    /// What kind of match it was.
    pub routing: Routing,
    /// The status code of the answer.
    pub answer: u16,
}

/// One destination of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub destination: Name,
    /// The rules that send the event there.
    pub rules: Vec<Name>,
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

impl Plan {
    /// The same answer, and no destination: of an event that is kept back.
    #[must_use]
    pub fn answer_only(self) -> Self {
        Self { targets: Vec::new(), rules: Vec::new(), ..self }
    }
}
