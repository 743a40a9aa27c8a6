//! The head of a request to a destination: what is fixed is made once, what the delivery says is added per attempt.

use super::{Auth, Settings, Unsendable, auth, request::Payload};
use crate::domain::{
    delivery::Delivery,
    mask,
    name::Name,
    standard_webhooks::{ID, SIGNATURE, Signer, TIMESTAMP},
    template::{Template, Values},
};
use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::fmt::{self, Arguments, Write};

/// Rule names beyond this length are left out, each as a whole.
const RULES_LIMIT: usize = 2048;

static SOURCE: HeaderName = HeaderName::from_static("hookgate-source");
static ATTEMPT: HeaderName = HeaderName::from_static("hookgate-attempt");
static RULES: HeaderName = HeaderName::from_static("hookgate-rules");
static VERIFIED: HeaderName = HeaderName::from_static("hookgate-verified");
static FLAGS: HeaderName = HeaderName::from_static("hookgate-flags");
static FIRST_EVENT: HeaderName = HeaderName::from_static("hookgate-first-event");
static RECEIVED: HeaderName = HeaderName::from_static("hookgate-received");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who calls.
pub(super) const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hookgate/", env!("CARGO_PKG_VERSION")));

/// The headers of one destination's requests.
pub(super) struct Headers {
    fixed: HeaderMap,
    /// Those that are filled from the event.
    made: Vec<(HeaderName, Template)>,
    signers: Vec<Signer>,
}

impl Headers {
    pub(super) fn new(settings: &Settings) -> Result<Self, Unsendable> {
        let mut fixed = HeaderMap::with_capacity(24);
        if let Some(host) = host(&settings.url) {
            fixed.insert(header::HOST, host);
        }
        fixed.insert(header::USER_AGENT, USER_AGENT);
        let authority = settings.url.authority().map_or("", |authority| authority.as_str());
        if let Some(value) = authority.rsplit_once('@').and_then(|(user_info, _)| auth::of_url(user_info)) {
            fixed.insert(header::AUTHORIZATION, value);
        }
        if let Some(auth @ (Auth::Bearer(_) | Auth::Basic { .. })) = &settings.auth {
            fixed.insert(header::AUTHORIZATION, auth.fixed().ok_or(Unsendable::Header(header::AUTHORIZATION))?);
        }
        if let Payload::Made(_) = settings.payload {
            fixed.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut made = Vec::new();
        for (name, template) in settings.headers.iter().filter(|(name, _)| !is_reserved(name)) {
            match template.fixed() {
                Some(text) => {
                    fixed.insert(name.clone(), value(name, template, &text)?);
                }
                None => made.push((name.clone(), template.clone())),
            }
        }
        let signer = |secret| Signer::new(secret).map_err(|_| Unsendable::Header(SIGNATURE.clone()));
        let signers = settings.sign.iter().map(signer).collect::<Result<_, _>>()?;
        Ok(Self { fixed, made, signers })
    }

    /// Whether some are filled from the event.
    pub(super) fn need_event(&self) -> bool {
        !self.made.is_empty()
    }

    /// Those that are filled from the event, each of at most so many bytes.
    pub(super) fn fill(&self, values: Values<'_>, most: usize) -> Result<Vec<(HeaderName, HeaderValue)>, Unsendable> {
        let filled = |(name, template): &(HeaderName, Template)| {
            let text = template.header(values);
            if text.len() > most {
                return Err(Unsendable::LongHeader { name: name.clone(), length: text.len(), most });
            }
            Ok((name.clone(), value(name, template, &text)?))
        };
        self.made.iter().map(filled).collect()
    }

    /// Those of one attempt that sends this body, with those that were filled from the event.
    pub(super) fn of(&self, delivery: &Delivery, made: &[(HeaderName, HeaderValue)], body: &[u8]) -> HeaderMap {
        let event = &delivery.event;
        let mut map = self.fixed.clone();
        for (name, value) in made {
            map.insert(name, value.clone());
        }
        if let Some(content_type) = &event.content_type
            && let Ok(value) = HeaderValue::from_str(content_type)
        {
            map.entry(header::CONTENT_TYPE).or_insert(value);
        }
        // hyper leaves the length of an empty body out; a destination may insist on it.
        if body.is_empty() {
            map.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut text = BytesMut::with_capacity(256);
        put(&mut map, &mut text, &ID, format_args!("{}", event.id));
        put(&mut map, &mut text, &TIMESTAMP, format_args!("{}", delivery.at.millis().div_euclid(1000)));
        self.sign(&mut map, &mut text, body);
        put(&mut map, &mut text, &SOURCE, format_args!("{}", event.source));
        put(&mut map, &mut text, &ATTEMPT, format_args!("{}", delivery.attempt));
        write_rules(&mut text, &delivery.rules);
        put_written(&mut map, &mut text, &RULES);
        map.insert(&VERIFIED, HeaderValue::from_static(if event.verified { "true" } else { "false" }));
        for (place, flag) in event.flags.names().enumerate() {
            text.put_slice(if place == 0 { b"" } else { b"," });
            text.put_slice(flag.as_bytes());
        }
        put_written(&mut map, &mut text, &FLAGS);
        if let Some(first) = event.first {
            put(&mut map, &mut text, &FIRST_EVENT, format_args!("{first}"));
        }
        put(&mut map, &mut text, &RECEIVED, format_args!("{}", event.received_at.millis()));
        // All attempts of an event, at whatever destination, are one trace; nobody has said that it is sampled (W3C Trace Context).
        let (high, low, span) = (event.id.signature_half(), event.id.body_half(), fastrand::u64(1..));
        put(&mut map, &mut text, &TRACEPARENT, format_args!("00-{high:016x}{low:016x}-{span:016x}-00"));
        map
    }

    /// Over the id and time that are in the head, each secret by itself: a receiver that has any of them can verify it.
    fn sign(&self, map: &mut HeaderMap, text: &mut BytesMut, body: &[u8]) {
        let (Some(id), Some(time)) = (map.get(&ID), map.get(&TIMESTAMP)) else { return };
        for (place, signer) in self.signers.iter().enumerate() {
            text.put_slice(if place == 0 { b"" } else { b" " });
            text.put_slice(signer.sign(id.as_bytes(), time.as_bytes(), body).as_bytes());
        }
        put_written(map, text, &SIGNATURE);
        if let Some(signature) = map.get_mut(&SIGNATURE) {
            signature.set_sensitive(true);
        }
    }
}

/// Only their names: a value may be a secret.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fixed.keys()).entries(self.made.iter().map(|(name, _)| name)).finish()
    }
}

