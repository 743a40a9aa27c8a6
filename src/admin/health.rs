//! Whether the gateway can do its work, and its figures.

use super::{Admin, Reply};
use crate::{deliver::LaneState, domain::name::Name, metrics::Queue};
use std::collections::HashMap;

impl Admin {
    /// 200, or 503 with the reasons.
    pub(super) fn readiness(&self) -> Reply {
        let mut reasons = Vec::new();
        if let Err(error) = self.store.health() {
            reasons.push(error.to_string());
        }
        if *self.draining.borrow() {
            reasons.push("the gateway is stopping".to_owned());
        }
        let code = if reasons.is_empty() { 200 } else { 503 };
        Reply::json(code, &serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons }))
    }

    /// All metrics; what is a state and no event is looked up now.
    pub(super) async fn metrics_text(&self) -> Reply {
        if let Ok(stats) = self.store.stats().await {
            self.metrics.set_store_bytes(stats.bytes, stats.free_bytes, stats.reserve_bytes);
            self.metrics.set_quarantine_bytes(stats.quarantine_bytes, stats.quarantine_budget);
            let quarantined = stats.quarantined.iter().map(|(source, reason, count)| ((source.clone(), *reason), *count));
            self.metrics.set_quarantined(&quarantined.collect());
            let lanes: HashMap<_, _> = self.lanes.states().into_iter().map(|lane| (lane.destination.clone(), lane)).collect();
            let by_name: HashMap<_, _> = stats.destinations.iter().map(|stats| (&stats.destination, stats)).collect();
            let now = self.clock.now();
            let known = self.metrics.destinations();
            for (name, metrics) in &known {
                let in_flight = lanes.get(name).map_or(0, |lane| lane.in_flight as u64);
                metrics.set_paused(lanes.get(name).is_some_and(LaneState::is_paused));
                metrics.set_breaker_open(lanes.get(name).is_some_and(|lane| lane.breaker.is_open()));
                let Some(stats) = by_name.get(name) else {
                    metrics.set_queue(Queue { in_flight, ..Queue::default() }, 0, std::time::Duration::ZERO);
                    continue;
                };
                let queue = Queue {
                    ready: stats.ready.saturating_sub(in_flight),
                    retrying: stats.retrying,
                    held_back: stats.held_back,
                    in_flight,
                    parked: stats.parked,
                };
                metrics.set_queue(queue, stats.dead, stats.oldest.map(|oldest| now.since(oldest)).unwrap_or_default());
            }
            let is_known = |name: &Name| known.iter().any(|(known, _)| known == name);
            let removed = stats.destinations.iter().filter(|stats| stats.parked > 0 && !is_known(&stats.destination));
            self.metrics.set_parked(&removed.map(|stats| (stats.destination.clone(), stats.parked)).collect());
        }
        let body = self.metrics.render().into();
        Reply { code: 200, content_type: "text/plain; version=0.0.4; charset=utf-8", body, header: None }
    }
}
