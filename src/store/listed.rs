//! Events as lists and operators see them, and how they are asked for.

use crate::domain::{
    attempt::Attempt,
    clock::Timestamp,
    delivery::{DeliveryStatus, Seq},
    event::{Flags, Kept, Kind, Verdict},
    id::EventId,
    name::Name,
    plan::Routing,
};
use bytes::Bytes;

/// An event as lists show it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named after the fields of `Event` and `Plan`")]
pub struct EventSummary {
    pub seq: Seq,
    pub id: EventId,
    /// The first event with its signature, of one that is not the first itself.
    pub first: Option<EventId>,
    pub source: Name,
    pub kind: Kind,
    pub fields: crate::domain::event::Fields,
    pub received_at: Timestamp,
    pub verdict: Verdict,
    pub verified: bool,
    pub flags: Flags,
    pub routing: Routing,
    pub answer: Option<u16>,
    pub rules: Vec<Name>,
    /// How often the same bytes came again.
    pub duplicates: u32,
    pub deliveries: Vec<DeliverySummary>,
}

/// A delivery as lists show it.
#[derive(Debug, Clone)]
pub struct DeliverySummary {
    /// Where it goes.
    pub destination: Name,
    /// The rules that send it there.
    pub rules: Vec<Name>,
    /// Its state.
    pub status: DeliveryStatus,
    /// Attempts made.
    pub attempts: u32,
    /// When it is tried next, of a failed one; of one that is held back, when that ends at the latest, where it is known.
    pub next_attempt_at: Option<Timestamp>,
    /// The event that holds it back: an earlier one that it is kept in order with.
    pub waits_for: Option<EventId>,
    /// The last attempt.
    pub last: Option<Attempt>,
}

impl DeliverySummary {
    /// One that waits in memory for its first attempt.
    pub(super) fn leased(destination: Name, rules: Vec<Name>) -> Self {
        let (status, next_attempt_at, waits_for, last) = (DeliveryStatus::Waiting, None, None, None);
        Self { destination, rules, status, attempts: 0, next_attempt_at, waits_for, last }
    }
}

/// An event with everything that is known of it, but its body.
#[derive(Debug, Clone)]
pub struct EventDetail {
    /// As in lists.
    pub summary: EventSummary,
    /// The content type received.
    pub content_type: Option<Box<str>>,
    /// All attempts with their destinations, in the order in which they were made.
    pub attempts: Vec<(Name, Attempt)>,
}

/// The one status of an event: quarantined, waiting, dead, unmatched, dropped or delivered, whichever of them comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the doc of the enum names them in their order")]
pub enum EventStatus {
    Quarantined,
    Waiting,
    Dead,
    Unmatched,
    Dropped,
    Delivered,
}

impl EventStatus {
    /// All of them, the strongest first.
    pub const ALL: [Self; 6] = [Self::Quarantined, Self::Waiting, Self::Dead, Self::Unmatched, Self::Dropped, Self::Delivered];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Unmatched => "unmatched",
            Self::Dropped => "dropped",
            Self::Delivered => "delivered",
        }
    }
}

impl EventDetail {
    /// With its body, what a provider makes the event of again.
    pub fn kept(self, body: Bytes) -> Kept {
        let EventSummary { id, source, received_at, kind, fields, verified, flags, .. } = self.summary;
        Kept { id, source, received_at, kind, fields, body, content_type: self.content_type, verified, flags }
    }
}

impl EventSummary {
    /// Its one status. Parked deliveries count as waiting, discarded ones as delivered.
    pub fn status(&self) -> EventStatus {
        let any = |wanted: &[DeliveryStatus]| self.deliveries.iter().any(|delivery| wanted.contains(&delivery.status));
        if matches!(self.verdict, Verdict::Quarantined(_)) {
            EventStatus::Quarantined
        } else if any(&[DeliveryStatus::Waiting, DeliveryStatus::Retrying, DeliveryStatus::Parked]) {
            EventStatus::Waiting
        } else if any(&[DeliveryStatus::Dead]) {
            EventStatus::Dead
        } else {
            match self.routing {
                Routing::Unmatched => EventStatus::Unmatched,
                Routing::Dropped => EventStatus::Dropped,
                Routing::Routed => EventStatus::Delivered,
            }
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// As operators look at events.
    #[default]
    NewestFirst,
    /// As they were accepted.
    OldestFirst,
}

/// Which events to list. All that is set has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "named after the query of the API")]
pub struct Query {
    pub from: Option<String>,
    pub kind: Option<Kind>,
    pub state: Option<String>,
    pub result: Option<String>,
    pub operation: Option<String>,
    pub reference: Option<String>,
    pub session: Option<String>,
    pub order: Option<String>,
    /// With `destination`: of that delivery (waiting, dead, delivered); else of the event.
    pub status: Option<EventStatus>,
    pub rule: Option<String>,
    pub destination: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// At most so many; the engine may give fewer and a cursor.
    pub limit: usize,
    /// Only events behind this one, in the order of the list.
    pub cursor: Option<Seq>,
    pub direction: Direction,
    /// Only events that were accepted up to this one.
    pub last: Option<Seq>,
}

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In the order that was asked for.
    pub events: Vec<EventSummary>,
    /// How many rows could not be read, and are left out.
    pub damaged: u64,
    /// Where the next page starts; `None`: this was the last one.
    pub next: Option<Seq>,
}
