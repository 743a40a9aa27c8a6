//! The calls by which operators pause a destination and let it go on.

use super::{
    Admin, Reply, Request,
    api::{Nothing, body, unavailable},
    view,
};
use crate::domain::{name::Name, problem::Problem};
use serde_json::json;

impl Admin {
    /// Answers `POST /api/v1/destinations/{name}/pause`.
    pub(super) async fn pause(&self, name: &str, request: &Request) -> Result<Reply, Problem> {
        body::<Nothing>(request, "`{}`")?;
        let name = destination(name)?;
        let Some(state) = self.lanes.pause(&name).await.map_err(unavailable)? else { return Err(unknown(&name)) };
        tracing::info!(destination = %name, "paused by an operator");
        Ok(Reply::json(200, &json!({ "destination": name, "paused": true, "paused_by": view::paused_by(&state) })))
    }

    /// Answers `POST /api/v1/destinations/{name}/resume`.
    pub(super) async fn resume(&self, name: &str, request: &Request) -> Result<Reply, Problem> {
        body::<Nothing>(request, "`{}`")?;
        let name = destination(name)?;
        let Some(state) = self.lanes.resume(&name).await.map_err(unavailable)? else { return Err(unknown(&name)) };
        tracing::info!(destination = %name, paused_by_file = state.paused_by_file, "resumed by an operator");
        if state.paused_by_file {
            let detail = format!(
                "The rules file pauses it: take `paused: true` out of destination {name:?} and reload. An operator's pause is over."
            );
            return Err(Problem::new(409, "Paused by the rules file", detail));
        }
        Ok(Reply::json(200, &json!({ "destination": name, "paused": false, "paused_by": view::paused_by(&state) })))
    }
}

fn destination(text: &str) -> Result<Name, Problem> {
    Name::of_part(text).map_err(|_| unknown(text))
}

fn unknown(name: &str) -> Problem {
    Problem::new(404, "Destination not found", format!("The rules file in force has no destination {name:?}."))
}
