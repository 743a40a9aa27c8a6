//! What would become of an event, without anything becoming of it: the tests that a rules file has of itself. Pure: no I/O,
//! no clock.

mod case;
mod coverage;
mod judge;
mod told;

pub use case::{Answer, Case, Expect, Wait};
pub use coverage::Coverage;
pub use judge::{Mismatch, Outcome, Stage};
