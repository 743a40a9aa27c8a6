//! One method per thing that happens. A leaf: it knows words of the domain and nothing else.
//! The names of the metrics, their labels and buckets are in `metrics/register.rs`.

use crate::domain::{
    attempt::AttemptResult,
    clock::Timestamp,
    event::{Kind, Reason},
    name::Name,
    waited::Waited,
};
use prometheus::{Counter, Encoder, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

mod register;

/// Operations of the store that can fail, as `hookgate_store_errors_total` names them.
pub const STORE_OPERATIONS: [&str; 7] = ["append", "settle", "lease", "read", "expire", "index", "checkpoint"];

/// What a request came to, as `hookgate_webhooks_received_total` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name of a label's value")]
pub enum Outcome {
    Accepted,
    Duplicate,
    Variant,
    Quarantined,
    BadSignature,
    Malformed,
    TooLarge,
    Refused,
    HeldOut,
}

impl Outcome {
    const NAMES: [&str; 9] =
        ["accepted", "duplicate", "variant", "quarantined", "bad_signature", "malformed", "too_large", "refused", "held_out"];

    /// As labels and logs write it.
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// The names that labels can take: every label set exists from the start, or from the reload that brings it.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// All sources.
    pub sources: Vec<Name>,
    /// The codes that a source may answer an event with.
    pub answers: Vec<u16>,
    /// All destinations.
    pub destinations: Vec<Name>,
    /// All rules.
    pub rules: Vec<Name>,
}

/// Every metric.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: register::Families,
    named: RwLock<Named>,
    removed: Mutex<HashSet<Name>>,
    quarantined: Mutex<HashSet<(Name, Reason)>>,
    events: IntCounterVec,
    quarantine_bytes: IntGauge,
    quarantine_budget: IntGauge,
    truncated: IntCounter,
    held: IntGauge,
    config_rules: IntGauge,
    reload_successful: IntGauge,
    reload_time: Gauge,
    commit_duration: Histogram,
    commit_events: Histogram,
    store_bytes: IntGauge,
    store_free_bytes: IntGauge,
    store_reserve_bytes: IntGauge,
    store_errors: IntCounterVec,
    log_dropped: IntCounter,
}

/// What the rules files had that were in force since the start. A counter never goes away.
#[derive(Debug, Default)]
struct Named {
    sources: HashMap<Name, Arc<SourceMetrics>>,
    destinations: HashMap<Name, Arc<DestinationMetrics>>,
    rules: HashMap<Name, IntCounter>,
}

/// What happens at one source.
#[derive(Debug, Clone)]
pub struct SourceMetrics {
    outcomes: [IntCounter; 9],
    request: Histogram,
    body: Histogram,
    responses: IntCounterVec,
    last_received: Gauge,
    unmatched: IntCounter,
    variants_refused: IntCounter,
    name: Name,
}

/// What happens at one destination.
#[derive(Debug, Clone)]
pub struct DestinationMetrics {
    delivered: IntCounter,
    dead: IntCounter,
    discarded: IntCounter,
    attempts: [IntCounter; 11],
    attempt_duration: Histogram,
    lag: Histogram,
    queue: [IntGauge; 5],
    oldest_age: Gauge,
    dead_letters: IntGauge,
    paused: IntGauge,
    breaker_open: IntGauge,
    rate_limited: Counter,
    replayed: IntCounter,
}

/// Deliveries of one destination by their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the name of a label's value")]
pub struct Queue {
    pub ready: u64,
    pub retrying: u64,
    pub held_back: u64,
    pub in_flight: u64,
    pub parked: u64,
}

impl Metrics {
    /// With every label set that the names make possible.
    pub fn new(labels: &Labels) -> Self {
        let metrics = register::all();
        metrics.add(labels);
        metrics
    }

