//! Every metric's name with its help, labels and buckets. Every label set that the names make possible exists from the start.

use super::{DestinationMetrics, Metrics, Outcome, STORE_OPERATIONS, SourceMetrics};
use crate::domain::{attempt::AttemptResult, event::Reason, name::Name, waited::Waited};
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use std::sync::{Mutex, RwLock};

const REQUEST_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
const BODY_BUCKETS: &[f64] = &[256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];
const ATTEMPT_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const LAG_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0];
const COMMIT_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
const COMMIT_EVENTS_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What any source may answer.
const ANSWERS: [u16; 11] = [200, 201, 400, 401, 403, 405, 408, 413, 415, 431, 503];

/// All metrics, in a registry of their own, without the label sets that a rules file makes.
pub(super) fn all() -> Metrics {
    Builder { registry: Registry::new() }.build()
}

/// The metrics whose label sets the rules file makes.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) queue: IntGaugeVec,
    pub(super) quarantined: IntGaugeVec,
    pub(super) waits: IntCounterVec,
    received: IntCounterVec,
    request: HistogramVec,
    body: HistogramVec,
    responses: IntCounterVec,
    last_received: GaugeVec,
    unmatched: IntCounterVec,
    variants: IntCounterVec,
    matches: IntCounterVec,
    deliveries: IntCounterVec,
    attempts: IntCounterVec,
    attempt_duration: HistogramVec,
    lag: HistogramVec,
    oldest_age: GaugeVec,
    dead_letters: IntGaugeVec,
    paused: IntGaugeVec,
    breaker_open: IntGaugeVec,
    rate_limited: CounterVec,
    replayed: IntCounterVec,
}

impl Families {
    /// The answers of a source: those of every source, and those that the rules file names.
    pub(super) fn answers(&self, name: &Name, named: &[u16]) {
        for code in ANSWERS.iter().chain(named) {
            self.responses.with_label_values(&[&**name, code.to_string().as_str()]);
        }
    }

    /// Those of a source, but for its answers.
    pub(super) fn source(&self, name: &Name) -> SourceMetrics {
        for reason in Reason::ALL {
            self.quarantined.with_label_values(&[&**name, reason.as_str()]);
        }
        SourceMetrics {
            outcomes: Outcome::NAMES.map(|outcome| self.received.with_label_values(&[&**name, outcome])),
            request: self.request.with_label_values(&[&**name]),
            body: self.body.with_label_values(&[&**name]),
            responses: self.responses.clone(),
            last_received: self.last_received.with_label_values(&[&**name]),
            unmatched: self.unmatched.with_label_values(&[&**name]),
            variants_refused: self.variants.with_label_values(&[&**name]),
            name: name.clone(),
        }
    }

    /// Those of a destination.
    pub(super) fn destination(&self, name: &Name) -> DestinationMetrics {
        for outcome in Waited::OUTCOMES {
            self.waits.with_label_values(&[&**name, outcome]);
        }
        DestinationMetrics {
            delivered: self.deliveries.with_label_values(&[&**name, "delivered"]),
            dead: self.deliveries.with_label_values(&[&**name, "dead"]),
            discarded: self.deliveries.with_label_values(&[&**name, "discarded"]),
            attempts: AttemptResult::ALL.map(|result| self.attempts.with_label_values(&[&**name, result.as_str()])),
            attempt_duration: self.attempt_duration.with_label_values(&[&**name]),
            lag: self.lag.with_label_values(&[&**name]),
            queue: ["ready", "retrying", "held_back", "in_flight", "parked"].map(|state| self.queue.with_label_values(&[&**name, state])),
            oldest_age: self.oldest_age.with_label_values(&[&**name]),
            dead_letters: self.dead_letters.with_label_values(&[&**name]),
            paused: self.paused.with_label_values(&[&**name]),
            breaker_open: self.breaker_open.with_label_values(&[&**name]),
            rate_limited: self.rate_limited.with_label_values(&[&**name]),
            replayed: self.replayed.with_label_values(&[&**name]),
        }
    }

    /// That of a rule.
    pub(super) fn rule(&self, name: &Name) -> IntCounter {
        self.matches.with_label_values(&[&**name])
    }
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