/// Sensitive where it is not to be shown: credentials, and whatever a variable was put into.
fn value(name: &HeaderName, template: &Template, text: &str) -> Result<HeaderValue, Unsendable> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Unsendable::Header(name.clone()))?;
    value.set_sensitive(template.is_secret() || mask::is_secret(name.as_str()));
    Ok(value)
}

/// Headers that a destination's settings cannot set: they belong to the connection, to the framing of the body,
/// or to what the gateway says itself.
pub fn is_reserved(name: &HeaderName) -> bool {
    const NAMES: [&str; 10] =
        ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "expect", "te", "trailer", "upgrade", "traceparent"];
    const PREFIXES: [&str; 3] = ["proxy-", "webhook-", "hookgate-"];
    NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

/// The `host` of a url.
pub(super) fn host(url: &Uri) -> Option<HeaderValue> {
    let host = url.host()?;
    let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
    let text = match url.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::from_str(&text).ok()
}

/// The path and query of a url.
pub(super) fn path(url: &Uri) -> Uri {
    url.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from)
}

/// The values of one head share one buffer; each is split off it.
fn put(map: &mut HeaderMap, text: &mut BytesMut, name: &HeaderName, value: Arguments) {
    text.write_fmt(value).expect("a buffer in memory grows");
    put_written(map, text, name);
}

fn put_written(map: &mut HeaderMap, text: &mut BytesMut, name: &HeaderName) {
    if text.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(text.split().freeze()) {
        map.insert(name, value);
    }
}

fn write_rules(text: &mut BytesMut, rules: &[Name]) {
    for rule in rules {
        let before = text.len();
        if before > 0 {
            text.put_u8(b',');
        }
        for byte in rule.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.put_u8(byte);
            } else {
                text.write_fmt(format_args!("%{byte:02X}")).expect("a buffer in memory grows");
            }
        }
        if text.len() > RULES_LIMIT {
            text.truncate(before);
            return;
        }
    }
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