    /// Adds the label sets of further names; those that are there go on.
    pub fn add(&self, labels: &Labels) {
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        for name in &labels.sources {
            self.families.answers(name, &labels.answers);
            named.sources.entry(name.clone()).or_insert_with(|| self.families.source(name).into());
        }
        for name in &labels.destinations {
            named.destinations.entry(name.clone()).or_insert_with(|| self.families.destination(name).into());
        }
        for name in &labels.rules {
            named.rules.entry(name.clone()).or_insert_with(|| self.families.rule(name));
        }
    }

    /// Those of a source of the rules file.
    pub fn source(&self, name: &str) -> Arc<SourceMetrics> {
        self.named().sources.get(name).cloned().expect("every source of the rules file has its metrics before it is in force")
    }

    /// Those of a destination; `None` where no rules file since the start had it.
    pub fn destination(&self, name: &str) -> Option<Arc<DestinationMetrics>> {
        self.named().destinations.get(name).cloned()
    }

    /// The destinations that a rules file had since the start.
    pub fn destinations(&self) -> Vec<(Name, Arc<DestinationMetrics>)> {
        self.named().destinations.iter().map(|(name, metrics)| (name.clone(), Arc::clone(metrics))).collect()
    }

    fn named(&self) -> RwLockReadGuard<'_, Named> {
        self.named.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rule matched.
    pub fn rule_matched(&self, rule: &str) {
        if let Some(counter) = self.named().rules.get(rule) {
            counter.inc();
        }
    }

    /// An event was accepted. Values that the provider is not known to send count as `other`, absent ones as `none`.
    pub fn event(&self, source: &str, kind: Kind, state: &str, result: &str, operation: &str) {
        self.events.with_label_values(&[source, kind.as_str(), state, result, operation]).inc();
    }

    /// An answer waited for the destination.
    pub fn waited(&self, destination: &str, waited: Waited) {
        self.families.waits.with_label_values(&[destination, waited.outcome()]).inc();
    }

    /// How many events are in quarantine, by source and reason. What is not named any more gets 0.
    pub fn set_quarantined(&self, counts: &HashMap<(Name, Reason), u64>) {
        let there = counts.keys().cloned().collect();
        let before = mem::replace(&mut *self.quarantined.lock().unwrap_or_else(PoisonError::into_inner), there);
        for key in before.iter().chain(counts.keys()) {
            let count = counts.get(key).copied().unwrap_or(0);
            self.families.quarantined.with_label_values(&[&*key.0, key.1.as_str()]).set(gauge(count));
        }
    }

    /// What events in quarantine take, and may take, on the disk.
    pub fn set_quarantine_bytes(&self, bytes: u64, budget: u64) {
        self.quarantine_bytes.set(gauge(bytes));
        self.quarantine_budget.set(gauge(budget));
    }

    /// So many events came into quarantine of which only a part is kept.
    pub fn truncated(&self, count: u64) {
        self.truncated.inc_by(count);
    }

    /// How many deliveries are parked, by destinations that no rules file had since the start. One that is not named any more gets 0.
    pub fn set_parked(&self, parked: &HashMap<Name, u64>) {
        let names: HashSet<_> = parked.keys().cloned().collect();
        let before = mem::replace(&mut *self.removed.lock().unwrap_or_else(PoisonError::into_inner), names);
        for name in before.iter().chain(parked.keys()) {
            self.families.queue.with_label_values(&[&**name, "parked"]).set(gauge(parked.get(name).copied().unwrap_or(0)));
        }
    }

    /// How many requests wait for a failing store.
    pub fn held(&self) -> &IntGauge {
        &self.held
    }

    /// A rules file was taken, with so many rules, at that time.
    pub fn config_taken(&self, rules: usize, at: Timestamp) {
        self.config_rules.set(gauge(rules as u64));
        self.reload_successful.set(1);
        self.reload_time.set(unix_seconds(at));
    }

    /// A changed rules file was refused; the one before it stays.
    pub fn config_refused(&self) {
        self.reload_successful.set(0);
    }

