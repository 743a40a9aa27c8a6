//! CATALOG, where accepted work lives. The seam is small and the same for every engine:
//! one set of contract tests (`tests/it/store_contract.rs`) runs against each of them.

use crate::{
    domain::{
        clock::{Clock, Timestamp},
        delivery::{Lease, Seq, Settlement},
        event::{Event, Kept},
        id::EventId,
        name::Name,
        plan::{Plan, Respond},
    },
    metrics::Metrics,
};
use bytes::Bytes;
use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

mod bulk;
mod listed;
mod replays;
pub mod sqlite;
pub mod token;

pub use bulk::{BULK_AHEAD, BULKS, Bulk, BulkId, BulkOrder, BulkState, BulkStep, Stepped, Tally, Which};
pub use listed::{DeliverySummary, Direction, EventDetail, EventStatus, EventSummary, Page, Query};
pub use replays::{Aim, Replayed, Selection};

/// What a call to the store gives: boxed, since the store is a trait object.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// How many leases of one destination are out at most; beyond it deliveries wait as rows, but for those that an answer waits for.
pub const WINDOW: usize = 2048;

/// How many bodies of one signature are stored within 24 h, the first included.
pub const BODIES_PER_SIGNATURE: usize = 20;

/// Of the disk, events in quarantine may take one part in so many; of what comes beyond, a part is kept.
pub const QUARANTINE_SHARE: u64 = 20;

/// So many bytes of the disk are held in reserve, and given up first when it is full.
pub const RESERVE: u64 = 64 << 20;

/// Where the store is and how long it keeps what is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The data folder.
    pub path: PathBuf,
    /// How long finished events are kept: every delivery delivered or discarded, or the event dropped.
    pub keep: Duration,
    /// How long dead, unmatched, quarantined and parked events are kept. Waiting ones stay for ever.
    pub keep_unresolved: Duration,
}

