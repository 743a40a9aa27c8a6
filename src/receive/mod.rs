//! STAGE 1, front door: a request is opened (verified and read), planned, stored, and only then answered.
//! The sockets are in `server.rs`, what is said on them in `http.rs`, the limits on a request in `request.rs`, what follows a finding in `verdict.rs`.

use crate::{
    domain::{
        clock::{Clock, Instant},
        delivery::{Lease, Seq},
        event::Event,
        id::EventId,
        name::Name,
        order::OrderKey,
        received::Received,
        text::clipped,
    },
    metrics::{Metrics, Outcome},
    provider::{self, OpenError},
    route::Rules,
    store::{Appended, NewEvent, Store, StoreError},
    tasks,
};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

pub mod answer;
mod connections;
mod http;
mod in_force;
mod late;
mod memory;
pub mod network;
mod proxies;
mod rejected;
mod request;
mod senders;
pub mod server;
pub mod tls;
mod verdict;
mod wait;

use answer::Answer;
use in_force::{InForce, Source};
use memory::Reserved;
pub use network::Network;
pub use proxies::TrustedProxies;
use rejected::Ring;
use request::Arrival;
pub use wait::Waiting;
use wait::{Asker, Came, Planned, Waiter};

/// What an answer that waits for a destination leaves of the time for which the provider waits: for the way there and back.
pub const ON_THE_WAY: Duration = Duration::from_secs(3);

/// How the front door treats one source. What its provider needs is in `provider::Settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// The source.
    pub name: Name,
    /// The path of its webhook, `/webhooks/<name>` by default.
    pub path: String,
    /// The networks that may call; empty: all.
    pub allow_ips: Vec<Network>,
    /// How long the provider waits for an answer.
    pub provider_timeout: Duration,
    /// How long a request may wait for a failing store, from its first byte.
    pub hold: Duration,
    /// How long after its delivery the same event is not delivered again.
    pub dedupe: Duration,
    /// How the rules file writes the keys, in their order: told to operators, who must not see the keys themselves.
    pub keys: Arc<[String]>,
}

/// Takes the leases of a stored event, and the destinations whose delivery waits in the store.
pub trait Dispatch: Send + Sync {
    /// Never waits.
    fn dispatch(&self, leases: Vec<Lease>, deferred: &[Name]);

    /// Begins to wait for the first attempt at that event's delivery that ends from now on. The attempt goes ahead of others;
    /// where it cannot start until then, that is the outcome at once; also where one of the same order key fails before it.
    /// To be called before the lease is dispatched.
    fn watch(&self, destination: &Name, seq: Seq, order: Option<OrderKey>, until: Instant) -> Waiting;
}

/// What stands behind the public listener.
pub struct FrontDoor {
    in_force: RwLock<Arc<InForce>>,
    rejected: Ring,
    /// Held by whoever verifies what was refused again.
    verifier: tokio::sync::Mutex<()>,
    store: Arc<dyn Store>,
    dispatch: Arc<dyn Dispatch>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// So many characters of a field are logged.
const LOGGED: usize = 64;

/// After so long a wait for the store a request counts as held.
const HELD_AFTER: Duration = Duration::from_secs(1);

impl FrontDoor {
    /// With the sources and rules in force.
    pub fn new(
        sources: Vec<(SourceSettings, provider::Settings)>,
        rules: Arc<Rules>,
        store: Arc<dyn Store>,
        dispatch: Arc<dyn Dispatch>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let in_force = RwLock::new(Arc::new(InForce::new(sources, rules, &metrics)));
        Self { in_force, rejected: Ring::new(), verifier: tokio::sync::Mutex::default(), store, dispatch, clock, metrics }
    }

