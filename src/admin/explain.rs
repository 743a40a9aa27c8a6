//! The call that says what would become of an event, and what the rules in force would do with a stored one.

use super::{Admin, Reply, Request, Unexplained, api::is_json};
use crate::{
    domain::{event::Flags, problem::Problem},
    store::EventDetail,
};
use bytes::Bytes;
use serde_json::Value;

impl Admin {
    /// Answers `POST /api/v1/explain`.
    pub(super) fn explain(&self, request: &Request) -> Result<Reply, Problem> {
        let bad = |detail: String| Problem::new(400, "Bad request", detail);
        is_json(request)?;
        let mut from = None;
        for (key, value) in form_urlencoded::parse(request.query.as_bytes()) {
            if key != "from" || from.replace(value).is_some() {
                return Err(bad(format!("This call has one parameter, `from`, which names a source; found {key:?} more.")));
            }
        }
        let explained = self.gateway.explain(from.as_deref(), request.body.clone());
        explained.map(|explanation| Reply::json(200, &explanation)).map_err(|Unexplained(why)| {
            let end = if why.ends_with('?') { "" } else { "." };
            bad(format!("It cannot be explained: {why}{end}"))
        })
    }

    /// What the rules in force say to a stored event; null where its body is not kept whole.
    pub(super) fn explained_now(&self, event: &EventDetail, body: Option<&Bytes>) -> Value {
        match body {
            Some(body) if !event.summary.flags.contains(Flags::TRUNCATED) => {
                self.gateway.explain_kept(event.clone().kept(body.clone()), event.summary.verdict)
            }
            Some(_) | None => Value::Null,
        }
    }
}