/// A durable place for events and their deliveries.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Stores the event with its plan and leases its deliveries, or finds that it is known. Resolves when that is durable.
    /// A failing disk is waited for: the call ends with an error only when the store is closed.
    fn append(&self, new: NewEvent) -> Answer<'_, Appended>;

    /// Leases up to `max` deliveries of the destination that are due and not leased yet, the longest due first. Of those that are
    /// [kept in order](crate::domain::plan::Target::order) by one key one is leased at a time: the first, unless it has failed
    /// for longer than its [`Settlement::order_wait`].
    fn lease<'a>(&'a self, destination: &'a Name, max: usize) -> Answer<'a, Leased>;

    /// Takes back leases that nobody will attempt now: their deliveries wait as before, or are parked where their destination
    /// is not served. Never waits.
    fn give_back(&self, leases: Vec<Lease>);

    /// Ends leases: each attempt and the new state of its delivery in one step. Durable soon after; a crash before
    /// that lets the lease lapse, and the attempt is made again.
    fn settle(&self, settlement: Settlement) -> Answer<'_, ()>;

    /// How far a delivery is, after all that was settled before the call. Of one that was delivered and is sent again, that it
    /// was delivered.
    fn progress<'a>(&'a self, seq: Seq, destination: &'a Name) -> Answer<'a, Progress>;

    /// Notes the code that an event was answered with, where the answer had waited: only then it is not in the plan. Never
    /// waits, and is durable soon after.
    fn answered(&self, seq: Seq, code: u16);

    /// The bytes received.
    fn body(&self, seq: Seq) -> Answer<'_, Option<Bytes>>;

    /// What is kept of an event, to make it again. `None`: the store does not have it, or not its bytes.
    fn kept(&self, seq: Seq) -> Answer<'_, Option<Kept>>;

    /// One event with its deliveries and attempts.
    fn event(&self, id: EventId) -> Answer<'_, Option<EventDetail>>;

    /// Events, a page of them. What cannot be read is left out and counted.
    fn search(&self, query: Query) -> Answer<'_, Page>;

    /// Makes what is dead or waiting due now, with a fresh run of the retry policy. What is kept in order goes behind all that
    /// waits there if it was dead, and keeps its place if it waits itself.
    /// `None`: no such event. A lane that is told by [`Retried::due`] or [`Retried::held_back`] has to ask for leases.
    fn retry(&self, id: EventId, destination: Option<Name>) -> Answer<'_, Option<Retried>>;

    /// Sends the event again: begins the chosen deliveries anew, also those that are delivered, with a fresh run of the retry
    /// policy. `None`: no such event. A lane that is told by [`Retried::due`] or [`Retried::held_back`] has to ask for leases.
    fn replay(&self, id: EventId, selection: Selection) -> Answer<'_, Option<Replayed>>;

    /// Writes down that all events which a filter finds now are to be sent again. `None`: [so many](BULKS) bulk replays go on.
    fn begin_bulk(&self, order: BulkOrder) -> Answer<'_, Option<Bulk>>;

    /// Bulk replays, also those that ended within the time for which finished events are kept.
    fn bulks(&self, which: Which) -> Answer<'_, Vec<Bulk>>;

    /// Makes a step of a bulk replay, and moves its cursor with it: after a restart it goes on from there.
    /// `None`: it has ended, or is elsewhere, and nothing is done.
    fn advance(&self, step: BulkStep) -> Answer<'_, Option<Stepped>>;

    /// Ends a bulk replay, and gives it as it is then. What it began goes on. `None`: there is none with that number.
    fn cancel(&self, id: BulkId) -> Answer<'_, Option<Bulk>>;

    /// Lets a quarantined event go on with the deliveries of a plan, and flags it
    /// [`RELEASED`](crate::domain::event::Flags::RELEASED). One of which only a part is kept stays. `None`: no such event.
    fn release(&self, id: EventId, plan: Plan) -> Answer<'_, Option<Released>>;

    /// Closes what nobody will send: an event in quarantine is dropped, and dead deliveries are
    /// [discarded](crate::domain::delivery::DeliveryStatus::Discarded). `None`: no such event.
    fn discard(&self, id: EventId) -> Answer<'_, Option<Discarded>>;

    /// Says which destinations the rules file has; until it is said, all are taken to be there. From then on deliveries to
    /// any other are [parked](crate::domain::delivery::DeliveryStatus::Parked) instead of waiting: seen, counted apart, not leased, and removed after
    /// [`Settings::keep_unresolved`]. Those to a destination that is there again wait, due now, in their order, with their
    /// attempts and run as they were; its lane has to ask for leases. Leases that are out end by their settlement.
    /// Resolves when all that is durable. Much of it is done in small steps, and events come in between them; who drops
    /// the call in the middle leaves the rest to the next one.
    fn serve(&self, destinations: Vec<Name>) -> Answer<'_, ()>;

    /// Writes down that an operator pauses the destination, which needs not be served. Resolves when that is durable.
    fn pause(&self, destination: Name) -> Answer<'_, ()>;

    /// Writes down that no operator pauses the destination any more. Resolves when that is durable.
    fn resume(&self, destination: Name) -> Answer<'_, ()>;

    /// The destinations that an operator pauses. Leases of theirs are given all the same.
    fn paused(&self) -> Answer<'_, Vec<Name>>;

    /// Removes a small step of what is older than the settings say.
    fn expire(&self) -> Answer<'_, Expired>;

    /// Figures for metrics and the list of destinations.
    fn stats(&self) -> Answer<'_, Stats>;

    /// Whether events can be accepted now, and for long; the reason if not.
    fn health(&self) -> Result<(), StoreError>;

    /// Writes what is still to be written, and closes. Later calls give [`StoreError::Closed`].
    fn close(&self) -> Answer<'_, ()>;
}

