//! One webhook as a provider posts it, and its answer as `send` shows it.

use super::{
    client::{self, Answer},
    gateway::Refused,
    table::shown,
};
use http::{HeaderName, HeaderValue, Request, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::Value;
use std::time::Duration;

/// Longer than a gateway holds a request by default.
const LIMIT: Duration = Duration::from_secs(75);

/// What is posted.
#[derive(Debug)]
pub struct Webhook {
    /// The payload.
    pub body: Vec<u8>,
    /// Its signature, where the provider has that in headers.
    pub headers: Vec<(&'static HeaderName, String)>,
}

/// Posts it.
///
/// # Errors
/// There was no whole answer.
pub async fn post(to: &Uri, webhook: Webhook) -> anyhow::Result<Answer> {
    let mut request = Request::post("/").body(Full::new(webhook.body.into()))?;
    for (name, value) in webhook.headers {
        request.headers_mut().insert(name, value.parse()?);
    }
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(client::exchange(to, request, LIMIT).await?)
}

/// As `200 accepted evt_… 12 ms`; of a problem its title and detail stand in the place of status and event.
pub fn line(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = match (body["status"].as_str(), body["event"].as_str()) {
        (Some(status), Some(event)) => format!("{status} {event}"),
        (_, _) if answer.status.is_success() && answer.body.is_empty() => "accepted".to_owned(),
        (_, _) => Refused::of(answer).to_string(),
    };
    format!("{} {} {} ms", answer.status.as_u16(), shown(&said), answer.took.as_millis())
}
