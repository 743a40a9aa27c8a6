//! Every metric's name, and one method per thing that happens. A leaf: it knows words of the domain and nothing else.

use crate::domain::{
    attempt::AttemptResult,
    event::{Kind, Reason},
    name::Name,
};
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::{collections::HashMap, time::Duration};

const REQUEST_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
const BODY_BUCKETS: &[f64] = &[256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];
const ATTEMPT_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const LAG_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0];
const COMMIT_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
const COMMIT_EVENTS_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Operations of the store that can fail, as `hookgate_store_errors_total` names them.
pub const STORE_OPERATIONS: [&str; 6] = ["append", "settle", "lease", "read", "expire", "index"];

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

/// The names that labels can take: every label set exists from the start.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// All sources.
    pub sources: Vec<Name>,
    /// All destinations.
    pub destinations: Vec<Name>,
    /// All rules.
    pub rules: Vec<Name>,
}

/// Every metric.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    sources: HashMap<Name, SourceMetrics>,
    destinations: HashMap<Name, DestinationMetrics>,
    rules: HashMap<Name, IntCounter>,
    events: IntCounterVec,
    quarantined: IntGaugeVec,
    held: IntGauge,
    config_rules: IntGauge,
    commit_duration: Histogram,
    commit_events: Histogram,
    store_bytes: IntGauge,
    store_free_bytes: IntGauge,
    store_errors: IntCounterVec,
    log_dropped: IntCounter,
}

/// What happens at one source.
#[derive(Debug, Clone)]
pub struct SourceMetrics {
    outcomes: [IntCounter; 9],
    request: Histogram,
    body: Histogram,
    responses: IntCounterVec,
    last_received: prometheus::Gauge,
    unmatched: IntCounter,
    variants_refused: IntCounter,
    name: Name,
}

/// What happens at one destination.
#[derive(Debug, Clone)]
pub struct DestinationMetrics {
    delivered: IntCounter,
    dead: IntCounter,
    attempts: [IntCounter; 11],
    attempt_duration: Histogram,
    lag: Histogram,
    queue: [IntGauge; 4],
    oldest_age: prometheus::Gauge,
    dead_letters: IntGauge,
    paused: IntGauge,
}

/// Deliveries of one destination by their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the name of a label's value")]
pub struct Queue {
    pub ready: u64,
    pub retrying: u64,
    pub in_flight: u64,
    pub parked: u64,
}

impl Metrics {
    /// With every label set that the names make possible.
    pub fn new(labels: &Labels) -> Self {
        Builder { registry: Registry::new() }.build(labels)
    }

    /// Those of a source of the rules file.
    pub fn source(&self, name: &str) -> &SourceMetrics {
        self.sources.get(name).expect("every source of the rules file has its metrics from the start")
    }

    /// Those of a destination; `None` where the rules file no longer has it.
    pub fn destination(&self, name: &str) -> Option<&DestinationMetrics> {
        self.destinations.get(name)
    }

    /// A rule matched.
    pub fn rule_matched(&self, rule: &str) {
        if let Some(counter) = self.rules.get(rule) {
            counter.inc();
        }
    }

    /// An event was accepted. Values that the provider is not known to send count as `other`, absent ones as `none`.
    pub fn event(&self, source: &str, kind: Kind, state: &str, result: &str, operation: &str) {
        self.events.with_label_values(&[source, kind.as_str(), state, result, operation]).inc();
    }

    /// How many events are in quarantine.
    pub fn set_quarantined(&self, source: &str, reason: Reason, count: u64) {
        self.quarantined.with_label_values(&[source, reason.as_str()]).set(gauge(count));
    }

    /// Before the counts of events in quarantine are set anew.
    pub fn reset_quarantined(&self) {
        for source in self.sources.keys() {
            for reason in Reason::ALL {
                self.set_quarantined(source, reason, 0);
            }
        }
    }