/// An event on its way into the store.
#[derive(Debug)]
pub struct NewEvent {
    /// The event, with its verdict.
    pub event: Arc<Event>,
    /// What the rules decided; of an event in quarantine only the answer counts.
    pub plan: Plan,
    /// How long after its delivery the same bytes are not delivered again.
    pub dedupe: Duration,
    /// Asked where there is a first body of the same signature.
    pub judge: Arc<dyn Judge>,
}

/// Compares a body with the first one of its signature. It is asked in the step that stores the event, so it has to be quick.
pub trait Judge: Send + Sync + std::fmt::Debug {
    /// Whether it may go on.
    fn is_harmless(&self, first: Bytes, again: &Event) -> bool;
}

/// What became of an event.
#[derive(Debug)]
pub enum Appended {
    /// It is new and stored.
    Stored {
        /// Its key.
        seq: Seq,
        /// Its deliveries, to be attempted by the caller. One whose destination is not served is parked.
        leases: Vec<Lease>,
        /// Destinations whose delivery waits in the store, since their window is full, or for an earlier one that it is kept in
        /// order with; the one for which the answer waits only for the latter. Their lanes have to ask for leases.
        deferred: Vec<Name>,
        /// Whether it has the signature of an earlier event, and is harmless: then it is flagged
        /// [`RENOTIFIED`](crate::domain::event::Flags::RENOTIFIED).
        is_variant: bool,
    },
    /// The same bytes with the same signature are stored already. Counted there, and what did not get through is helped:
    /// dead deliveries are due again, waiting ones are due now (where the last attempt is 30 s old), what went nowhere is
    /// planned anew, what was delivered longer ago than [`NewEvent::dedupe`] is delivered again, flagged
    /// [`REPEATED`](crate::domain::event::Flags::REPEATED). From another source, it gets the destinations that its plan has
    /// there and that did not get it. Nothing is done for events in quarantine.
    Duplicate {
        /// The key of the first event.
        seq: Seq,
        /// The answer of the stored plan.
        answer: Respond,
        /// The delivery for which that answer waits, where it is due and nobody had its lease; to be attempted by the caller.
        lease: Option<Box<Lease>>,
        /// Destinations whose delivery is due now, or in its turn. Their lanes have to ask for leases.
        due: Vec<Name>,
    },
    /// Other bytes with a signature that is stored already, not harmless. Stored in quarantine, unless there are too many of them.
    Variant {
        /// Whether it was stored.
        stored: bool,
    },
}

/// How far a delivery is, for an answer that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is being attempted, or is to be as soon as its lane lets it.
    Open,
    /// Its last attempt failed, and the next one is made then.
    RetryAt(Timestamp),
    /// An earlier one that it is kept in order with failed, and is to be tried again first.
    Behind,
    /// Its destination has taken it.
    Delivered,
    /// It is dead, parked or discarded.
    Over,
}

/// Leased deliveries and what else there is.
#[derive(Debug, Default)]
pub struct Leased {
    /// In the order in which they fell due.
    pub leases: Vec<Lease>,
    /// When the next one that is not leased falls due; in the past where there are more now. `None`: there is none.
    pub next_due: Option<Timestamp>,
}

/// What `retry`, or `replay`, did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retried {
    /// Destinations whose delivery is due now.
    pub due: Vec<Name>,
    /// Destinations whose delivery waits for an earlier one that it is kept in order with. Their lanes have to ask for leases.
    pub held_back: Vec<Name>,
    /// Destinations whose delivery is leased, so being attempted or next in its lane: no second attempt is started. Of a replay
    /// also those whose delivery waits for the first attempt of its run.
    pub in_flight: Vec<Name>,
    /// Destinations whose delivery is parked or dead, and not due, since the rules file no longer has them.
    pub removed: Vec<Name>,
}

impl Retried {
    /// Whether nothing is on its way, nor will be.
    pub fn is_nothing(&self) -> bool {
        self.due.is_empty() && self.held_back.is_empty() && self.in_flight.is_empty()
    }
}

