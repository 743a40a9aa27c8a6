//! Operators: metrics, health and the API.

use crate::domain::secret::Secret;
use std::net::SocketAddr;

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The token of the API; `None`: made at first start, in the store's folder.
    pub token: Option<Secret>,
    /// Hosts that requests may name besides the listen address.
    pub hosts: Vec<String>,
}