    /// Puts other sources and rules in force, for all requests from now on. Their metrics must be there.
    pub fn replace(&self, sources: Vec<(SourceSettings, provider::Settings)>, rules: Arc<Rules>) {
        let in_force = Arc::new(InForce::new(sources, rules, &self.metrics));
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = in_force;
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.in_force().rules)
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From a whole request to its answer. What it has `reserved` in memory is given back once it is stored, or refused.
    async fn take(&self, came: Arc<InForce>, path: &str, received: Received, arrival: Arrival, reserved: Reserved) -> Answer {
        let (in_force, source, opened) = self.open(came, path, &received, arrival);
        let metrics = &source.metrics;
        metrics.body(received.body.len());
        let event = match opened {
            Ok(event) => Arc::new(event),
            Err(OpenError::Malformed) => {
                metrics.outcome(Outcome::Malformed);
                return verdict::malformed();
            }
            Err(OpenError::Signature(cause)) => {
                metrics.outcome(Outcome::BadSignature);
                tracing::warn!(source = %received.source, peer = %received.peer, %cause, "signature refused");
                return verdict::unauthorized();
            }
        };
        let started = arrival.started;
        metrics.received_at(event.received_at);
        let plan = in_force.plan(&event);
        let (code, rules, routing) = (plan.answer.without_wait(), plan.rules.clone(), plan.routing);
        match self.store(&source, source.new_event(Arc::clone(&event), plan), started, reserved).await {
            Ok((stored, waiter)) => {
                let (outcome, code) = verdict::of_stored(&stored, event.verdict, code);
                metrics.outcome(outcome);
                verdict::count(&self.metrics, &source, &event, &stored, &rules, routing);
                let told = Told::of(&event, outcome, &rules);
                let is_verified = event.verified;
                // What waits does not keep the event in memory.
                drop((received, event, stored, in_force));
                let came = match waiter {
                    Some(waiter) => Some(waiter.end(told.id, self.store.as_ref(), &self.clock).await),
                    None => None,
                };
                if let Some(Came { destination, waited, .. }) = &came {
                    self.metrics.waited(destination, *waited);
                }
                let code = came.as_ref().map_or(code, |came| came.code);
                self.log(&told, code, came.as_ref(), started);
                let answer = verdict::accepted(code, told.id);
                if is_verified { answer.to_a_sender() } else { answer }
            }
            Err(StoreError::Closed | StoreError::Failing(_) | StoreError::OnReserve(_) | StoreError::Unusable { .. }) => {
                metrics.outcome(Outcome::HeldOut);
                tracing::error!(event = %event.id, source = %event.source, "the store could not take the event in time");
                verdict::held_out()
            }
        }
    }

    /// Stores the event and hands on its leases, in a task of its own: when the peer goes away in the middle,
    /// what is committed must still be delivered. What was reserved goes with it: a store that fails for long is no way
    /// to fill the memory by coming, waiting a little, and going away.
    async fn store(
        &self,
        source: &Source,
        new: NewEvent,
        started: Instant,
        reserved: Reserved,
    ) -> Result<(Appended, Option<Waiter>), StoreError> {
        let (store, dispatch) = (Arc::clone(&self.store), Arc::clone(&self.dispatch));
        let asker = Asker { started, patience: source.settings.provider_timeout.saturating_sub(ON_THE_WAY) };
        let mut task = tasks::spawn(async move {
            let _until_stored = reserved;
            stored(store.as_ref(), dispatch.as_ref(), new, Some(asker)).await
        });
        let joined = match tokio::time::timeout(HELD_AFTER, &mut task).await {
            Ok(joined) => joined,
            Err(_elapsed) => {
                let _held = Held::new(&self.metrics);
                let spent = self.clock.instant().saturating_duration_since(started);
                match tokio::time::timeout(source.settings.hold.saturating_sub(spent), task).await {
                    Ok(joined) => joined,
                    Err(_elapsed) => return Err(StoreError::Closed),
                }
            }
        };
        joined.unwrap_or(Err(StoreError::Closed))
    }

    fn log(&self, told: &Told, status: u16, came: Option<&Came>, started: Instant) {
        let ms = millis(self.clock.instant().saturating_duration_since(started));
        let Told { id, source, kind, state, rules, outcome } = told;
        let (wait_for, wait) = (came.map(|came| &*came.destination), came.map(|came| came.waited.outcome()));
        let (wait_ms, not_now) = (came.map(|came| millis(came.took)), came.and_then(|came| came.waited.reason()));
        tracing::info!(event = %id, %source, kind, state, rules, outcome, status, ms, wait_for, wait, wait_ms, not_now, "event answered");
    }
}

/// What is logged of an event.
struct Told {
    id: EventId,
    source: Name,
    kind: &'static str,
    state: String,
    rules: String,
    outcome: &'static str,
}

impl Told {
    fn of(event: &Event, outcome: Outcome, rules: &[Name]) -> Self {
        Self {
            id: event.id,
            source: event.source.clone(),
            kind: event.kind.as_str(),
            state: clipped(event.fields.state.as_deref().unwrap_or_default(), LOGGED).into_owned(),
            rules: rules.join(", "),
            outcome: outcome.as_str(),
        }
    }
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Stores an event, begins the wait of whoever asks for its answer, and hands on what is to be delivered now.
async fn stored(
    store: &dyn Store,
    dispatch: &dyn Dispatch,
    new: NewEvent,
    asker: Option<Asker>,
) -> Result<(Appended, Option<Waiter>), StoreError> {
    let planned = asker.map(|asker| (asker, Planned::of(&new.plan)));
    let mut appended = store.append(new).await?;
    let waiter = planned.and_then(|(asker, planned)| Waiter::begin(asker, &appended, &planned, dispatch));
    match &mut appended {
        Appended::Stored { leases, deferred, .. } => dispatch.dispatch(std::mem::take(leases), deferred),
        Appended::Duplicate { lease, due, .. } => dispatch.dispatch(lease.take().map(|lease| *lease).into_iter().collect(), due),
        Appended::Variant { .. } => {}
    }
    Ok((appended, waiter))
}

/// Counts a request as held while it lives.
struct Held<'a>(&'a Metrics);

impl<'a> Held<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.held().inc();
        Self(metrics)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held().dec();
    }
}
