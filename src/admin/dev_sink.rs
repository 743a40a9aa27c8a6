//! Where `serve --dev` sends every delivery: kept in memory, listed under `/dev/sink`.

use super::{Reply, Request};
use crate::domain::{clock::Timestamp, name::Name, problem::Problem};
use http::Method;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Below this path every destination has its own.
pub const PREFIX: &str = "/dev/sink";

/// How many requests each destination's list keeps.
const KEPT: usize = 200;

/// The lists, one for each destination.
#[derive(Debug)]
pub struct DevSink {
    lists: Mutex<Vec<(Name, List)>>,
}

#[derive(Debug, Default)]
struct List {
    count: u64,
    newest: VecDeque<Value>,
}

impl DevSink {
    /// With an empty list for each destination.
    pub fn new(destinations: &[Name]) -> Self {
        Self { lists: Mutex::new(destinations.iter().map(|name| (name.clone(), List::default())).collect()) }
    }

    /// `POST /dev/sink/<name>` takes a delivery, `GET` lists what came, `GET /dev/sink` counts.
    pub(super) fn answer(&self, request: &Request, now: Timestamp) -> Reply {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let name = request.path[PREFIX.len()..].trim_matches('/');
        if name.is_empty() {
            let counts: Vec<_> = lists.iter().map(|(name, list)| json!({ "destination": name, "received": list.count })).collect();
            return Reply::json(200, &json!({ "destinations": counts }));
        }
        let Some((_, list)) = lists.iter_mut().find(|(known, _)| &**known == name) else {
            return Reply::problem(&Problem::new(404, "Not found", "No destination of the rules file has this name."));
        };
        if request.method == Method::GET {
            return Reply::json(200, &json!({ "destination": name, "received": list.count, "requests": list.newest }));
        }
        list.count += 1;
        list.newest.push_front(entry(request, now));
        list.newest.truncate(KEPT);
        Reply::json(200, &json!({ "received": list.count }))
    }
}

fn entry(request: &Request, now: Timestamp) -> Value {
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])).collect();
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&request.body)));
    json!({ "at": now, "method": request.method.as_str(), "headers": headers, "body": body })
}
