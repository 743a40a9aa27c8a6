//! A request that was refused for its signature, as operators see it.

use super::{clock::Timestamp, event::Fields, name::Name};
use std::net::IpAddr;

/// What is told of it. Nothing in it was verified: anybody can have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// When its body was whole.
    pub at: Timestamp,
    /// The source whose path was called.
    pub source: Name,
    /// The address it came from.
    pub peer: IpAddr,
    /// What is wrong with its signature.
    pub reason: String,
    /// The keys that were tried, as the rules file writes them: never a key itself.
    pub keys: Vec<String>,
    /// How long its body is.
    pub bytes: usize,
    /// What it says of itself.
    pub claims: Fields,
}
