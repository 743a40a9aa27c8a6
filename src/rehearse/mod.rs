//! What would become of an event, without anything becoming of it: where it would go and why, and the tests that a rules file
//! has of itself. Pure: no I/O, no clock.

mod case;
mod coverage;
mod explain;
mod explanation;
mod judge;
mod request;
mod same;
mod sent;
mod signature;
mod subject;
mod told;

pub use case::{Answer, Case, Expect, Request, Wait};
pub use coverage::Coverage;
pub use explanation::Explanation;
pub use judge::{Mismatch, Outcome, Stage};
pub use signature::{Given, NoEvent};
pub use subject::{Destination, Source, Subject, UnknownSource};