    /// The store made a group of events durable.
    pub fn commit(&self, duration: Duration, events: usize) {
        self.commit_duration.observe(duration.as_secs_f64());
        self.commit_events.observe(events as f64);
    }

    /// An operation of the store failed: one of [`STORE_OPERATIONS`].
    pub fn store_error(&self, operation: &str) {
        self.store_errors.with_label_values(&[operation]).inc();
    }

    /// The size of the data folder, what is free on its disk, and what is held in reserve there.
    pub fn set_store_bytes(&self, bytes: u64, free: u64, reserve: u64) {
        self.store_reserve_bytes.set(gauge(reserve));
        self.store_bytes.set(gauge(bytes));
        self.store_free_bytes.set(gauge(free));
    }

    /// Log lines that could not be written.
    pub fn log_dropped(&self) -> IntCounter {
        self.log_dropped.clone()
    }

    /// All of them in the text format 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(64 << 10);
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing to memory does not fail, and every metric was registered whole");
        text
    }
}

impl SourceMetrics {
    /// A request was answered so, or was counted so.
    pub fn outcome(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
    }

    /// A request was answered: from its first byte to the answer.
    pub fn answered(&self, code: u16, duration: Duration) {
        self.request.observe(duration.as_secs_f64());
        self.responses.with_label_values(&[&*self.name, status_text(code).as_str()]).inc();
    }

    /// A body was read.
    pub fn body(&self, bytes: usize) {
        self.body.observe(bytes as f64);
    }

    /// An event with a right signature came in, at that time.
    pub fn received_at(&self, at: Timestamp) {
        self.last_received.set(unix_seconds(at));
    }

    /// An event matched no rule but taps.
    pub fn unmatched(&self) {
        self.unmatched.inc();
    }

    /// A further variant of one signature was not stored.
    pub fn variant_refused(&self) {
        self.variants_refused.inc();
    }
}

impl DestinationMetrics {
    /// An attempt ended.
    pub fn attempt(&self, result: AttemptResult, duration: Duration) {
        self.attempts[result as usize].inc();
        self.attempt_duration.observe(duration.as_secs_f64());
    }

    /// A delivery is done, so long after its event was accepted; `None`: that says nothing, since it was sent again by an operator.
    pub fn delivered(&self, lag: Option<Duration>) {
        self.delivered.inc();
        if let Some(lag) = lag {
            self.lag.observe(lag.as_secs_f64());
        }
    }

    /// So many deliveries are sent again by an operator.
    pub fn replayed(&self, count: u64) {
        self.replayed.inc_by(count);
    }

    /// A delivery was given up.
    pub fn dead(&self) {
        self.dead.inc();
    }

    /// A delivery that was given up is closed by an operator.
    pub fn discarded(&self) {
        self.discarded.inc();
    }

    /// What waits, and how old the oldest of it is.
    pub fn set_queue(&self, queue: Queue, dead_letters: u64, oldest: Duration) {
        let Queue { ready, retrying, held_back, in_flight, parked } = queue;
        for (gauge_of, count) in self.queue.iter().zip([ready, retrying, held_back, in_flight, parked]) {
            gauge_of.set(gauge(count));
        }
        self.dead_letters.set(gauge(dead_letters));
        self.oldest_age.set(oldest.as_secs_f64());
    }

    /// Whether the lane stands still.
    pub fn set_paused(&self, paused: bool) {
        self.paused.set(i64::from(paused));
    }

    /// Whether the destination is left alone but for probes.
    pub fn set_breaker_open(&self, open: bool) {
        self.breaker_open.set(i64::from(open));
    }

    /// The lane waited so long for its rate, and for nothing else.
    pub fn rate_limited(&self, time: Duration) {
        self.rate_limited.inc_by(time.as_secs_f64());
    }
}

fn unix_seconds(time: Timestamp) -> f64 {
    time.millis() as f64 / 1000.0
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn status_text(code: u16) -> String {
    code.to_string()
}
