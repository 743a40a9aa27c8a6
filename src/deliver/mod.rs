//! STAGE 3, back door: leased deliveries are attempted, each destination in a lane of its own,
//! so that a dead or slow one never delays another.

use crate::domain::{
    clock::Timestamp,
    event::{Event, Kept},
    name::Name,
    quantity::Rate,
    status_set::StatusSet,
};
use std::time::Duration;

mod attempt;
pub mod breaker;
mod caught;
mod gate;
pub mod lanes;
mod patience;
mod queue;
mod rate;
mod refill;
pub mod retry;
mod schedule;
mod timer;
mod track;
pub mod watch;
mod worker;

/// Makes the event of what is kept of it, for destinations that ask for its fields.
pub type Open = fn(Kept) -> Event;

/// How a lane works and what follows a failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Attempts at the same time.
    pub concurrency: usize,
    /// When a failed delivery is tried again, and when no more.
    pub retry: retry::Retry,
    /// The answers after which a delivery is dead at once.
    pub give_up_on: StatusSet,
    /// When a destination that fails is left alone; `None`: never.
    pub breaker: Option<breaker::Settings>,
    /// How long a delivery that is kept in order holds back those behind it, from its first failure on.
    pub order_wait: Duration,
    /// Attempts that start per time; `None`: as many as can be.
    pub rate_limit: Option<Rate>,
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
    pub paused_by_file: bool,
    /// Whether an operator pauses it.
    pub paused_by_operator: bool,
    /// Until when the destination asked us to stay away, where it did.
    pub held_until: Option<Timestamp>,
    /// What is learnt of the destination.
    pub breaker: breaker::BreakerState,
    /// When an open breaker is probed next.
    pub next_probe_at: Option<Timestamp>,
    /// Mean time of the last attempts, in milliseconds.
    pub latency_ms: Option<u64>,
}

impl LaneState {
    /// Whether anybody pauses it.
    pub fn is_paused(&self) -> bool {
        self.paused_by_file || self.paused_by_operator
    }
}
