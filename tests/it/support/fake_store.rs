//! A store in memory, for stories of the lanes alone: rows, leases and settlements as `store::Store` says, and failures on demand.

use bytes::Bytes;
use hookgate::{
    domain::{
        attempt::Next,
        clock::{Clock, Timestamp},
        delivery::{Accepted, HeldBody, Lease, Run, Seq, Settlement},
        event::{Fields, Flags, Kept, Kind},
        id::EventId,
        name::Name,
        plan::Plan,
    },
    store::{
        Answer, Appended, Bulk, BulkId, BulkOrder, BulkStep, Discarded, EventDetail, Expired, Leased, NewEvent, Page, Progress, Query,
        Released, Replayed, Retried, Selection, Stats, Stepped, Store, StoreError, WINDOW, Which,
    },
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The store.
#[derive(Debug)]
pub struct FakeStore {
    state: Mutex<State>,
    changed: Notify,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    clock: Clock,
    /// How long leases are on their way.
    slowness: Duration,
    rows: BTreeMap<(Name, Seq), Row>,
    bodies: HashMap<Seq, Bytes>,
    settlements: Vec<Settlement>,
    last: i64,
    failures: HashMap<&'static str, usize>,
    damaged: HashSet<Seq>,
    calls: HashMap<&'static str, usize>,
}

#[derive(Debug)]
struct Row {
    event: Arc<Accepted>,
    attempts: u32,
    run: Run,
    due: Option<Timestamp>,
    leased: bool,
}

impl FakeStore {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { clock, ..State::default() }),
            changed: Notify::new(),
            room: Arc::new(Semaphore::new(1 << 20)),
        })
    }

    /// Stores an event for these destinations, as rows that wait to be leased.
    pub fn add(&self, destinations: &[&str], body: &[u8]) -> Seq {
        self.insert(&mut self.state(), destinations, body)
    }

    fn insert(&self, state: &mut State, destinations: &[&str], body: &[u8]) -> Seq {
        let now = state.clock.now();
        state.last += 1;
        let seq = Seq(state.last);
        let event = Arc::new(Accepted {
            seq,
            id: EventId::unsigned(body),
            source: Name::unchecked("ottu"),
            received_at: now,
            content_type: Some("application/json".into()),
            verified: true,
            flags: Flags::default(),
            first: None,
        });
        state.bodies.insert(seq, Bytes::copy_from_slice(body));
        for destination in destinations {
            let row = Row { event: event.clone(), attempts: 0, run: Run::default(), due: Some(now), leased: false };
            state.rows.insert((Name::unchecked(destination), seq), row);
        }
        seq
    }

    /// Stores an event and leases its deliveries with their bodies, as `append` does.
    pub fn accept(&self, destinations: &[&str], body: &[u8]) -> Vec<Lease> {
        let mut state = self.state();
        let seq = self.insert(&mut state, destinations, body);
        let lease = |destination: &&str| {
            let name = Name::unchecked(destination);
            let row = state.rows.get_mut(&(name.clone(), seq)).unwrap();
            row.leased = true;
            let permit = self.room.clone().try_acquire_many_owned(body.len() as u32).unwrap();
            Lease { body: Some(HeldBody { bytes: Bytes::copy_from_slice(body), permit }), ..row.lease(name) }
        };
        destinations.iter().map(lease).collect()
    }

    /// The process has ended, and the next one goes by that clock: what was leased waits as before.
    pub fn restarted(&self, clock: Clock) {
        let mut state = self.state();
        state.clock = clock;
        state.rows.values_mut().for_each(|row| row.leased = false);
        state.failures.clear();
    }

    /// From now on leases take so long to come.
    pub fn slows(&self, by: Duration) {
        self.state().slowness = by;
    }

    /// What is neither delivered nor dead, when it falls due, and whether it is leased.
    pub fn pending(&self) -> Vec<(Seq, Timestamp, bool)> {
        let state = self.state();
        state.rows.iter().filter_map(|((_, seq), row)| Some((*seq, row.due?, row.leased))).collect()
    }

    /// The next so many calls of that operation fail.
    pub fn fail(&self, operation: &'static str, times: usize) {
        self.state().failures.insert(operation, times);
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> usize {
        self.state().calls.get(operation).copied().unwrap_or(0)
    }

    /// Whoever reads the event finds it damaged from now on.
    pub fn damage(&self, seq: Seq) {
        self.state().damaged.insert(seq);
    }

    /// Forgets the bytes of an event.
    pub fn lose_body(&self, seq: Seq) {
        self.state().bodies.remove(&seq);
    }

    /// All settlements so far.
    pub fn settlements(&self) -> Vec<Settlement> {
        self.state().settlements.clone()
    }

    /// Waits until the settlements fulfil the condition, and gives them.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&[Settlement]) -> bool) -> Vec<Settlement> {
        let fulfilled = async {
            loop {
                let changed = self.changed.notified();
                if condition(&self.state().settlements) {
                    return;
                }
                let _ = timeout(Duration::from_millis(50), changed).await;
            }
        };
        if timeout(PATIENCE, fulfilled).await.is_err() {
            panic!("waited in vain for: {what}; {} settlements came", self.state().settlements.len());
        }
        self.settlements()
    }

    /// Bytes of bodies that leases still hold.
    pub fn held(&self) -> usize {
        (1 << 20) - self.room.available_permits()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leased(&self, destination: &Name, max: usize) -> Result<(Leased, Duration), StoreError> {
        let mut state = self.call("lease")?;
        let (now, slowness) = (state.clock.now(), state.slowness);
        let mut rows: Vec<_> = state.rows.iter_mut().filter(|((name, _), _)| name == destination).map(|(_, row)| row).collect();
        let out = rows.iter().filter(|row| row.leased).count();
        rows.retain(|row| row.due.is_some() && !row.leased);
        rows.sort_by_key(|row| (row.due, row.event.seq));
        let due = rows.iter().take_while(|row| row.due.is_some_and(|due| due <= now)).count();
        let taken = due.min(max).min(WINDOW - out);
        let next_due = rows.get(taken).and_then(|row| row.due);
        let lease = |row: &mut &mut Row| {
            row.leased = true;
            row.lease(destination.clone())
        };
        Ok((Leased { leases: rows[..taken].iter_mut().map(lease).collect(), next_due }, slowness))
    }

    fn readable(&self, operation: &'static str, seq: Seq) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.call(operation)?;
        match state.damaged.contains(&seq) {
            true => Err(StoreError::Failing(Arc::new(rusqlite::Error::IntegralValueOutOfRange(0, 7)))),
            false => Ok(state),
        }
    }

    fn call(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.state();
        *state.calls.entry(operation).or_default() += 1;
        match state.failures.get_mut(operation) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(StoreError::Unusable { path: "memory".into(), problem: hookgate::store::Problem::InUse })
            }
            _ => Ok(state),
        }
    }
}

