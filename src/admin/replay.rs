//! The call by which operators send one event again, and how they say where.

use super::{
    Admin, Gateway, Reply, Request,
    api::{body, event_id, unavailable, unknown_event},
};
use crate::{
    domain::{id::EventId, name::Name, problem::Problem},
    store::{Aim, EventStatus, Replayed, Retried, Selection, Store, StoreError},
};
use serde_json::json;

/// Where, as the body of a call says it.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    to: Option<Vec<String>>,
    #[serde(default)]
    reroute: bool,
}

impl Admin {
    /// Answers `POST /api/v1/events/{id}/replay`.
    pub(super) async fn replay(&self, id: &str, request: &Request) -> Result<Reply, Problem> {
        let id = event_id(id)?;
        let asked = body::<Asked>(request, r#"`{"to": ["<name>", …]}`, `{"reroute": true}` or `{}`"#)?.unwrap_or_default();
        let aim = self.aim(asked.to, asked.reroute)?;
        let chosen = selection(&*self.store, &*self.gateway, &aim, id).await.map_err(unavailable)?;
        let Some(selection) = chosen else { return Err(unknown_event()) };
        match self.store.replay(id, selection).await.map_err(unavailable)? {
            None => Err(unknown_event()),
            Some(Replayed::Quarantined) => {
                let detail = "The event is in quarantine: release it, and it goes where the rules say; or discard it.";
                Err(refused(detail))
            }
            Some(Replayed::Discarded) => Err(refused("The event was in quarantine and is discarded: it is not forwarded any more.")),
            Some(Replayed::Begun(replayed)) if replayed.is_nothing() => Err(nothing(&aim, &replayed)),
            Some(Replayed::Begun(replayed)) => {
                let Retried { due, held_back, in_flight, removed } = replayed;
                for name in due.iter().chain(&held_back) {
                    if let Some(metrics) = self.metrics.destination(name) {
                        metrics.replayed(1);
                    }
                    self.lanes.wake(name);
                }
                let destinations = [&due[..], &held_back].concat().join(", ");
                tracing::info!(event = %id, destinations, rerouted = aim == Aim::Reroute, "replayed by an operator");
                Ok(Reply::json(202, &json!({ "due": due, "held_back": held_back, "in_flight": in_flight, "removed": removed })))
            }
        }
    }

    /// Where events are to go again; only to destinations of the rules file.
    pub(super) fn aim(&self, to: Option<Vec<String>>, reroute: bool) -> Result<Aim, Problem> {
        let bad = |detail: String| Problem::new(400, "Bad request", detail);
        match (to, reroute) {
            (None, false) => Ok(Aim::Planned),
            (None, true) => Ok(Aim::Reroute),
            (Some(_), true) => {
                Err(bad("`to` and `reroute` exclude each other: either you say where, or the rules in force do.".to_owned()))
            }
            (Some(to), false) if to.is_empty() => {
                Err(bad("`to` names no destination: name at least one, or leave it out for where each event went.".to_owned()))
            }
            (Some(to), false) => {
                let known = self.lanes.names();
                let mut names: Vec<Name> = Vec::new();
                for text in to {
                    let Some(name) = known.iter().find(|name| ***name == *text) else {
                        return Err(bad(format!("{text:?} is no destination of the rules file in force, which has {}.", known.join(", "))));
                    };
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
                Ok(Aim::To(names))
            }
        }
    }
}

/// What an aim means for one event; `None`: it is not there. Nothing is decided of one in quarantine, which the store does not replay.
pub(super) async fn selection(store: &dyn Store, gateway: &dyn Gateway, aim: &Aim, id: EventId) -> Result<Option<Selection>, StoreError> {
    match aim {
        Aim::Planned => Ok(Some(Selection::Planned)),
        Aim::To(names) if !gateway.keeps_order(names) => Ok(Some(Selection::to(names))),
        Aim::To(names) => {
            let Some(event) = store.event(id).await? else { return Ok(None) };
            let body = store.body(event.summary.seq).await?;
            Ok(body.map(|body| Selection::To(gateway.targets(event.kept(body), names))))
        }
        Aim::Reroute => {
            let Some(event) = store.event(id).await? else { return Ok(None) };
            if event.summary.status() == EventStatus::Quarantined {
                return Ok(Some(Selection::Planned));
            }
            let body = store.body(event.summary.seq).await?;
            Ok(body.map(|body| Selection::Rerouted(gateway.plan(event.kept(body)))))
        }
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(409, "Cannot be replayed", detail)
}

fn nothing(aim: &Aim, replayed: &Retried) -> Problem {
    let detail = match aim {
        Aim::Planned if replayed.removed.is_empty() => {
            "The event went to no destination: say where with `to`, or have the rules in force decide with `reroute`.".to_owned()
        }
        Aim::Reroute if replayed.removed.is_empty() => "The rules in force send the event to no destination.".to_owned(),
        Aim::Planned | Aim::To(_) | Aim::Reroute => {
            format!("It would go to {}, which the rules file no longer has; say where with `to`.", replayed.removed.join(", "))
        }
    };
    Problem::new(409, "Nothing to replay", detail)
}
