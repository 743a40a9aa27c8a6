//! CATALOG, where webhooks go. One file per kind of destination; today there is HTTP.
//! Only here does the gateway dial out.

use crate::domain::{
    attempt::AttemptResult,
    delivery::Delivery,
    event::Event,
    name::Name,
    secret::Secret,
    status_set::StatusSet,
    template::{Target, Template},
};
use ::http::{HeaderName, Method, Uri};
use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

mod auth;
pub mod certificates;
mod connection;
mod dial;
mod failure;
mod guard;
mod headers;
mod http;
mod pool;
mod request;
mod tls;
mod tokens;
mod unsendable;

pub use auth::{Auth, ClientCredentials};
pub use certificates::Certificates;
pub use guard::{LinkLocal, refused_literal};
pub use headers::is_reserved;
pub use request::{Payload, Preview, preview};
pub use unsendable::Unsendable;

/// Where deliveries are sent.
pub trait Destination: Send + Sync + std::fmt::Debug {
    /// Makes one attempt; ends within the destination's timeout. The event is there where [`Destination::needs_event`] says so.
    fn send<'a>(&'a self, delivery: &'a Delivery, event: Option<&'a Event>) -> Sending<'a>;

    /// Whether its requests are made of more than a delivery has: of the fields of the event.
    fn needs_event(&self) -> bool {
        false
    }

    /// Lets go of connections that nobody has used for a while. Called about once a minute.
    fn tidy(&self) {}
}

/// An attempt under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send + 'a>>;

/// The longest that an attempt takes where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How one destination is called. What follows a failure is in `deliver::Policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Absolute, `http` or `https`. Its path and query are those of every request, unless `target` has places.
    pub url: Uri,
    /// The path and query once more, where fields of the event are filled in, or where some of it is not to be shown.
    pub target: Option<Target>,
    /// POST, PUT or PATCH.
    pub method: Method,
    /// One attempt, whole; connecting at most 5 s of it.
    pub timeout: Duration,
    /// Sent with every attempt. What is not to be shown in them is told by [`Template::is_secret`].
    pub headers: Vec<(HeaderName, Template)>,
    /// What is sent as the body.
    pub payload: Payload,
    /// The answers that count as delivered.
    pub success: StatusSet,
    /// Secrets of Standard Webhooks: every attempt is signed by each of them. Empty: no signature.
    pub sign: Vec<Secret>,
    /// What the destination knows the gateway by.
    pub auth: Option<Auth>,
    /// Authorities and a client certificate of its own; else the system's authorities, and no certificate.
    pub tls: Option<Certificates>,
    /// What the egress guard lets through.
    pub link_local: LinkLocal,
}

impl Settings {
    /// A destination of which no more is said than where it is.
    pub fn to(url: Uri) -> Self {
        Self {
            url,
            method: Method::POST,
            timeout: TIMEOUT,
            target: None,
            headers: Vec::new(),
            payload: Payload::AsReceived,
            success: StatusSet::success(),
            sign: Vec::new(),
            auth: None,
            tls: None,
            link_local: LinkLocal::default(),
        }
    }
}

/// The destination took the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The status code.
    pub status: u16,
}

/// An attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Answered, but not with one of the codes that count as success.
    #[error("answered {status}")]
    Status {
        /// The status code.
        status: u16,
        /// The beginning of the answer's body: 2 KiB at most, what is no UTF-8 replaced.
        response: Box<str>,
        /// The `retry-after` field, as it came.
        retry_after: Option<Box<str>>,
    },
    /// No whole answer within the timeout.
    #[error("no answer within {}", crate::domain::quantity::show_duration(*.0))]
    Timeout(Duration),
    /// The host's name has no address.
    #[error("no address for {host}: {cause}")]
    Dns {
        /// The name that was looked up.
        host: Box<str>,
        /// What the resolver said.
        cause: Box<str>,
    },
    /// The egress guard refuses the address; nothing was dialled.
    #[error(
        "refused to call {host}, which is at {address}: link-local addresses and those of cloud metadata are not called; \
         mend its name or its `url`, or say `allow_link_local: true` if this is meant"
    )]
    Refused {
        /// The host.
        host: Box<str>,
        /// Its address, or the first of them.
        address: IpAddr,
    },
    /// Refused, unreachable, or reset before the request was sent.
    #[error("cannot connect: {0}")]
    Connect(Box<str>),
    /// The TLS handshake failed: expired, wrong host, unknown issuer, …
    #[error("TLS failed: {0}")]
    Tls(Box<str>),
    /// There was no token to send: the token endpoint failed.
    #[error("no token: {0}")]
    Auth(Box<str>),
    /// Reset, closed early, or a malformed answer.
    #[error("the exchange broke: {0}")]
    Protocol(Box<str>),
    /// There is no request to be made of the delivery; nothing was dialled.
    #[error("{0}; nothing was sent")]
    Unsendable(Unsendable),
}

impl SendError {
    /// What the label `result` says.
    pub fn result(&self) -> AttemptResult {
        match self {
            Self::Status { status, .. } => AttemptResult::of_status(*status),
            Self::Timeout(_) => AttemptResult::Timeout,
            Self::Dns { .. } => AttemptResult::Dns,
            Self::Refused { .. } | Self::Unsendable(_) => AttemptResult::Refused,
            Self::Connect(_) => AttemptResult::Connect,
            Self::Tls(_) => AttemptResult::Tls,
            Self::Auth(_) => AttemptResult::Auth,
            Self::Protocol(_) => AttemptResult::Protocol,
        }
    }

    /// The status code, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Timeout(_)
            | Self::Dns { .. }
            | Self::Refused { .. }
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Auth(_)
            | Self::Protocol(_)
            | Self::Unsendable(_) => None,
        }
    }
}

/// The destination that the settings describe.
pub fn build(name: &Name, settings: Settings) -> Arc<dyn Destination> {
    Arc::new(http::Http::new(name.clone(), settings))
}