/// What `release` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// It goes on.
    Released {
        /// Destinations whose delivery is due now, or in its turn. Their lanes have to ask for leases.
        due: Vec<Name>,
    },
    /// It was not in quarantine, and nothing is done.
    NotQuarantined,
    /// Only a part of it is kept, and nothing is done.
    Truncated,
}

/// What `discard` did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discarded {
    /// Whether the event was in quarantine, and is dropped now.
    pub was_quarantined: bool,
    /// Destinations whose delivery was dead, and is discarded now.
    pub deliveries: Vec<Name>,
}

/// What one step of removal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Events removed.
    pub removed: u64,
    /// Whether there is more to do now.
    pub more: bool,
}

/// Figures of the store.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Bytes of all files in the data folder but the reserve.
    pub bytes: u64,
    /// Bytes free on its disk.
    pub free_bytes: u64,
    /// Bytes of its disk held in reserve; none where the disk is full.
    pub reserve_bytes: u64,
    /// Per destination that has deliveries which are not delivered.
    pub destinations: Vec<DestinationStats>,
    /// Events in quarantine by source and reason.
    pub quarantined: Vec<(Name, crate::domain::event::Reason, u64)>,
    /// What events in quarantine take on the disk, about.
    pub quarantine_bytes: u64,
    /// How much that may be; beyond it only a part is kept of an event that comes into quarantine.
    pub quarantine_budget: u64,
}

/// What waits for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationStats {
    /// Its name.
    pub destination: Name,
    /// Due and not being attempted, leased or not.
    pub ready: u64,
    /// Failed, and due later.
    pub retrying: u64,
    /// Waiting for an earlier one that they are kept in order with; they count as neither ready nor retrying.
    pub held_back: u64,
    /// Given up.
    pub dead: u64,
    /// Not tried, since the rules file no longer has the destination.
    pub parked: u64,
    /// When the oldest event that is ready, retrying or being attempted was received.
    pub oldest: Option<Timestamp>,
}

/// Why the store could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be used until something outside is mended: no permission, a corrupt file, a newer schema.
    #[error("the store in {path} cannot be used: {problem}", path = path.display())]
    Unusable {
        /// The data folder.
        path: PathBuf,
        /// What was found and what to do.
        problem: Problem,
    },
    /// The disk failed or is full; it is tried again.
    #[error("the store cannot write: {0}")]
    Failing(Arc<rusqlite::Error>),
    /// The disk is full, and nothing fails yet. Told by [`Store::health`], and by no other call.
    #[error("the disk of {path} is full, and events are stored in the room that was reserved for this: make room on it now", path = .0.display())]
    OnReserve(PathBuf),
    /// The gateway is stopping.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it is a damaged row of what was asked for: asked again the answer is the same, and nothing else fails.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Failing(error) => error.sqlite_error_code().is_none(),
            Self::Unusable { .. } | Self::OnReserve(_) | Self::Closed => false,
        }
    }
}

/// What makes a data folder unusable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Problem {
    /// Another process has it.
    #[error("another process is using it; stop that one, or give this one its own `store.path`")]
    InUse,
    /// Written by a newer version.
    #[error("it has schema version {found}, and this version of hookgate knows up to {known}; use the newer hookgate")]
    Newer {
        /// The version on disk.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// Not a database of ours, or damaged.
    #[error("its database is damaged or is none ({0}); restore a backup, or move the folder away to start empty")]
    Damaged(Arc<rusqlite::Error>),
    /// The system refused.
    #[error("{0}")]
    Io(Arc<std::io::Error>),
}

/// Opens the engine that the settings name; today there is one.
///
/// # Errors
/// [`StoreError::Unusable`], with what to do.
pub fn open(settings: &Settings, clock: Clock, metrics: Arc<Metrics>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(sqlite::Sqlite::open(settings, sqlite::Room::default(), clock, metrics)?))
}
