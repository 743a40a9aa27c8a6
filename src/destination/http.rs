//! A destination that is called by HTTP/1.1. Redirects, proxies, cookies and decompression are not there to be switched off.

use super::{
    Destination, Receipt, SendError, Settings,
    connection::{Answer, Connection},
    dial::Dialer,
    headers::Headers,
    pool::Pool,
};
use crate::domain::{clock::Clock, delivery::Delivery, name::Name, status_set::StatusSet};
use http::{Method, Request, Uri};
use http_body_util::Full;
use std::{fmt, future::Future, pin::Pin, time::Duration};
use tokio::time::timeout;

/// An HTTP destination.
pub struct Http {
    name: Name,
    method: Method,
    path: Uri,
    timeout: Duration,
    success: StatusSet,
    /// What its requests are made of, or why none can be made.
    parts: Result<Parts, SendError>,
    pool: Pool,
    clock: Clock,
}

struct Parts {
    headers: Headers,
    dialer: Dialer,
}

impl Http {
    /// With its settings.
    pub fn new(name: Name, settings: Settings) -> Self {
        let clock = Clock::system();
        let parts = Self::parts(&settings, clock.clone());
        let path = settings.url.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
        let Settings { method, timeout, success, .. } = settings;
        Self { name, method, path, timeout, success, parts, pool: Pool::default(), clock }
    }

    fn parts(settings: &Settings, clock: Clock) -> Result<Parts, SendError> {
        let headers = Headers::new(settings)
            .map_err(|refused| SendError::Protocol(format!("the value set for header {} cannot be sent", refused.0).into()))?;
        let dialer = Dialer::new(&settings.url, settings.link_local, settings.timeout, clock);
        let dialer = dialer.ok_or_else(|| SendError::Connect("the url names no host".into()))?;
        Ok(Parts { headers, dialer })
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<Receipt, SendError> {
        let parts = self.parts.as_ref().map_err(SendError::clone)?;
        let request = || {
            let mut request = Request::new(Full::new(delivery.body.clone()));
            *request.method_mut() = self.method.clone();
            *request.uri_mut() = self.path.clone();
            *request.headers_mut() = parts.headers.of(delivery);
            request
        };
        if let Some(idle) = self.pool.take(self.clock.instant()) {
            match idle.exchange(request()).await {
                Ok(answer) => return self.judge(answer),
                // A destination may close an idle connection at any time, also while a request is on its way to it.
                // Without one byte of an answer that is no word on the delivery: it goes out once more, on a fresh
                // connection and as the same attempt. At worst it arrives twice, which "at least once" allows.
                Err(broken) if broken.unanswered => {}
                Err(broken) => return Err(broken.error),
            }
        }
        let fresh = Connection::new(parts.dialer.dial().await?).await?;
        match fresh.exchange(request()).await {
            Ok(answer) => self.judge(answer),
            Err(broken) => Err(broken.error),
        }
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

impl Destination for Http {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send + 'a>> {
        Box::pin(async move { timeout(self.timeout, self.attempt(delivery)).await.unwrap_or(Err(SendError::Timeout(self.timeout))) })
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
