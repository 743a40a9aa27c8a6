//! Operators: health, metrics, and the API. The listener is in `server.rs`, who may come in is in `auth.rs`,
//! what each call of the API does in `api.rs`.

use crate::{
    deliver::lanes::Lanes,
    domain::{
        clock::Clock,
        event::{Kept, Verdict},
        name::Name,
        plan::{Plan, Target},
        problem::Problem,
        rejected::Rejected,
        secret::Secret,
    },
    metrics::Metrics,
    store::{Store, StoreError},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};
use tokio::sync::watch;

mod api;
mod auth;
pub mod bulks;
pub mod dev_sink;
mod explain;
mod health;
mod pause;
mod reload;
mod replay;
mod replays;
pub mod server;
mod view;

use self::{bulks::Bulks, dev_sink::DevSink};
pub use auth::Access;

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The token of the API; `None`: made at first start, in the store's folder.
    pub token: Option<Secret>,
    /// Hosts that requests may name besides the listen address.
    pub hosts: Vec<String>,
}

/// What stands behind the admin listener.
pub struct Admin {
    /// Who may come in.
    pub access: Access,
    /// For the API.
    pub store: Arc<dyn Store>,
    /// For the state of destinations, and to wake them.
    pub lanes: Arc<Lanes>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Whether the gateway is stopping.
    pub draining: watch::Receiver<bool>,
    /// The gateway as a whole.
    pub gateway: Arc<dyn Gateway>,
    /// What is sent again in bulk.
    pub bulks: Arc<Bulks>,
    /// Where `serve --dev` sends everything.
    pub sink: Option<Arc<DevSink>>,
}

/// What operators ask of the gateway as a whole.
pub trait Gateway: Send + Sync {
    /// Decides by the rules in force where an event goes that was kept back.
    fn plan(&self, kept: Kept) -> Plan;

    /// Whether events are kept in order at one of these destinations.
    fn keeps_order(&self, destinations: &[Name]) -> bool;

    /// The event's deliveries to these destinations, whatever the rules say.
    fn targets(&self, kept: Kept, destinations: &[Name]) -> Vec<Target>;

    /// What would become of a payload by the rules in force, at the source of that name; without a name, at the first.
    ///
    /// # Errors
    /// It can be no event there.
    fn explain(&self, from: Option<&str>, payload: Bytes) -> Result<Value, Unexplained>;

    /// What the rules in force say to an event that came before.
    fn explain_kept(&self, kept: Kept, verdict: Verdict) -> Value;

    /// How many requests that were refused for their signature are kept, and the newest of them, newest first.
    fn rejected(&self, limit: usize) -> (usize, Vec<Rejected>);

    /// Reads the rules file again and takes it whole, or not at all.
    /// Goes on to its end whether or not anybody waits for it.
    fn reload(self: Arc<Self>) -> Reloading;

    /// Reads the rules file as `reload` does, or the file of that name `beside` it, and says which of the newest stored events,
    /// `last` of them, would go elsewhere by it. Nothing is taken, counted or logged.
    fn dry_run(self: Arc<Self>, beside: Option<String>, last: usize) -> Comparing;

    /// The rules file in force with its secrets masked, what is doubtful about it, and what became of the last readings.
    fn config(&self) -> Value;
}

/// Why there is nothing to explain: for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unexplained(pub String);

/// The warnings of a rules file that was taken, or the problems of one that was not, each as `check --format json` shows it.
pub type Reloading = Pin<Box<dyn Future<Output = Result<Vec<Value>, Vec<Value>>> + Send>>;

/// What the rules file would change, or why nobody can say.
pub type Comparing = Pin<Box<dyn Future<Output = Result<Value, Uncomparable>> + Send>>;

/// Why a rules file cannot be compared with the one in force.
#[derive(Debug)]
pub enum Uncomparable {
    /// These are its problems.
    Refused(Vec<Value>),
    /// The events cannot be read.
    Store(StoreError),
}

/// Where the rules file is told to be read again.
const RELOAD: &str = "/-/reload";

/// A request, read whole.
struct Request {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What is answered, before it is an HTTP response.
struct Reply {
    code: u16,
    content_type: &'static str,
    body: Bytes,
    header: Option<(header::HeaderName, &'static str)>,
}

impl Reply {
    fn json(code: u16, value: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("our views have text keys and finite numbers");
        Self { code, content_type: "application/json", body: body.into(), header: None }
    }

    fn problem(problem: &Problem) -> Self {
        Self { code: problem.status, content_type: Problem::CONTENT_TYPE, body: problem.to_json().into(), header: None }
    }

    /// A problem document that says more.
    fn with_member(self, name: &str, value: &impl serde::Serialize) -> Self {
        let mut document: Value = serde_json::from_slice(&self.body).expect("a problem document is JSON");
        document[name] = serde_json::json!(value);
        Self { body: document.to_string().into(), ..self }
    }

    fn with(self, name: header::HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = StatusCode::from_u16(self.code).expect("the codes of this folder are valid");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Admin {
    /// Answers a request that came in on `local`.
    async fn answer(&self, request: Request, local: SocketAddr) -> Reply {
        let (method, path) = (&request.method, request.path.as_str());
        let is_read = method == Method::GET || method == Method::HEAD;
        match path {
            "/healthz" if is_read => return Reply::json(200, &serde_json::json!({ "status": "ok" })),
            "/readyz" if is_read => return self.readiness(),
            _ => {}
        }
        if let Err(problem) = self.access.check_host(&request.headers, local) {
            return Reply::problem(&problem);
        }
        if path == "/metrics" && is_read {
            return self.metrics_text().await;
        }
        if let (Some(sink), Some(place)) = (&self.sink, DevSink::place(path)) {
            return sink.answer(place, &request, self.clock.now());
        }
        let call = path.strip_prefix("/api/v1/");
        if call.is_none() && path != RELOAD {
            return Reply::problem(&Problem::new(404, "Not found", "There is nothing at this path; the API is under /api/v1/."));
        }
        if let Err(problem) = self.access.check_token(&request.headers) {
            return Reply::problem(&problem).with(header::WWW_AUTHENTICATE, "Bearer");
        }
        let answer = match call {
            Some(call) => self.call(call, &request).await,
            None => self.reload(&request).await,
        };
        answer.unwrap_or_else(|problem| Reply::problem(&problem))
    }
}
