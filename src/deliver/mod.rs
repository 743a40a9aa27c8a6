//! STAGE 3, back door: leased deliveries are attempted, each destination in a lane of its own,
//! so that a dead or slow one never delays another.

use crate::domain::{name::Name, status_set::StatusSet};

mod attempt;
mod caught;
pub mod lanes;
mod patience;
mod queue;
mod refill;
pub mod retry;
mod track;
mod worker;

/// How a lane works and what follows a failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Attempts at the same time.
    pub concurrency: usize,
    /// When a failed delivery is tried again, and when no more.
    pub retry: retry::Retry,
    /// The answers after which a delivery is dead at once.
    pub give_up_on: StatusSet,
    /// Whether the lane stands still.
    pub paused: bool,
}

/// A destination's lane as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    /// The destination.
    pub destination: Name,
    /// Leased and waiting in memory.
    pub queued: usize,
    /// Being attempted.
    pub in_flight: usize,
    /// Whether the rules file pauses it.
    pub paused: bool,
    /// Mean time of the last attempts, in milliseconds.
    pub latency_ms: Option<u64>,
}
