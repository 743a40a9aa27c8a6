//! The request that a destination would get, masked: it is made of an event whose payload is masked.

use super::{
    explanation::{Header, Request},
    signature::Signature,
};
use crate::{
    destination::{self, Settings, Unsendable},
    domain::{
        clock::Timestamp,
        delivery::{Accepted, Delivery},
        event::{Event, Kept},
        json::Document,
        mask::{self, MASK},
        name::Name,
        template::Target,
        text::clipped,
    },
    provider,
};
use bytes::Bytes;
use http::HeaderName;
use std::sync::Arc;

/// So many characters of a body are shown.
const SHOWN: usize = 4096;

/// What only a signature that holds decides: the event's id is made of it, and the trace of the id.
const OF_THE_ID: [&str; 2] = ["webhook-id", "traceparent"];

/// The first attempts at an event.
pub(super) struct Requests<'e> {
    pub(super) event: &'e Event,
    /// The same with its payload masked: what is made of it can be shown.
    masked: Event,
    accepted: Arc<Accepted>,
    at: Timestamp,
    knows_id: bool,
}

impl<'e> Requests<'e> {
    pub(super) fn of(event: &'e Event, signature: &Signature, at: Timestamp) -> Self {
        let accepted = Accepted { verified: signature.proves(), ..Accepted::supposed(event) };
        Self { event, masked: masked(event), accepted: Arc::new(accepted), at, knows_id: signature.tells_id() }
    }

    /// The request to a destination; `None`: nothing tells what of it is personal.
    ///
    /// # Errors
    /// There is no request: the delivery would be dead at once.
    pub(super) fn to(&self, settings: &Settings, rules: &[Name]) -> Result<Option<Request>, Unsendable> {
        let delivery = |event: &Event| {
            let (accepted, body) = (Arc::clone(&self.accepted), event.payload.bytes().clone());
            Delivery { event: accepted, rules: rules.to_vec(), attempt: 1, at: self.at, body }
        };
        let real = destination::preview(settings, &delivery(self.event), self.event)?;
        let Ok(shown) = destination::preview(settings, &delivery(&self.masked), &self.masked) else { return Ok(None) };
        let header = |(name, value): (HeaderName, String)| {
            let value = match name.as_str() {
                "content-length" => real.body.len().to_string(),
                name if OF_THE_ID.contains(&name) && !self.knows_id => "…".to_owned(),
                _ => value,
            };
            Header { name: name.to_string(), value }
        };
        Ok(Some(Request {
            method: shown.method.to_string(),
            url: url(&shown.url, settings),
            headers: shown.headers.into_iter().map(header).collect(),
            body: clipped(&String::from_utf8_lossy(&shown.shown_body), SHOWN).into_owned(),
            body_bytes: real.body.len(),
            unchanged: real.body == *self.event.payload.bytes(),
        }))
    }
}

/// The url, as far as it is no secret. What the rules file writes out in a query may be one; a value that fields of the event
/// make is none, unless its name says so.
pub(super) fn url(shown: &str, settings: &Settings) -> String {
    let shown = shown.replace("%2A%2A%2A", MASK);
    let Some((path, query)) = shown.split_once('?') else { return shown };
    let made = settings.target.as_ref().map(Target::parameters).unwrap_or_default();
    let parameter = |(place, parameter): (usize, &str)| match parameter.split_once('=') {
        Some((key, _)) if mask::is_secret(key) || !made.get(place).is_some_and(|is_made| *is_made) => format!("{key}={MASK}"),
        Some(_) => parameter.to_owned(),
        None if made.get(place).is_some_and(|is_made| *is_made) => parameter.to_owned(),
        None => MASK.to_owned(),
    };
    format!("{path}?{}", query.split('&').enumerate().map(parameter).collect::<Vec<_>>().join("&"))
}

/// The event with everything masked in its payload that may be personal; all of it where nothing tells what that is.
fn masked(event: &Event) -> Event {
    let payload = mask::payload(&event.payload).unwrap_or_else(|| Bytes::from_static(b"\"***\""));
    debug_assert!(Document::read(payload.clone()).flaw().is_none(), "a masked payload is strict JSON");
    provider::restore(Kept {
        id: event.id,
        source: event.source.clone(),
        received_at: event.received_at,
        kind: event.kind,
        fields: event.fields.clone(),
        body: payload,
        content_type: event.content_type.clone(),
        verified: event.verified,
        flags: event.flags,
    })
}
