//! What would become of an event by what is in force.

use crate::{
    admin::Unexplained,
    domain::{
        clock::Timestamp,
        event::{Kept, Verdict},
    },
    rehearse::{Given, Subject},
};
use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock};

/// What the rules file in force says of events. Replaced as a whole.
pub(super) struct InForce(RwLock<Arc<Subject>>);

impl InForce {
    pub(super) fn new(subject: Subject) -> Self {
        Self(RwLock::new(Arc::new(subject)))
    }

    /// Puts another one in force.
    pub(super) fn replace(&self, subject: Subject) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(subject);
    }

    /// What would become of a payload.
    pub(super) fn explain(&self, from: Option<&str>, payload: Bytes, at: Timestamp) -> Result<Value, Unexplained> {
        let subject = self.get();
        let source = subject.source(from).map_err(|error| Unexplained(error.to_string()))?;
        let explanation = subject.explain(source, payload, Given::Received, at).map_err(|error| Unexplained(error.to_string()))?;
        Ok(explanation.to_json())
    }

    /// What would become of an event that came before.
    pub(super) fn explain_kept(&self, kept: Kept, verdict: Verdict, at: Timestamp) -> Value {
        self.get().explain_kept(kept, verdict, at).to_json()
    }

    fn get(&self) -> Arc<Subject> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