/// Leases that nobody has taken yet: whoever goes away before has none.
struct OnTheWay<'a> {
    store: &'a FakeStore,
    leased: Option<Leased>,
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.store.give_back(self.leased.take().unwrap_or_default().leases);
    }
}

impl Row {
    fn lease(&self, destination: Name) -> Lease {
        Lease {
            event: self.event.clone(),
            destination,
            rules: vec![Name::unchecked("paid")],
            attempts: self.attempts,
            run: self.run,
            order: None,
            body: None,
        }
    }
}

impl Store for FakeStore {
    fn lease<'a>(&'a self, destination: &'a Name, max: usize) -> Answer<'a, Leased> {
        Box::pin(async move {
            let (leased, slowness) = self.leased(destination, max)?;
            let mut on_the_way = OnTheWay { store: self, leased: Some(leased) };
            if !slowness.is_zero() {
                tokio::time::sleep(slowness).await;
            }
            Ok(on_the_way.leased.take().expect("it is taken once"))
        })
    }

    fn give_back(&self, leases: Vec<Lease>) {
        let mut state = self.state();
        for lease in leases {
            let row = state.rows.get_mut(&(lease.destination, lease.event.seq)).expect("only what was leased is given back");
            assert!(row.leased, "a lease is given back once");
            row.leased = false;
        }
    }

