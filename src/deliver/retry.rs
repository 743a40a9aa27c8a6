//! When a failed delivery is tried again, and when no more. Pure.

use std::time::Duration;

/// The schedule of a delivery's attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The delay after the first failure, before jitter.
    pub initial_interval: Duration,
    /// Each delay is this many times the one before.
    pub multiplier: f64,
    /// No delay is longer.
    pub max_interval: Duration,
    /// How the delays of many deliveries are spread.
    pub jitter: Jitter,
    /// Attempts in one run, the first included.
    pub max_attempts: u32,
    /// The longest a run may take, by its attempts and delays.
    pub max_elapsed: Duration,
}

/// How a delay is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Anywhere from zero to the delay.
    Full,
    /// Anywhere from half the delay to the delay.
    Equal,
    /// The delay itself.
    None,
}
