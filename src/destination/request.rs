//! The one place where requests to a destination are made: of its settings, a delivery, and the event where the settings ask
//! for its fields. Pure; what sends them is in `http.rs`.

use super::{
    Auth, Settings, Unsendable,
    headers::{self, Headers},
};
use crate::domain::{
    delivery::Delivery,
    event::Event,
    path::Path,
    secret::Secret,
    template::{Body, MASK, Target, Values},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;

/// What a template comes to may have so many bytes in a header, or in a path and query: more than servers take.
const MOST_FILLED: usize = 60 << 10;

/// What a destination gets of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Payload {
    /// The bytes received.
    #[default]
    AsReceived,
    /// JSON made for it.
    Made(Body),
    /// The bytes received, without what is at these paths.
    Without(Vec<Path>),
}

/// A request as people see it before it is sent, or without its being sent: secrets in it are `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// POST, PUT or PATCH.
    pub method: Method,
    /// The whole of it; user-info is masked, and so is what a variable put into path and query.
    pub url: String,
    /// The path and query as they would be sent: to compare with, not to be shown where the url masks something.
    pub target: Secret,
    /// In the order in which they would be sent. Those of `auth`, the signature, and those into which a variable was put are masked.
    pub headers: Vec<(HeaderName, String)>,
    /// The bytes that would be sent: to compare with, not to be shown where `shown_body` masks something.
    pub body: Bytes,
    /// The same, with what a variable put into it masked.
    pub shown_body: Bytes,
}

/// The request by which these settings would deliver that event. Of a token that is fetched nothing is known, so it is masked.
/// Its span of `traceparent` is another each time.
///
/// # Errors
/// There is no such request, and there will be none: its delivery would be dead at once.
pub fn preview(settings: &Settings, delivery: &Delivery, event: &Event) -> Result<Preview, Unsendable> {
    let requests = Requests::new(settings)?;
    let filled = requests.fill(delivery, Some(event))?;
    let token = matches!(settings.auth, Some(Auth::OAuth2(_))).then(|| HeaderValue::from_static("Bearer ***"));
    let (head, _) = requests.request(delivery, &filled, token.as_ref()).into_parts();
    let shown = |value: &HeaderValue| match value.is_sensitive() {
        true => MASK.to_owned(),
        false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    let mut headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
    // The connection writes it, behind all others.
    if !head.headers.contains_key(header::CONTENT_LENGTH) {
        headers.push((header::CONTENT_LENGTH, filled.body.len().to_string()));
    }
    let shown_body = match &settings.payload {
        Payload::Made(body) => body.show(values(delivery, event)).into(),
        Payload::AsReceived | Payload::Without(_) => filled.body.clone(),
    };
    let target = match &settings.target {
        Some(target) => target.show(values(delivery, event))?,
        None => filled.target.to_string(),
    };
    let scheme = settings.url.scheme_str().unwrap_or_default();
    let authority = settings.url.authority().map_or("", |authority| authority.as_str());
    let authority = authority.rsplit_once('@').map_or_else(|| authority.to_owned(), |(_, host)| format!("{MASK}@{host}"));
    Ok(Preview {
        method: head.method,
        url: format!("{scheme}://{authority}{target}"),
        target: Secret::new(filled.target.to_string()),
        headers,
        body: filled.body,
        shown_body,
    })
}

/// What all requests of a destination have in common.
pub(super) struct Requests {
    method: Method,
    path: PathOf,
    headers: Headers,
    payload: Payload,
}

enum PathOf {
    All(Uri),
    Each(Target),
}

/// What an event decides of its requests, so that it is worked out once per attempt.
pub(super) struct Filled {
    target: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Requests {
    /// By the settings of a destination.
    pub(super) fn new(settings: &Settings) -> Result<Self, Unsendable> {
        let path = match &settings.target {
            Some(target) if target.has_places() => PathOf::Each(target.clone()),
            Some(_) | None => PathOf::All(headers::path(&settings.url)),
        };
        Ok(Self { method: settings.method.clone(), path, headers: Headers::new(settings)?, payload: settings.payload.clone() })
    }

    /// Whether an event has to be there for its request.
    pub(super) fn need_event(&self) -> bool {
        matches!(self.path, PathOf::Each(_)) || self.headers.need_event() || self.payload != Payload::AsReceived
    }

    /// What that event decides; cheap where it decides nothing.
    pub(super) fn fill(&self, delivery: &Delivery, event: Option<&Event>) -> Result<Filled, Unsendable> {
        let needed = || event.ok_or(Unsendable::EventMissing);
        let target = match &self.path {
            PathOf::All(path) => path.clone(),
            PathOf::Each(target) => uri(&target.fill(values(delivery, needed()?))?)?,
        };
        let headers = match self.headers.need_event() {
            true => self.headers.fill(values(delivery, needed()?), MOST_FILLED)?,
            false => Vec::new(),
        };
        let body = match &self.payload {
            Payload::AsReceived => delivery.body.clone(),
            Payload::Made(body) => body.fill(values(delivery, needed()?)).into(),
            Payload::Without(paths) => {
                let payload = &needed()?.payload;
                payload.without(paths).map_err(Unsendable::NotStrictJson)?
            }
        };
        Ok(Filled { target, headers, body })
    }

    /// The request. A token is what `auth` says where it is fetched.
    pub(super) fn request(&self, delivery: &Delivery, filled: &Filled, token: Option<&HeaderValue>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(filled.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = filled.target.clone();
        *request.headers_mut() = self.headers.of(delivery, &filled.headers, &filled.body);
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        request
    }
}

fn values<'a>(delivery: &Delivery, event: &'a Event) -> Values<'a> {
    Values { event, attempt: delivery.attempt }
}

fn uri(target: &str) -> Result<Uri, Unsendable> {
    if target.len() > MOST_FILLED {
        return Err(Unsendable::LongUrl { length: target.len(), most: MOST_FILLED });
    }
    target.parse().map_err(|_| Unsendable::Url)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
