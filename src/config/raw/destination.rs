//! `defaults` and one of `destinations`, as written.

use super::{
    super::{
        diagnostics::Code,
        keys::{self, Fields, Scalars, single},
        lanes::{self, Breaker},
        problem::{Problem, Problems},
        tree::{Entry, Kind, Node, Scalar, Span},
    },
    pairs,
};

mod auth;

pub use auth::Auth;

/// `defaults`.
#[derive(Default)]
pub struct Defaults<'t> {
    pub method: Option<Scalar<'t>>,
    pub success: Option<Statuses<'t>>,
    pub give_up_on: Option<Statuses<'t>>,
    pub headers: Vec<(Scalar<'t>, Scalar<'t>)>,
    pub remove: Option<Remove<'t>>,
    pub timeout: Option<Scalar<'t>>,
    pub concurrency: Option<Scalar<'t>>,
    pub retry: Option<Retry<'t>>,
    pub breaker: Option<Breaker<'t>>,
    pub rate_limit: Option<Scalar<'t>>,
    pub order_by: Option<Scalar<'t>>,
    /// Whether `order_by` is there, rightly or wrongly.
    pub says_order_by: bool,
    pub order_wait: Option<Scalar<'t>>,
}

/// One of `destinations`.
pub struct Destination<'t> {
    pub name: Scalar<'t>,
    pub url: Option<Scalar<'t>>,
    pub method: Option<Scalar<'t>>,
    pub timeout: Option<Scalar<'t>>,
    pub retry: Option<Retry<'t>>,
    pub success: Option<Statuses<'t>>,
    pub give_up_on: Option<Statuses<'t>>,
    pub concurrency: Option<Scalar<'t>>,
    pub headers: Vec<(Scalar<'t>, Scalar<'t>)>,
    pub sign: Option<Sign<'t>>,
    pub auth: Option<Auth<'t>>,
    pub tls: Option<ClientTls<'t>>,
    pub allow_link_local: Option<Scalar<'t>>,
    pub breaker: Option<Breaker<'t>>,
    pub rate_limit: Option<Scalar<'t>>,
    pub order_by: Option<Scalar<'t>>,
    /// Whether `order_by` is there, rightly or wrongly.
    pub says_order_by: bool,
    pub order_wait: Option<Scalar<'t>>,
    pub paused: Option<Scalar<'t>>,
    pub body: Option<&'t Entry>,
    pub remove: Option<Remove<'t>>,
}

/// `success` or `give_up_on`.
pub struct Statuses<'t> {
    /// Where the key is.
    pub at: Span,
    pub codes: Scalars<'t>,
}

/// `remove`.
pub struct Remove<'t> {
    /// Where the key is.
    pub at: Span,
    pub paths: Scalars<'t>,
}

/// `sign`.
pub struct Sign<'t> {
    /// Where the key is.
    pub at: Span,
    pub scheme: Option<Scalar<'t>>,
    pub secret: Option<Scalars<'t>>,
}

/// `tls` of a destination.
pub struct ClientTls<'t> {
    /// Where the key is.
    pub at: Span,
    pub ca: Option<Scalar<'t>>,
    pub cert: Option<Scalar<'t>>,
    pub key: Option<Scalar<'t>>,
}

impl<'t> Destination<'t> {
    /// One of which only the url is said.
    fn at(name: Scalar<'t>, url: Scalar<'t>) -> Self {
        Self {
            name,
            url: Some(url),
            method: None,
            timeout: None,
            retry: None,
            success: None,
            give_up_on: None,
            concurrency: None,
            headers: Vec::new(),
            sign: None,
            auth: None,
            tls: None,
            allow_link_local: None,
            breaker: None,
            rate_limit: None,
            order_by: None,
            says_order_by: false,
            order_wait: None,
            paused: None,
            body: None,
            remove: None,
        }
    }
}

/// `retry`.
pub enum Retry<'t> {
    /// A preset's name.
    Preset(Scalar<'t>),
    /// A schedule.
    Schedule(Box<Schedule<'t>>),
}

/// `retry` in full.
pub struct Schedule<'t> {
    pub initial_interval: Option<Scalar<'t>>,
    pub multiplier: Option<Scalar<'t>>,
    pub max_interval: Option<Scalar<'t>>,
    pub jitter: Option<Scalar<'t>>,
    pub max_attempts: Option<Scalar<'t>>,
    pub max_elapsed: Option<Scalar<'t>>,
}

