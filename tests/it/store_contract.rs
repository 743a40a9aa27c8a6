//! What every engine of the store has to do: each test of the modules below is run with each [`Engine`].
//! This file has what the tests build on.

use bytes::Bytes;
use hookgate::{
    domain::{
        attempt::{Attempt, AttemptResult, Next},
        clock::{Clock, Timestamp},
        delivery::{DeliveryStatus, Lease, Run, Seq, Settlement},
        event::{Event, Fields, Flags, Kind, Verdict},
        id::EventId,
        json::Document,
        name::Name,
        order::OrderKey,
        plan::{Plan, Respond, Routing, Target},
    },
    metrics::{Labels, Metrics},
    store::{
        Appended, Judge, NewEvent, Query, Settings, Store, StoreError,
        sqlite::{Room, Sqlite},
    },
};
use std::{future::Future, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Makes a test of each function that is given an engine, once per engine.
macro_rules! contract {
    ($($test:ident)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::store_contract::SQLITE).await;
                }
            )*
        }
    };
}

mod accepting;
mod budget;
mod bulk;
mod delivering;
mod finding;
mod honest;
mod line_model;
mod model;
mod ordering;
mod parking;
mod pausing;
mod rejoining;
mod releasing;
mod removing;
mod repeating;
mod replaying;
mod waiting;

/// What opening gives.
type Opened = Result<Arc<dyn Store>, StoreError>;

/// How an engine is opened, and how its process is made to end without a word.
#[derive(Clone, Copy)]
pub struct Engine {
    pub open: fn(&Settings, Room, Clock) -> Opened,
    /// What would be on the disk if the process were killed now, in a folder of its own.
    pub killed: fn(&Path) -> TempDir,
}

pub const SQLITE: Engine = Engine {
    open: |settings, room, clock| Ok(Arc::new(Sqlite::open(settings, room, clock, Arc::new(Metrics::new(&Labels::default())))?)),
    killed: |folder| {
        let copy = tempfile::tempdir().unwrap();
        for file in ["hookgate.db", "hookgate.db-wal"] {
            std::fs::copy(folder.join(file), copy.path().join(file)).unwrap();
        }
        copy
    },
};

/// A data folder and the clock of whoever opens it.
pub struct House {
    pub engine: Engine,
    pub folder: TempDir,
    pub clock: Clock,
    pub keep: Duration,
    pub keep_unresolved: Duration,
    pub room: Room,
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);

impl House {
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::system(),
            keep: MONTH,
            keep_unresolved: 6 * MONTH,
            room: Room { reserve: 1 << 20, ..Room::default() },
        }
    }

    pub fn settings(&self) -> Settings {
        Settings { path: self.folder.path().join("data"), keep: self.keep, keep_unresolved: self.keep_unresolved }
    }

    pub fn open(&self) -> Arc<dyn Store> {
        (self.engine.open)(&self.settings(), self.room, self.clock.clone()).unwrap()
    }

    /// The same store after a kill, opened in a folder of its own.
    pub fn killed(&self) -> (Self, Arc<dyn Store>) {
        let copy = (self.engine.killed)(&self.settings().path);
        let folder = tempfile::tempdir().unwrap();
        std::fs::rename(copy.keep(), folder.path().join("data")).unwrap();
        let house = Self { folder, clock: self.clock.clone(), ..*self };
        let store = house.open();
        (house, store)
    }
}

pub fn name(text: &str) -> Name {
    Name::unchecked(text)
}

/// The event number `number`, each with a signature of its own.
pub fn event(number: usize) -> Event {
    signed(&format!("signature {number}"), &format!("{{\"number\":{number}}}"))
}

pub fn signed(signature: &str, body: &str) -> Event {
    Event {
        id: EventId::signed(signature.as_bytes(), body.as_bytes()),
        source: name("shop"),
        received_at: Clock::system().now(),
        kind: Kind::Payment,
        fields: Fields { state: Some("paid".into()), session_id: Some(signature.into()), ..Fields::default() },
        payload: Document::read(Bytes::from(body.to_owned())),
        content_type: Some("application/json".into()),
        verified: true,
        verdict: Verdict::Accepted,
        flags: Flags::default(),
    }
}

