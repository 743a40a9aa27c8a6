//! Where `serve --dev` sends every delivery: kept in memory, listed under `/dev/sink`.

use super::{Reply, Request};
use crate::domain::{clock::Timestamp, name::Name, problem::Problem};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

/// Below this path every destination has its own.
const PREFIX: &str = "/dev/sink";

/// How many requests each destination's list keeps, and how many bytes of their bodies; the newest is always kept.
const KEPT: usize = 200;
const KEPT_BYTES: usize = 4 << 20;

/// The lists, one for each destination.
#[derive(Debug)]
pub struct DevSink {
    lists: Mutex<Vec<(Name, List)>>,
}

/// The newest first.
#[derive(Debug, Default)]
struct List {
    count: u64,
    bytes: usize,
    newest: VecDeque<Taken>,
}

/// A delivery as it came.
#[derive(Debug)]
struct Taken {
    at: Timestamp,
    method: Method,
    /// The path and query below the destination's place.
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl DevSink {
    /// With an empty list for each destination.
    pub fn new(destinations: &[Name]) -> Self {
        Self { lists: Mutex::new(destinations.iter().map(|name| (name.clone(), List::default())).collect()) }
    }

    /// Has a list for each of these from now on; those that stay keep what they have.
    pub fn keep(&self, destinations: &[Name]) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before: HashMap<Name, List> = lists.drain(..).collect();
        lists.extend(destinations.iter().map(|name| (name.clone(), before.remove(name).unwrap_or_default())));
    }

    /// What is below `/dev/sink` in a path, without its slashes; `None`: the path is another one.
    pub(super) fn place(path: &str) -> Option<&str> {
        let below = path.strip_prefix(PREFIX)?;
        (below.is_empty() || below.starts_with('/')).then(|| below.trim_matches('/'))
    }

    /// `POST`, `PUT` and `PATCH` to a destination's place, and below it, take a delivery, `GET` lists what came; `GET /dev/sink`
    /// counts.
    pub(super) fn answer(&self, place: &str, request: &Request, now: Timestamp) -> Reply {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let is_read = request.method == Method::GET || request.method == Method::HEAD;
        if place.is_empty() {
            if !is_read {
                return not_allowed("Deliveries go to a destination's place, /dev/sink/<name>.", "GET, HEAD");
            }
            let counts: Vec<_> = lists.iter().map(|(name, list)| json!({ "destination": name, "received": list.count })).collect();
            return Reply::json(200, &json!({ "destinations": counts }));
        }
        let (place, below) = place.split_once('/').unwrap_or((place, ""));
        let Some((name, list)) = lists.iter_mut().find(|(known, _)| &**known == place && (below.is_empty() || !is_read)) else {
            return Reply::problem(&Problem::new(404, "Not found", "No destination of the rules file has this name."));
        };
        if is_read {
            let requests: Vec<_> = list.newest.iter().map(Taken::shown).collect();
            return Reply::json(200, &json!({ "destination": name, "received": list.count, "requests": requests }));
        }
        if ![Method::POST, Method::PUT, Method::PATCH].contains(&request.method) {
            return not_allowed("Deliveries are sent by POST, PUT or PATCH.", "GET, HEAD, POST, PUT, PATCH");
        }
        let (method, headers, body) = (request.method.clone(), request.headers.clone(), request.body.clone());
        list.take(Taken { at: now, method, path: path(place, request), headers, body });
        Reply::json(200, &json!({ "received": list.count }))
    }
}

impl List {
    fn take(&mut self, taken: Taken) {
        self.count += 1;
        self.bytes += taken.body.len();
        self.newest.push_front(taken);
        while self.newest.len() > KEPT || (self.bytes > KEPT_BYTES && self.newest.len() > 1) {
            self.bytes -= self.newest.pop_back().map_or(0, |oldest| oldest.body.len());
        }
    }
}

impl Taken {
    fn shown(&self) -> Value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())])).collect();
        let body = serde_json::from_slice::<Value>(&self.body).unwrap_or_else(|_| Value::from(text(&self.body)));
        json!({ "at": self.at, "method": self.method.as_str(), "path": self.path, "headers": headers, "body": body })
    }
}

/// The path and query of a delivery, without the place of its destination.
fn path(place: &str, request: &Request) -> String {
    let path = request.path.strip_prefix(PREFIX).and_then(|below| below.strip_prefix('/')?.strip_prefix(place)).unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    if request.query.is_empty() { path.to_owned() } else { format!("{path}?{}", request.query) }
}

fn not_allowed(detail: &'static str, allow: &'static str) -> Reply {
    Reply::problem(&Problem::new(405, "Method not allowed", detail)).with(header::ALLOW, allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, body: &str) -> Request {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Request { method, path: String::new(), query: String::new(), headers: HeaderMap::new(), body }
    }

    fn sink() -> DevSink {
        DevSink::new(&[Name::unchecked("orders")])
    }

    fn list(sink: &DevSink) -> Value {
        serde_json::from_slice(&sink.answer("orders", &request(Method::GET, ""), Timestamp::default()).body).unwrap()
    }

    #[test]
    fn a_place_is_below_the_prefix_and_not_merely_begun_by_it() {
        let places = ["/dev/sink", "/dev/sink/", "/dev/sink/orders", "/dev/sink/orders/", "/dev/sinkorders", "/dev"].map(DevSink::place);
        assert_eq!(places, [Some(""), Some(""), Some("orders"), Some("orders"), None, None]);
    }

    #[test]
    fn the_newest_come_first_and_older_ones_make_room_by_number_and_by_size() {
        let sink = sink();
        for number in 0..=KEPT {
            sink.answer("orders", &request(Method::POST, &number.to_string()), Timestamp::default());
        }
        let listed = list(&sink);
        assert_eq!((&listed["received"], &listed["requests"][0]["body"]), (&json!(KEPT + 1), &json!(KEPT)));
        assert_eq!(listed["requests"].as_array().map(Vec::len), Some(KEPT));
        let large = "x".repeat(KEPT_BYTES / 2);
        for _ in 0..3 {
            sink.answer("orders", &request(Method::POST, &large), Timestamp::default());
        }
        assert_eq!(list(&sink)["requests"].as_array().map(Vec::len), Some(2));
        sink.answer("orders", &request(Method::POST, &large.repeat(3)), Timestamp::default());
        assert_eq!(list(&sink)["requests"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn only_what_a_destination_is_sent_counts_as_a_delivery() {
        let sink = sink();
        for (method, code) in [(Method::POST, 200), (Method::PUT, 200), (Method::PATCH, 200), (Method::DELETE, 405), (Method::HEAD, 200)] {
            assert_eq!(sink.answer("orders", &request(method, "{}"), Timestamp::default()).code, code);
        }
        assert_eq!(list(&sink)["received"], 3);
        assert_eq!(sink.answer("", &request(Method::POST, "{}"), Timestamp::default()).code, 405);
        assert_eq!(sink.answer("nobody", &request(Method::POST, "{}"), Timestamp::default()).code, 404);
    }
}
