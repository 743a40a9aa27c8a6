//! What comes of an answer that waits for a delivery.

/// What came of the first attempt that ended while somebody waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The destination has the event.
    Confirmed,
    /// The attempt failed.
    Failed,
    /// No attempt can be made now, so it was not waited for.
    NotNow(NotNow),
    /// None had ended in time.
    Late,
}

/// Why no attempt can be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// The destination is paused.
    Paused,
    /// It failed too often and gets nothing but probes, and this is none.
    BreakerOpen,
    /// It asked to be left alone for longer than is waited.
    Held,
    /// The delivery failed before, and is not tried again so soon.
    Retrying,
    /// An earlier one that it is kept in order with failed, and is to be tried again first.
    Behind,
    /// The delivery was given up, parked or closed.
    Over,
    /// The rules file no longer has the destination, or the gateway stops.
    NotServed,
}

impl Waited {
    /// All [outcomes](Self::outcome).
    pub const OUTCOMES: [&str; 3] = ["confirmed", "failed", "timeout"];

    /// As metrics and the log name it.
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Confirmed => Self::OUTCOMES[0],
            Self::Failed | Self::NotNow(_) => Self::OUTCOMES[1],
            Self::Late => Self::OUTCOMES[2],
        }
    }

    /// Why it was not waited for, where it was not.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::NotNow(reason) => Some(reason.as_str()),
            Self::Confirmed | Self::Failed | Self::Late => None,
        }
    }
}

impl NotNow {
    /// As the log names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::BreakerOpen => "breaker open",
            Self::Held => "held by retry-after",
            Self::Retrying => "waits for its retry",
            Self::Behind => "behind one that waits for its retry",
            Self::Over => "given up, parked or closed",
            Self::NotServed => "not served",
        }
    }
}
