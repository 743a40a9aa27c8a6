//! Requests whose signature was refused: kept for operators, and verified again when the keys change. What verifies then
//! goes on as accepted, flagged `late`, so that a key that was rotated in the wrong order costs nothing.

use super::{FrontDoor, InForce, Source, rejected::Entry, request::Arrival, stored, verdict};
use crate::{
    domain::{
        event::{Event, Fields},
        json::Document,
        received::Received,
        rejected::Rejected,
    },
    provider::{self, OpenError},
    store::StoreError,
};
use std::sync::Arc;

/// What became of a request that was verified again.
enum Again {
    /// It is stored, or was.
    Accepted,
    /// It does not verify, for that reason.
    Refused(Box<Entry>),
    /// Nothing that could be said now.
    Left,
}

impl FrontDoor {
    /// How many requests that were refused for their signature are kept, and the newest of them, newest first.
    pub fn rejected(&self, limit: usize) -> (usize, Vec<Rejected>) {
        let in_force = self.in_force();
        let claims = |entry: &Entry| {
            let source = source_of(&in_force, entry);
            source.map_or_else(Fields::default, |source| source.provider.claims(&Document::read(entry.received.body.clone())))
        };
        self.rejected.newest(limit, claims)
    }

    /// Opens a request by what was in force when it came, and where its signature does not hold, by what is in force by now.
    /// One that is refused is kept, so that a key that comes later finds it.
    pub(super) fn open(
        &self,
        mut in_force: Arc<InForce>,
        path: &str,
        received: &Received,
        arrival: Arrival,
    ) -> (Arc<InForce>, Arc<Source>, Result<Event, OpenError>) {
        let mut kept = None;
        loop {
            let source = Arc::clone(in_force.at(path).expect("only what has a source at that path is put in its place"));
            let opened = source.provider.open(received);
            if let Some(number) = kept.take() {
                self.rejected.remove(number);
            }
            if let Err(OpenError::Signature(cause)) = &opened {
                kept = self.rejected.keep(Entry {
                    received: received.clone(),
                    path: path.into(),
                    reason: cause.to_string(),
                    keys: Arc::clone(&source.settings.keys),
                    standing: arrival.standing,
                });
                // Where the keys have changed meanwhile, nobody else may look at it again.
                let now = self.in_force();
                if !Arc::ptr_eq(&in_force, &now) && now.at(path).is_some_and(|source| source.admits(received.peer)) {
                    in_force = now;
                    continue;
                }
            }
            return (in_force, source, opened);
        }
    }

    /// Verifies what was refused again, with the keys in force now. Ends when all that verifies is stored. What waits for the
    /// store stays in the list, and so do those that come in between.
    pub async fn verify_again(&self) {
        let _only = self.verifier.lock().await;
        let mut accepted = 0_usize;
        for number in self.rejected.numbers() {
            let Some(entry) = self.rejected.get(number) else { continue };
            match self.again(&self.in_force(), &entry).await {
                Again::Accepted => {
                    self.rejected.remove(number);
                    accepted += 1;
                }
                Again::Refused(entry) => self.rejected.change(number, *entry),
                Again::Left => {}
            }
            tokio::task::yield_now().await;
        }
        if accepted > 0 {
            tracing::info!(accepted, "requests that had been refused for their signature verify under the keys in force now");
        }
    }

    /// Judges a request by what is in force, as it would be judged if it came now; but one without a signature stays refused,
    /// since no key can be what it lacked.
    async fn again(&self, in_force: &InForce, entry: &Entry) -> Again {
        let Some(source) = source_of(in_force, entry).filter(|source| source.admits(entry.received.peer)) else { return Again::Left };
        let event = match source.provider.open(&entry.received) {
            Ok(event) if event.verified => Arc::new(provider::late(event)),
            Ok(_) | Err(OpenError::Malformed) => return Again::Left,
            Err(OpenError::Signature(cause)) => {
                let refused = Entry { reason: cause.to_string(), keys: Arc::clone(&source.settings.keys), ..entry.clone() };
                return Again::Refused(Box::new(refused));
            }
        };
        source.metrics.received_at(event.received_at);
        let plan = in_force.plan(&event);
        let (rules, routing) = (plan.rules.clone(), plan.routing);
        match stored(self.store.as_ref(), self.dispatch.as_ref(), source.new_event(Arc::clone(&event), plan), None).await {
            Ok((stored, _)) => {
                let (outcome, _) = verdict::of_stored(&stored, event.verdict, 200);
                verdict::count(&self.metrics, source, &event, &stored, &rules, routing);
                tracing::info!(
                    event = %event.id, source = %event.source, outcome = outcome.as_str(), rules = rules.join(", "),
                    "event accepted late: its signature was refused when it came"
                );
                Again::Accepted
            }
            Err(error @ (StoreError::Closed | StoreError::Failing(_) | StoreError::OnReserve(_) | StoreError::Unusable { .. })) => {
                tracing::error!(event = %event.id, %error, "an event that verifies late could not be stored");
                Again::Left
            }
        }
    }
}

/// The source that a request went to: by its path, which is what the sender called, else by its name.
fn source_of<'a>(in_force: &'a InForce, entry: &Entry) -> Option<&'a Arc<Source>> {
    in_force.at(&entry.path).or_else(|| in_force.named(&entry.received.source))
}
