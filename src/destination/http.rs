//! A destination that is called by HTTP/1.1. Redirects, proxies, cookies and decompression are not there to be switched off.

use super::{
    Auth, Destination, Receipt, SendError, Sending, Settings,
    connection::{Answer, Connection},
    dial::Dialer,
    pool::Pool,
    request::{Filled, Requests},
    tokens::{self, Token, Tokens},
};
use crate::domain::{clock::Clock, delivery::Delivery, event::Event, name::Name, status_set::StatusSet};
use http::{StatusCode, Uri};
use std::{
    fmt,
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// How much of an answer's body is kept.
const KEPT: usize = 2 << 10;

/// An HTTP destination.
pub struct Http {
    name: Name,
    timeout: Duration,
    success: StatusSet,
    /// What its requests are made of, or why none can be made.
    parts: Result<Parts, SendError>,
    pool: Pool,
    clock: Clock,
}

struct Parts {
    requests: Requests,
    dialer: Dialer,
    tokens: Option<Tokens>,
}

impl Http {
    /// With its settings.
    pub fn new(name: Name, settings: Settings) -> Self {
        let clock = Clock::system();
        let parts = Self::parts(&name, &settings, &clock);
        let Settings { timeout, success, .. } = settings;
        Self { name, timeout, success, parts, pool: Pool::default(), clock }
    }

    fn parts(name: &Name, settings: &Settings, clock: &Clock) -> Result<Parts, SendError> {
        let requests = Requests::new(settings).map_err(SendError::Unsendable)?;
        let dialer = |url: &Uri| {
            let dialer = Dialer::new(url, settings, clock.clone());
            dialer.ok_or_else(|| SendError::Connect("the url names no host".into()))
        };
        let tokens = match &settings.auth {
            Some(Auth::OAuth2(client)) => {
                let tokens = Tokens::new(name.clone(), client, dialer(&client.token_url)?, settings.timeout, clock.clone());
                Some(tokens.ok_or_else(|| SendError::Auth("the client cannot be written into a header".into()))?)
            }
            Some(Auth::Bearer(_) | Auth::Basic { .. }) | None => None,
        };
        Ok(Parts { requests, dialer: dialer(&settings.url)?, tokens })
    }

    /// `asks` is set while a token is waited for.
    async fn attempt(&self, delivery: &Delivery, event: Option<&Event>, asks: &AtomicBool) -> Result<Receipt, SendError> {
        let parts = self.parts.as_ref().map_err(SendError::clone)?;
        let filled = parts.requests.fill(delivery, event).map_err(SendError::Unsendable)?;
        let Some(tokens) = &parts.tokens else { return self.judge(self.exchange(parts, delivery, &filled, None).await?) };
        let token = marked(asks, tokens.current()).await?;
        let answer = self.exchange(parts, delivery, &filled, Some(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || self.success.contains(answer.status.as_u16()) {
            return self.judge(answer);
        }
        // A token can end before its time, so a 401 is a word on the token first, and once on the delivery.
        drop(self.judge(answer));
        let token = marked(asks, tokens.instead_of(&token)).await?;
        self.judge(self.exchange(parts, delivery, &filled, Some(&token)).await?)
    }

    async fn exchange(&self, parts: &Parts, delivery: &Delivery, filled: &Filled, token: Option<&Token>) -> Result<Answer, SendError> {
        let request = || parts.requests.request(delivery, filled, token.map(|token| &token.header));
        if let Some(idle) = self.pool.take(self.clock.instant()) {
            match idle.exchange(request(), KEPT).await {
                Ok(answer) => return Ok(answer),
                // A destination may close an idle connection at any time, also while a request is on its way to it.
                // Without one byte of an answer that is no word on the delivery: it goes out once more, on a fresh
                // connection and as the same attempt. At worst it arrives twice, which "at least once" allows.
                Err(broken) if broken.unanswered => {}
                Err(broken) => return Err(broken.error),
            }
        }
        let mut fresh = Connection::new(parts.dialer.dial().await?).await?;
        fresh.born = Some(self.clock.instant());
        fresh.exchange(request(), KEPT).await.map_err(|broken| broken.error)
    }

    fn judge(&self, answer: Answer) -> Result<Receipt, SendError> {
        if let Some(connection) = answer.connection {
            self.pool.put(connection, self.clock.instant());
        }
        let status = answer.status.as_u16();
        if self.success.contains(status) {
            return Ok(Receipt { status });
        }
        Err(SendError::Status { status, response: String::from_utf8_lossy(&answer.body).into(), retry_after: answer.retry_after })
    }
}

/// Waits, and says so meanwhile.
async fn marked<T>(mark: &AtomicBool, wait: impl Future<Output = T>) -> T {
    mark.store(true, Ordering::Relaxed);
    let outcome = wait.await;
    mark.store(false, Ordering::Relaxed);
    outcome
}

impl Destination for Http {
    fn send<'a>(&'a self, delivery: &'a Delivery, event: Option<&'a Event>) -> Sending<'a> {
        Box::pin(async move {
            let asks = AtomicBool::new(false);
            match timeout(self.timeout, self.attempt(delivery, event, &asks)).await {
                Ok(outcome) => outcome,
                Err(_) if asks.load(Ordering::Relaxed) => Err(tokens::late(self.timeout)),
                Err(_) => Err(SendError::Timeout(self.timeout)),
            }
        })
    }

    fn needs_event(&self) -> bool {
        self.parts.as_ref().is_ok_and(|parts| parts.requests.need_event())
    }

    fn tidy(&self) {
        self.pool.tidy(self.clock.instant());
    }
}

/// Only the name: url and headers can hold secrets.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("name", &self.name).finish_non_exhaustive()
    }
}