    fn settle(&self, settlement: Settlement) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut state = self.call("settle")?;
            let row = state.rows.get_mut(&(settlement.destination.clone(), settlement.seq)).expect("only what was leased is settled");
            assert!(row.leased, "a lease is settled once");
            row.leased = false;
            row.attempts = settlement.attempt.number;
            row.run = settlement.run;
            row.due = match settlement.next {
                Next::RetryAt(at) => Some(at),
                Next::Delivered | Next::Dead => None,
            };
            state.settlements.push(settlement);
            drop(state);
            self.changed.notify_waiters();
            Ok(())
        })
    }

    fn body(&self, seq: Seq) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move { Ok(self.readable("body", seq)?.bodies.get(&seq).cloned()) })
    }

    fn kept(&self, seq: Seq) -> Answer<'_, Option<Kept>> {
        Box::pin(async move {
            let state = self.readable("kept", seq)?;
            let event = state.rows.iter().find(|((_, of), _)| *of == seq).map(|(_, row)| Arc::clone(&row.event));
            Ok(event.zip(state.bodies.get(&seq).cloned()).map(|(event, body)| Kept {
                id: event.id,
                source: event.source.clone(),
                received_at: event.received_at,
                kind: Kind::Payment,
                fields: Fields::default(),
                body,
                content_type: event.content_type.clone(),
                verified: event.verified,
                flags: event.flags,
            }))
        })
    }

    fn progress<'a>(&'a self, _: Seq, _: &'a Name) -> Answer<'a, Progress> {
        not_for_lanes("progress")
    }

    fn answered(&self, _: Seq, _: u16) {
        panic!("the lanes have no business with answers")
    }

    /// Never comes to an end, as while the disk fails.
    fn append(&self, _: NewEvent) -> Answer<'_, Appended> {
        Box::pin(std::future::pending())
    }

    fn event(&self, _: EventId) -> Answer<'_, Option<EventDetail>> {
        not_for_lanes("event")
    }

    fn search(&self, _: Query) -> Answer<'_, Page> {
        not_for_lanes("search")
    }

    fn retry(&self, _: EventId, _: Option<Name>) -> Answer<'_, Option<Retried>> {
        not_for_lanes("retry")
    }

    fn replay(&self, _: EventId, _: Selection) -> Answer<'_, Option<Replayed>> {
        not_for_lanes("replay")
    }

    fn begin_bulk(&self, _: BulkOrder) -> Answer<'_, Option<Bulk>> {
        not_for_lanes("begin_bulk")
    }

    fn bulks(&self, _: Which) -> Answer<'_, Vec<Bulk>> {
        not_for_lanes("bulks")
    }

    fn advance(&self, _: BulkStep) -> Answer<'_, Option<Stepped>> {
        not_for_lanes("advance")
    }

    fn cancel(&self, _: BulkId) -> Answer<'_, Option<Bulk>> {
        not_for_lanes("cancel")
    }

    fn release(&self, _: EventId, _: Plan) -> Answer<'_, Option<Released>> {
        not_for_lanes("release")
    }

    fn discard(&self, _: EventId) -> Answer<'_, Option<Discarded>> {
        not_for_lanes("discard")
    }

    fn serve(&self, _: Vec<Name>) -> Answer<'_, ()> {
        not_for_lanes("serve")
    }

    fn pause(&self, _: Name) -> Answer<'_, ()> {
        Box::pin(async move { self.call("pause").map(drop) })
    }

    fn resume(&self, _: Name) -> Answer<'_, ()> {
        Box::pin(async move { self.call("resume").map(drop) })
    }

    fn paused(&self) -> Answer<'_, Vec<Name>> {
        not_for_lanes("paused")
    }

    fn expire(&self) -> Answer<'_, Expired> {
        not_for_lanes("expire")
    }

    fn stats(&self) -> Answer<'_, Stats> {
        not_for_lanes("stats")
    }

    fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn not_for_lanes<T>(operation: &str) -> Answer<'_, T> {
    panic!("the lanes have no business with `{operation}`")
}