    /// How many requests wait for a failing store.
    pub fn held(&self) -> &IntGauge {
        &self.held
    }

    /// How many rules are in force.
    pub fn set_config_rules(&self, count: usize) {
        self.config_rules.set(gauge(count as u64));
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

    /// The size of the data folder and what is free on its disk.
    pub fn set_store_bytes(&self, bytes: u64, free: u64) {
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

    /// An event with a right signature came in, at that unix time in seconds.
    pub fn received_at(&self, seconds: f64) {
        self.last_received.set(seconds);
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

    /// A delivery is done, so long after its event was accepted.
    pub fn delivered(&self, lag: Duration) {
        self.delivered.inc();
        self.lag.observe(lag.as_secs_f64());
    }

    /// A delivery was given up.
    pub fn dead(&self) {
        self.dead.inc();
    }

    /// What waits, and how old the oldest of it is.
    pub fn set_queue(&self, queue: Queue, dead_letters: u64, oldest: Duration) {
        for (gauge_of, count) in self.queue.iter().zip([queue.ready, queue.retrying, queue.in_flight, queue.parked]) {
            gauge_of.set(gauge(count));
        }
        self.dead_letters.set(gauge(dead_letters));
        self.oldest_age.set(oldest.as_secs_f64());
    }

    /// Whether the lane stands still.
    pub fn set_paused(&self, paused: bool) {
        self.paused.set(i64::from(paused));
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn status_text(code: u16) -> String {
    code.to_string()
}

/// Makes and registers; a name that is wrong or there twice is a mistake in this file.
struct Builder {
    registry: Registry,
}

impl Builder {
    fn register<C: prometheus::core::Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("the names and labels in this file are valid");
        self.registry.register(Box::new(metric.clone())).expect("each name is in this file once");
        metric
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.register(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> HistogramVec {
        self.register(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn build(self, labels: &Labels) -> Metrics {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        self.registry.register(Box::new(process)).expect("its names are its own");
        let info = self.gauges("hookgate_build_info", "Always 1; the labels tell the build.", &["version", "revision"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), option_env!("HOOKGATE_REVISION").unwrap_or("unknown")]).set(1);
        let quarantined = self.gauges("hookgate_quarantined_events", "Events that wait for an operator's release.", &["source", "reason"]);
        for source in &labels.sources {
            for reason in Reason::ALL {
                quarantined.with_label_values(&[&**source, reason.as_str()]);
            }
        }
        let matches = self.counters("hookgate_rule_matches_total", "Accepted events that the rule matched.", &["rule"]);
        let store_errors = self.counters("hookgate_store_errors_total", "Operations of the store that failed.", &["operation"]);
        for operation in STORE_OPERATIONS {
            store_errors.with_label_values(&[operation]);
        }
        Metrics {
            sources: self.sources(&labels.sources),
            destinations: self.destinations(&labels.destinations),
            rules: labels.rules.iter().map(|rule| (rule.clone(), matches.with_label_values(&[&**rule]))).collect(),
            events: self.counters(
                "hookgate_events_total",
                "Events accepted, by what they say.",
                &["source", "kind", "state", "result", "operation"],
            ),
            quarantined,
            held: self.gauge("hookgate_held_requests", "Requests that wait for a failing store."),
            config_rules: self.gauge("hookgate_config_rules", "Rules in force."),
            commit_duration: self.histogram(
                "hookgate_store_commit_duration_seconds",
                "Time to make a group of events durable.",
                COMMIT_BUCKETS,
            ),
            commit_events: self.histogram("hookgate_store_commit_events", "Events in one commit.", COMMIT_EVENTS_BUCKETS),
            store_bytes: self.gauge("hookgate_store_bytes", "Size of the data folder."),
            store_free_bytes: self.gauge("hookgate_store_free_bytes", "Free bytes on the disk of the data folder."),
            store_errors,
            log_dropped: self.counter("hookgate_log_lines_dropped_total", "Log lines that could not be written."),
            registry: self.registry,
        }
    }

    fn sources(&self, names: &[Name]) -> HashMap<Name, SourceMetrics> {
        let received = self.counters("hookgate_webhooks_received_total", "Requests by what they came to.", &["source", "outcome"]);
        let request = self.histograms(
            "hookgate_webhook_request_duration_seconds",
            "From the first byte of a request to its answer.",
            REQUEST_BUCKETS,
            &["source"],
        );
        let body = self.histograms("hookgate_webhook_body_bytes", "Size of the bodies received.", BODY_BUCKETS, &["source"]);
        let responses = self.counters("hookgate_webhook_responses_total", "Answers by status code.", &["source", "code"]);
        let last = self.seconds(
            "hookgate_event_last_received_timestamp_seconds",
            "When the last event with a right signature came in.",
            &["source"],
        );
        let unmatched = self.counters("hookgate_events_unmatched_total", "Events that no rule but taps matched.", &["source"]);
        let variants =
            self.counters("hookgate_signature_variants_refused_total", "Variants of one signature that were not stored.", &["source"]);
        let of = |name: &Name| {
            for code in ["200", "201", "400", "401", "403", "413", "415", "431", "503"] {
                responses.with_label_values(&[&**name, code]);
            }
            SourceMetrics {
                outcomes: Outcome::NAMES.map(|outcome| received.with_label_values(&[&**name, outcome])),
                request: request.with_label_values(&[&**name]),
                body: body.with_label_values(&[&**name]),
                responses: responses.clone(),
                last_received: last.with_label_values(&[&**name]),
                unmatched: unmatched.with_label_values(&[&**name]),
                variants_refused: variants.with_label_values(&[&**name]),
                name: name.clone(),
            }
        };
        names.iter().map(|name| (name.clone(), of(name))).collect()
    }

    fn destinations(&self, names: &[Name]) -> HashMap<Name, DestinationMetrics> {
        let deliveries = self.counters("hookgate_deliveries_total", "Deliveries that came to an end.", &["destination", "outcome"]);
        let attempts = self.counters("hookgate_delivery_attempts_total", "Attempts by what came of them.", &["destination", "result"]);
        let duration =
            self.histograms("hookgate_delivery_attempt_duration_seconds", "Time an attempt took.", ATTEMPT_BUCKETS, &["destination"]);
        let lag = self.histograms(
            "hookgate_delivery_lag_seconds",
            "From acceptance of the event to its delivery.",
            LAG_BUCKETS,
            &["destination"],
        );
        let queue = self.gauges("hookgate_queue_deliveries", "Deliveries that are not at their end.", &["destination", "state"]);
        let oldest = self.seconds(
            "hookgate_queue_oldest_age_seconds",
            "Age of the oldest event that still waits for this destination.",
            &["destination"],
        );
        let dead = self.gauges("hookgate_dead_letters", "Deliveries given up and kept.", &["destination"]);
        let paused = self.gauges("hookgate_destination_paused", "1 while the destination is paused.", &["destination"]);
        let of = |name: &Name| {
            deliveries.with_label_values(&[&**name, "discarded"]);
            DestinationMetrics {
                delivered: deliveries.with_label_values(&[&**name, "delivered"]),
                dead: deliveries.with_label_values(&[&**name, "dead"]),
                attempts: AttemptResult::ALL.map(|result| attempts.with_label_values(&[&**name, result.as_str()])),
                attempt_duration: duration.with_label_values(&[&**name]),
                lag: lag.with_label_values(&[&**name]),
                queue: ["ready", "retrying", "in_flight", "parked"].map(|state| queue.with_label_values(&[&**name, state])),
                oldest_age: oldest.with_label_values(&[&**name]),
                dead_letters: dead.with_label_values(&[&**name]),
                paused: paused.with_label_values(&[&**name]),
            }
        };
        names.iter().map(|name| (name.clone(), of(name))).collect()
    }
}
