//! What the measurements of a running gateway share: a sender that counts, a service that counts, and the actors of the stories.

#[path = "../../tests/it/support/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the actors of the stories, of whom a measurement needs a few")]
pub mod support;

use std::time::Duration;

pub mod filling;
pub mod sender;
pub mod service;

/// The middle one; the mean of the two in the middle would be no measured value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The number that a measurement is given behind `--`, or a default.
pub fn count(default: usize) -> usize {
    std::env::args().skip(1).find_map(|argument| argument.replace('_', "").parse().ok()).unwrap_or(default)
}

/// How long a process has kept processors busy so far, the system's code for it included; the system counts in steps of 10 ms.
pub fn busy(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let fields = stat.rsplit(") ").next().expect("the name of the program ends").split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}
