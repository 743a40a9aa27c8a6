//! Requests whose signature was refused: kept for operators, and verified again when the keys change. What verifies then
//! goes on as accepted, flagged `late`, so that a key that was rotated in the wrong order costs nothing.

use super::{FrontDoor, InForce, Source, rejected::Entry, stored, verdict};
use crate::{
    domain::{event::Fields, json::Document, received::Received, rejected::Rejected},
    provider::{self, OpenError, SignatureError},
    store::StoreError,
};
use std::sync::Arc;

impl FrontDoor {
    /// How many requests that were refused for their signature are kept, and the newest of them, newest first.
    pub fn rejected(&self, limit: usize) -> (usize, Vec<Rejected>) {
        let in_force = self.in_force();
        let claims = |received: &Received| {
            let source = in_force.named(&received.source);
            source.map_or_else(Fields::default, |source| source.provider.claims(&Document::read(received.body.clone())))
        };
        self.rejected.newest(limit, claims)
    }

    /// Verifies what was refused again, with the keys in force now. Ends when all that verifies is stored.
    pub async fn verify_again(&self) {
        let in_force = self.in_force();
        let mut accepted = 0_usize;
        for (number, entry) in self.rejected.take() {
            match self.again(&in_force, entry).await {
                Some(entry) => self.rejected.put_back(number, entry),
                None => accepted += 1,
            }
        }
        if accepted > 0 {
            tracing::info!(accepted, "requests that had been refused for their signature verify under the keys in force now");
        }
    }

    /// Keeps a request that was refused.
    pub(super) async fn reject(&self, in_force: &Arc<InForce>, source: &Source, received: Received, cause: SignatureError) {
        self.rejected.keep(Entry { received, reason: cause.to_string(), keys: Arc::clone(&source.settings.keys) });
        // The keys may have changed since the request came in: then nobody else looks at it again.
        if !Arc::ptr_eq(in_force, &self.in_force()) {
            self.verify_again().await;
        }
    }

    /// The entry, where it still does not verify.
    async fn again(&self, in_force: &InForce, entry: Entry) -> Option<Entry> {
        let Some(source) = in_force.named(&entry.received.source) else { return Some(entry) };
        let event = match source.provider.open(&entry.received) {
            Ok(event) => Arc::new(provider::late(event)),
            Err(OpenError::Signature(cause)) => {
                return Some(Entry { reason: cause.to_string(), keys: Arc::clone(&source.settings.keys), ..entry });
            }
            Err(OpenError::Malformed) => return Some(entry),
        };
        source.metrics.received_at(event.received_at.millis() as f64 / 1000.0);
        let plan = in_force.plan(&event);
        let (rules, routing) = (plan.rules.clone(), plan.routing);
        match stored(self.store.as_ref(), self.dispatch.as_ref(), source.new_event(Arc::clone(&event), plan)).await {
            Ok(stored) => {
                let (outcome, _) = verdict::of_stored(&stored, event.verdict, 200);
                verdict::count(&self.metrics, source, &event, &stored, &rules, routing);
                tracing::info!(
                    event = %event.id, source = %event.source, outcome = outcome.as_str(), rules = rules.join(", "),
                    "event accepted late: its signature was refused when it came"
                );
                None
            }
            Err(error @ (StoreError::Closed | StoreError::Failing(_) | StoreError::OnReserve(_) | StoreError::Unusable { .. })) => {
                tracing::error!(event = %event.id, %error, "an event that verifies late could not be stored");
                Some(entry)
            }
        }
    }
}