pub(super) fn defaults<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Defaults<'t> {
    Defaults {
        method: fields.scalar("method", problems),
        success: statuses(fields, "success", problems),
        give_up_on: statuses(fields, "give_up_on", problems),
        headers: pairs(fields, "headers", "the header", problems),
        remove: remove(fields, problems),
        timeout: fields.scalar("timeout", problems),
        concurrency: fields.scalar("concurrency", problems),
        retry: retry(fields, problems),
        breaker: lanes::read(fields, problems),
        rate_limit: fields.scalar("rate_limit", problems),
        order_by: fields.scalar("order_by", problems),
        says_order_by: fields.entry("order_by").is_some(),
        order_wait: fields.scalar("order_wait", problems),
    }
}

pub(super) fn destination<'t>(name: Scalar<'t>, of: &str, node: &'t Node, problems: &mut Problems) -> Option<Destination<'t>> {
    if let Some(url) = node.scalar() {
        return Some(Destination::at(name, url));
    }
    if node.is_null() || matches!(node.kind, Kind::Sequence(_)) {
        let code = if node.is_null() { Code::NullValue } else { Code::WrongType };
        problems.error(code, node.span, format!("{of} wants a url or a mapping, found {}", node.what()));
        return None;
    }
    let fields = Fields::read(of, name.span, node, &keys::DESTINATION, problems)?;
    fields.require("url", problems);
    Some(Destination {
        name,
        url: fields.scalar("url", problems),
        method: fields.scalar("method", problems),
        timeout: fields.scalar("timeout", problems),
        retry: retry(&fields, problems),
        success: statuses(&fields, "success", problems),
        give_up_on: statuses(&fields, "give_up_on", problems),
        concurrency: fields.scalar("concurrency", problems),
        headers: pairs(&fields, "headers", "the header", problems),
        sign: sign(&fields, problems),
        auth: auth::auth(&fields, problems),
        tls: tls(&fields, problems),
        allow_link_local: fields.scalar("allow_link_local", problems),
        breaker: lanes::read(&fields, problems),
        rate_limit: fields.scalar("rate_limit", problems),
        order_by: fields.scalar("order_by", problems),
        says_order_by: fields.entry("order_by").is_some(),
        order_wait: fields.scalar("order_wait", problems),
        paused: fields.scalar("paused", problems),
        body: fields.entry("body"),
        remove: remove(&fields, problems),
    })
}

fn statuses<'t>(fields: &Fields<'t>, key: &str, problems: &mut Problems) -> Option<Statuses<'t>> {
    let entry = fields.entry(key)?;
    Some(Statuses { at: entry.key.span, codes: fields.list(key, problems)? })
}

fn remove<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Remove<'t>> {
    let entry = fields.entry("remove")?;
    Some(Remove { at: entry.key.span, paths: fields.list("remove", problems)? })
}

fn retry<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Retry<'t>> {
    let entry = fields.entry("retry")?;
    let of = format!("`retry` of {}", fields.of);
    if !matches!(entry.value.kind, Kind::Mapping(_)) {
        return single(&of, &entry.value, problems).map(Retry::Preset);
    }
    let fields = Fields::read(of, entry.key.span, &entry.value, &keys::RETRY, problems)?;
    Some(Retry::Schedule(Box::new(Schedule {
        initial_interval: fields.scalar("initial_interval", problems),
        multiplier: fields.scalar("multiplier", problems),
        max_interval: fields.scalar("max_interval", problems),
        jitter: fields.scalar("jitter", problems),
        max_attempts: fields.scalar("max_attempts", problems),
        max_elapsed: fields.scalar("max_elapsed", problems),
    })))
}

fn tls<'t>(destination: &Fields<'t>, problems: &mut Problems) -> Option<ClientTls<'t>> {
    let entry = destination.entry("tls")?;
    let at = entry.key.span;
    let fields = Fields::read(format!("`tls` of {}", destination.of), at, &entry.value, &keys::CLIENT_TLS, problems)?;
    let is_there = |key: &str| fields.entry(key).is_some();
    if is_there("cert") || is_there("key") {
        fields.require("cert", problems);
        fields.require("key", problems);
    } else if !is_there("ca") {
        let found = Problem::error(Code::MissingKey, at, format!("{} says nothing", fields.of));
        problems.push(found.help("give it `ca`, or `cert` and `key`, or both"));
    }
    Some(ClientTls { at, ca: fields.scalar("ca", problems), cert: fields.scalar("cert", problems), key: fields.scalar("key", problems) })
}

fn sign<'t>(destination: &Fields<'t>, problems: &mut Problems) -> Option<Sign<'t>> {
    let entry = destination.entry("sign")?;
    let fields = Fields::read(format!("`sign` of {}", destination.of), entry.key.span, &entry.value, &keys::SIGN, problems)?;
    fields.require("scheme", problems);
    fields.require("secret", problems);
    Some(Sign { at: entry.key.span, scheme: fields.scalar("scheme", problems), secret: fields.one_or_more("secret", problems) })
}
