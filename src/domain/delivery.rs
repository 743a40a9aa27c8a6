//! An event on its way to one destination.

use super::{
    attempt::{Attempt, Next},
    clock::Timestamp,
    event::{Event, Flags},
    id::EventId,
    name::Name,
    order::OrderKey,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// The store's key of an event: `unix milliseconds << 20 | counter`, so it is the order of acceptance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

impl Seq {
    /// The smallest key of that millisecond.
    pub const fn at(time: Timestamp) -> Self {
        Self(time.millis().saturating_mul(1 << 20))
    }
}

/// What all deliveries of one stored event share.
#[derive(Debug)]
pub struct Accepted {
    /// The store's key.
    pub seq: Seq,
    /// The public id.
    pub id: EventId,
    /// The source it came in by.
    pub source: Name,
    /// When it was received.
    pub received_at: Timestamp,
    /// The content type received.
    pub content_type: Option<Box<str>>,
    /// Whether its signature was checked and held.
    pub verified: bool,
    /// What destinations are told.
    pub flags: Flags,
    /// The first event with its signature, of one that is not the first itself.
    pub first: Option<EventId>,
}

impl Accepted {
    /// What an event would come to that was never stored.
    pub fn supposed(event: &Event) -> Self {
        Self {
            seq: Seq::default(),
            id: event.id,
            source: event.source.clone(),
            received_at: event.received_at,
            content_type: event.content_type.clone(),
            verified: event.verified,
            flags: event.flags,
            first: None,
        }
    }
}

/// The right, and the duty, to attempt one delivery. It ends with its settlement, or with the process.
#[derive(Debug)]
pub struct Lease {
    /// The event.
    pub event: Arc<Accepted>,
    /// Where it goes.
    pub destination: Name,
    /// The rules that send it there.
    pub rules: Vec<Name>,
    /// Attempts made so far, over all runs.
    pub attempts: u32,
    /// The current run of the retry policy.
    pub run: Run,
    /// What it is kept in order by: no other delivery of this key to its destination is leased meanwhile.
    pub order: Option<OrderKey>,
    /// The bytes, while there is room to keep them; else they are read from the store at the attempt.
    pub body: Option<HeldBody>,
}

/// One run through the retry policy. A retry by hand starts a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// Attempts made in this run.
    pub attempts: u32,
    /// The delays and attempts of this run, added up: the time that counts for `max_elapsed`.
    /// What counts of a delay is decided when it begins: none of it while the breaker is open, and not the time for which the
    /// destination asked to be left alone. Time in which the lane was paused or the gateway was down is in none of them.
    pub elapsed: Duration,
}

/// A body in memory, counted against the bound on such bodies until it is dropped.
#[derive(Debug)]
pub struct HeldBody {
    /// The bytes.
    pub bytes: Bytes,
    /// Its share of the bound.
    pub permit: OwnedSemaphorePermit,
}

/// What one attempt sends: all that a destination needs to make its request.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event.
    pub event: Arc<Accepted>,
    /// The rules that send it there.
    pub rules: Vec<Name>,
    /// The number of this attempt: 1, 2, …
    pub attempt: u32,
    /// When this attempt began.
    pub at: Timestamp,
    /// The bytes received.
    pub body: Bytes,
}

/// The end of a lease: what was tried and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The event.
    pub seq: Seq,
    /// The destination.
    pub destination: Name,
    /// What was tried.
    pub attempt: Attempt,
    /// The run, this attempt and the delay to the next included.
    pub run: Run,
    /// What follows.
    pub next: Next,
    /// Of a delivery that is kept in order: how long after its first failure those behind it may pass. Of any other `None`.
    pub order_wait: Option<Duration>,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// Not tried yet, or to be tried now.
    Waiting,
    /// Failed, and tried again later.
    Retrying,
    /// Done.
    Delivered,
    /// Given up.
    Dead,
    /// Its destination is no longer in the rules file.
    Parked,
    /// Closed by an operator.
    Discarded,
}

impl DeliveryStatus {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
        }
    }
}
