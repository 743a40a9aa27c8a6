//! Tokens of OAuth 2.0 by client credentials: one that is known is used until shortly before its end, and those who need a
//! new one at the same time share one request for it.

use super::{
    SendError,
    auth::{self, ClientCredentials},
    connection::{Answer, Connection},
    dial::Dialer,
    headers,
};
use crate::domain::{
    clock::{Clock, Instant},
    name::Name,
    quantity::show_duration,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::Full;
use serde::Deserialize;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::{sync::Mutex, time::timeout};

/// The longest that a token is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest answer with a token.
const LONGEST_ANSWER: usize = 64 << 10;

/// How long a token is used of which nobody said how long it lasts.
const UNSAID: Duration = Duration::from_secs(300);

/// A token is renewed so long before its end, or a quarter of its life, if that is shorter.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a token that could not be renewed is used before that is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// The tokens of one destination.
pub(super) struct Tokens {
    of: Name,
    dialer: Dialer,
    path: Uri,
    headers: HeaderMap,
    form: Bytes,
    limit: Duration,
    clock: Clock,
    known: Mutex<Known>,
    /// How many requests for a token have ended.
    ended: AtomicU64,
}

#[derive(Default)]
struct Known {
    token: Option<Token>,
    failure: Option<SendError>,
}

/// A token as its header.
#[derive(Clone)]
pub(super) struct Token {
    pub header: HeaderValue,
    number: u64,
    renewed: Instant,
    ends: Instant,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Tokens {
    /// `dialer` leads to the client's `token_url`; `None` where that names no host, or the client cannot be written into a header.
    pub(super) fn new(of: Name, client: &ClientCredentials, dialer: Dialer, attempt_limit: Duration, clock: Clock) -> Option<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, headers::host(&client.token_url)?);
        headers.insert(header::USER_AGENT, headers::USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::AUTHORIZATION, client.header()?);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &client.scope {
            form.append_pair("scope", scope);
        }
        Some(Self {
            of,
            dialer,
            path: headers::path(&client.token_url),
            headers,
            form: form.finish().into(),
            limit: LIMIT.min(attempt_limit),
            clock,
            known: Mutex::default(),
            ended: AtomicU64::new(0),
        })
    }

    /// A token that is good as far as is known here.
    pub(super) async fn current(&self) -> Result<Token, SendError> {
        self.obtain(None).await
    }

    /// Another one than that, which the destination does not take.
    pub(super) async fn instead_of(&self, refused: &Token) -> Result<Token, SendError> {
        self.obtain(Some(refused.number)).await
    }

    async fn obtain(&self, refused: Option<u64>) -> Result<Token, SendError> {
        let seen = self.ended.load(Ordering::SeqCst);
        let mut known = self.known.lock().await;
        let is_shared = self.ended.load(Ordering::SeqCst) != seen;
        let start = self.clock.instant();
        if let Some(token) = &known.token
            && refused != Some(token.number)
            && (is_shared || start < token.renewed)
        {
            return Ok(token.clone());
        }
        if let Some(failure) = known.failure.as_ref().filter(|_| is_shared) {
            return Err(failure.clone());
        }
        let fetched = self.fetch().await;
        let number = self.ended.fetch_add(1, Ordering::SeqCst) + 1;
        match fetched {
            Ok((header, life)) => {
                let ends = start + life;
                let token = Token { header, number, renewed: ends - MARGIN.min(life / 4), ends };
                *known = Known { token: Some(token.clone()), failure: None };
                Ok(token)
            }
            Err(failure) => {
                let now = self.clock.instant();
                let before = known.token.take().filter(|token| refused != Some(token.number) && now < token.ends);
                let kept = before.map(|token| Token { renewed: now + PAUSE, ..token });
                if kept.is_some() {
                    tracing::warn!(destination = %self.of, error = %failure, "the token could not be renewed; the one before is used until it ends");
                }
                *known = Known { token: kept.clone(), failure: Some(failure.clone()) };
                kept.ok_or(failure)
            }
        }
    }

    /// The header and how long it lasts.
    async fn fetch(&self) -> Result<(HeaderValue, Duration), SendError> {
        let asked = timeout(self.limit, self.ask()).await.unwrap_or(Err(SendError::Timeout(self.limit)));
        let answer = asked.map_err(|error| match error {
            SendError::Timeout(limit) => late(limit),
            error => SendError::Auth(format!("the token endpoint could not be asked: {error}").into()),
        })?;
        read(&answer).map_err(|cause| SendError::Auth(cause.into()))
    }

    async fn ask(&self) -> Result<Answer, SendError> {
        let mut request = Request::new(Full::new(self.form.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        let connection = Connection::new(self.dialer.dial().await?).await?;
        connection.exchange(request, LONGEST_ANSWER).await.map_err(|broken| broken.error)
    }
}

/// The token endpoint took longer than there was.
pub(super) fn late(limit: Duration) -> SendError {
    SendError::Auth(format!("the token endpoint did not answer within {}", show_duration(limit)).into())
}

/// Nothing of an answer is shown but what the standard has words for.
fn read(answer: &Answer) -> Result<(HeaderValue, Duration), String> {
    if !answer.status.is_success() {
        let status = answer.status.as_u16();
        let refusal = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error).unwrap_or_default();
        return Err(match &*refusal {
            "invalid_client" => format!("the token endpoint answered {status}, invalid_client: look at `client_id` and `client_secret`"),
            "invalid_scope" => format!("the token endpoint answered {status}, invalid_scope: look at `scope`"),
            "invalid_request" | "invalid_grant" | "unauthorized_client" | "unsupported_grant_type" => {
                format!("the token endpoint answered {status}, {refusal}: the client may not use client credentials there")
            }
            _ => format!("the token endpoint answered {status}"),
        });
    }
    let given: Given = serde_json::from_slice(&answer.body)
        .map_err(|_| "the token endpoint's answer is no JSON of at most 64 KiB with the text `access_token`".to_owned())?;
    if given.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("the token endpoint gave a token of another type than `Bearer`".to_owned());
    }
    let is_token = !given.access_token.is_empty() && given.access_token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = Some(given.access_token).filter(|_| is_token).and_then(|token| auth::bearer(&token));
    let header = header.ok_or("the token endpoint gave a token that no header can have")?;
    Ok((header, given.expires_in.as_ref().and_then(seconds).unwrap_or(UNSAID)))
}

/// Some endpoints write the number as a text.
fn seconds(value: &serde_json::Value) -> Option<Duration> {
    const LONGEST: u64 = 365 * 86_400;
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    (number >= 0.0).then(|| Duration::from_secs((number as u64).min(LONGEST)))
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
