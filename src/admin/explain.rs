//! The call that says what would become of an event, and what the rules in force would do with a stored one. A large payload and
//! many rules take a while, so it is worked out away from the tasks.

use super::{Admin, Gateway, Reply, Request, Unexplained, api::is_json};
use crate::{
    domain::{event::Flags, problem::Problem},
    store::EventDetail,
    tasks,
};
use bytes::Bytes;
use serde_json::Value;
use std::{panic::resume_unwind, sync::Arc};

impl Admin {
    /// Answers `POST /api/v1/explain`.
    pub(super) async fn explain(&self, request: &Request) -> Result<Reply, Problem> {
        let bad = |detail: String| Problem::new(400, "Bad request", detail);
        is_json(request)?;
        let mut from: Option<String> = None;
        for (key, value) in form_urlencoded::parse(request.query.as_bytes()) {
            if key != "from" {
                return Err(bad(format!("There is no parameter {key:?}: this call has `from`, which names a source.")));
            }
            if from.replace(value.into_owned()).is_some() {
                return Err(bad("The parameter `from` is there twice, and an event comes in by one source.".to_owned()));
            }
        }
        let payload = request.body.clone();
        let explained = self.away(move |gateway| gateway.explain(from.as_deref(), payload)).await;
        explained.map(|explanation| Reply::json(200, &explanation)).map_err(|Unexplained(why)| {
            let end = if why.ends_with('?') { "" } else { "." };
            bad(format!("It cannot be explained: {why}{end}"))
        })
    }

    /// What the rules in force say to a stored event; null where its body is not kept whole.
    pub(super) async fn explained_now(&self, event: &EventDetail, body: Option<&Bytes>) -> Value {
        match body {
            Some(body) if !event.summary.flags.contains(Flags::TRUNCATED) => {
                let (kept, verdict) = (event.clone().kept(body.clone()), event.summary.verdict);
                self.away(move |gateway| gateway.explain_kept(kept, verdict)).await
            }
            Some(_) | None => Value::Null,
        }
    }

    async fn away<T: Send + 'static>(&self, work: impl FnOnce(&dyn Gateway) -> T + Send + 'static) -> T {
        let gateway = Arc::clone(&self.gateway);
        tasks::blocking(move || work(&*gateway)).await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }
}