    fn time(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn build(self) -> Metrics {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        self.registry.register(Box::new(process)).expect("its names are its own");
        let info = self.gauges("hookgate_build_info", "Always 1; the labels tell the build.", &["version", "revision"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), option_env!("HOOKGATE_REVISION").unwrap_or("unknown")]).set(1);
        let store_errors = self.counters("hookgate_store_errors_total", "Operations of the store that failed.", &["operation"]);
        for operation in STORE_OPERATIONS {
            store_errors.with_label_values(&[operation]);
        }
        Metrics {
            families: self.families(),
            named: RwLock::default(),
            removed: Mutex::default(),
            quarantined: Mutex::default(),
            events: self.counters(
                "hookgate_events_total",
                "Events accepted, by what they say.",
                &["source", "kind", "state", "result", "operation"],
            ),
            quarantine_bytes: self.gauge("hookgate_quarantine_bytes", "What events in quarantine take on the disk, about."),
            quarantine_budget: self
                .gauge("hookgate_quarantine_budget_bytes", "What events in quarantine may take; beyond it only a part is kept."),
            truncated: self
                .counter("hookgate_quarantine_truncated_total", "Events that came into quarantine and of which only a part is kept."),
            held: self.gauge("hookgate_held_requests", "Requests that wait for a failing store."),
            config_rules: self.gauge("hookgate_config_rules", "Rules in force."),
            reload_successful: self.gauge(
                "hookgate_config_last_reload_successful",
                "1 where the last reading of the rules file, at start or later, was taken; 0 where it was refused.",
            ),
            reload_time: self.time("hookgate_config_last_reload_success_timestamp_seconds", "When the rules in force were taken."),
            commit_duration: self.histogram(
                "hookgate_store_commit_duration_seconds",
                "Time to make a group of events durable.",
                COMMIT_BUCKETS,
            ),
            commit_events: self.histogram("hookgate_store_commit_events", "Events in one commit.", COMMIT_EVENTS_BUCKETS),
            store_bytes: self.gauge("hookgate_store_bytes", "Size of the data folder."),
            store_free_bytes: self.gauge("hookgate_store_free_bytes", "Free bytes on the disk of the data folder."),
            store_reserve_bytes: self.gauge("hookgate_store_reserve_bytes", "Bytes held in reserve there; 0 once the disk was full."),
            store_errors,
            log_dropped: self.counter("hookgate_log_lines_dropped_total", "Log lines that could not be written."),
            registry: self.registry,
        }
    }

    fn families(&self) -> Families {
        Families {
            queue: self.gauges("hookgate_queue_deliveries", "Deliveries that are not at their end.", &["destination", "state"]),
            quarantined: self.gauges("hookgate_quarantined_events", "Events that wait for an operator's release.", &["source", "reason"]),
            received: self.counters("hookgate_webhooks_received_total", "Requests by what they came to.", &["source", "outcome"]),
            request: self.histograms(
                "hookgate_webhook_request_duration_seconds",
                "From the first byte of a request to its answer.",
                REQUEST_BUCKETS,
                &["source"],
            ),
            body: self.histograms("hookgate_webhook_body_bytes", "Size of the bodies received.", BODY_BUCKETS, &["source"]),
            responses: self.counters("hookgate_webhook_responses_total", "Answers by status code.", &["source", "code"]),
            last_received: self.seconds(
                "hookgate_event_last_received_timestamp_seconds",
                "When the last event with a right signature came in.",
                &["source"],
            ),
            unmatched: self.counters("hookgate_events_unmatched_total", "Events that no rule but taps matched.", &["source"]),
            variants: self.counters(
                "hookgate_signature_variants_refused_total",
                "Variants of one signature that were not stored.",
                &["source"],
            ),
            waits: self.counters(
                "hookgate_wait_for_total",
                "Answers that waited for the destination, by what came of it.",
                &["destination", "outcome"],
            ),
            matches: self.counters("hookgate_rule_matches_total", "Accepted events that the rule matched.", &["rule"]),
            deliveries: self.counters("hookgate_deliveries_total", "Deliveries that came to an end.", &["destination", "outcome"]),
            attempts: self.counters("hookgate_delivery_attempts_total", "Attempts by what came of them.", &["destination", "result"]),
            attempt_duration: self.histograms(
                "hookgate_delivery_attempt_duration_seconds",
                "Time an attempt took.",
                ATTEMPT_BUCKETS,
                &["destination"],
            ),
            lag: self.histograms(
                "hookgate_delivery_lag_seconds",
                "From acceptance of the event to its delivery.",
                LAG_BUCKETS,
                &["destination"],
            ),
            oldest_age: self.seconds(
                "hookgate_queue_oldest_age_seconds",
                "Age of the oldest event that still waits for this destination.",
                &["destination"],
            ),
            dead_letters: self.gauges("hookgate_dead_letters", "Deliveries given up and kept.", &["destination"]),
            paused: self.gauges("hookgate_destination_paused", "1 while the destination is paused.", &["destination"]),
            breaker_open: self.gauges(
                "hookgate_destination_breaker_open",
                "1 while the destination failed too often and gets nothing but probes.",
                &["destination"],
            ),
            replayed: self.counters("hookgate_replayed_total", "Deliveries that an operator had sent again.", &["destination"]),
            rate_limited: self.register(CounterVec::new(
                Opts::new("hookgate_rate_limited_seconds_total", "Time in which deliveries waited for the rate limit and nothing else."),
                &["destination"],
            )),
        }
    }
}
