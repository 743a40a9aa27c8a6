//! Per destination: what waits, what is in flight, when the next is due.

use super::{LaneState, Policy};
use crate::{
    destination::Destination,
    domain::{clock::Clock, delivery::Lease, name::Name},
    metrics::Metrics,
    store::Store,
};
use std::sync::Arc;

/// A destination with its policy.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub name: Name,
    /// How it is worked.
    pub policy: Policy,
    /// What makes the requests.
    pub destination: Box<dyn Destination>,
}

/// All lanes.
#[derive(Debug)]
pub struct Lanes {}

impl Lanes {
    /// Starts the lanes; each asks the store for what is waiting. Must run on a tokio runtime.
    pub fn start(lanes: Vec<Lane>, store: Arc<dyn Store>, clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        let _ = (lanes, store, clock, metrics);
        todo!("deliver")
    }
    /// Takes leased deliveries. Cheap; never waits.
    pub fn push(&self, leases: Vec<Lease>) {
        let _ = leases;
        todo!("deliver")
    }
    /// Tells a lane that deliveries are due in the store (deferred by `append`, or made due by `retry`).
    pub fn wake(&self, destination: &Name) {
        let _ = destination;
        todo!("deliver")
    }
    /// The lanes as operators see them, in the order of the rules file.
    pub fn states(&self) -> Vec<LaneState> {
        todo!("deliver")
    }
    /// Starts no more attempts, and returns when those in flight have ended and are settled.
    pub async fn drain(&self) {
        todo!("deliver")
    }
}