/// Lets no second body of a signature go on but one that ends in a blank.
#[derive(Debug)]
struct Strict;

impl Judge for Strict {
    fn is_harmless(&self, first: Bytes, again: &Event) -> bool {
        again.payload.bytes().strip_suffix(b" ") == Some(&first)
    }
}

pub fn to(event: Event, destinations: &[&str]) -> NewEvent {
    let rules = vec![name("all")];
    let targets = destinations.iter().map(|text| Target { destination: name(text), rules: rules.clone(), order: None }).collect::<Vec<_>>();
    let routing = if targets.is_empty() { Routing::Unmatched } else { Routing::Routed };
    NewEvent {
        event: Arc::new(event),
        plan: Plan { targets, rules, routing, answer: Respond::Now(201) },
        dedupe: Duration::from_secs(3_600),
        judge: Arc::new(Strict),
    }
}

/// The same, kept in order by that value.
pub fn in_order(event: Event, destinations: &[&str], value: &str) -> NewEvent {
    let mut new = to(event, destinations);
    new.plan.targets.iter_mut().for_each(|target| target.order = OrderKey::of(value));
    new
}

/// Stores a new event and takes its leases.
pub async fn stored(store: &Arc<dyn Store>, new: NewEvent) -> (Seq, Vec<Lease>, Vec<Name>) {
    match store.append(new).await.unwrap() {
        Appended::Stored { seq, leases, deferred, .. } => (seq, leases, deferred),
        other => panic!("not stored: {other:?}"),
    }
}

/// How long one that fails holds back those behind it.
pub const ORDER_WAIT: Duration = Duration::from_secs(600);

pub fn settlement(lease: &Lease, next: Next) -> Settlement {
    let is_done = next == Next::Delivered;
    let attempt = Attempt {
        number: lease.attempts + 1,
        at: Clock::system().now(),
        duration: Duration::from_millis(12),
        result: if is_done { AttemptResult::Status2xx } else { AttemptResult::Status5xx },
        status: Some(if is_done { 200 } else { 503 }),
        response: (!is_done).then(|| "busy".into()),
        error: None,
    };
    let run = Run { attempts: lease.run.attempts + 1, elapsed: lease.run.elapsed + Duration::from_millis(12) };
    Settlement {
        seq: lease.event.seq,
        destination: lease.destination.clone(),
        attempt,
        run,
        next,
        order_wait: lease.order.map(|_| ORDER_WAIT),
    }
}

pub fn in_an_hour() -> Timestamp {
    Clock::system().now().plus(Duration::from_secs(3_600))
}

/// Waits until the question is answered with yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut question: impl FnMut() -> F) {
    let wait = async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "not within 20 s: {what}");
}

/// The state of each delivery of an event.
pub async fn states(store: &Arc<dyn Store>, id: EventId) -> Vec<DeliveryStatus> {
    let detail = store.event(id).await.unwrap().expect("the event is stored");
    detail.summary.deliveries.iter().map(|delivery| delivery.status).collect()
}

pub async fn until_states(store: &Arc<dyn Store>, id: EventId, wanted: &[DeliveryStatus]) {
    until(&format!("{wanted:?}"), || async { states(store, id).await == wanted }).await;
}

pub async fn ids(store: &Arc<dyn Store>, query: Query) -> Vec<EventId> {
    let mut found = Vec::new();
    let mut cursor = query.cursor;
    loop {
        let page = store.search(Query { cursor, ..query.clone() }).await.unwrap();
        assert!(page.events.len() <= query.limit);
        found.extend(page.events.iter().map(|event| event.id));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return found,
        }
    }
}

pub fn all() -> Query {
    Query { limit: 100, ..Query::default() }
}
