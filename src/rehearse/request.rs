//! The request that a destination would get, masked: it is made of an event whose payload is masked.

use super::{
    explanation::{Header, Request},
    signature::Signature,
};
use crate::{
    destination::{self, Settings, Unsendable},
    domain::{
        clock::Timestamp,
        delivery::{Accepted, Delivery, Seq},
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
use std::sync::Arc;

/// So many characters of a body are shown.
const SHOWN: usize = 4096;

/// A parameter whose name has one of these is likely a secret.
const SECRET_WORDS: [&str; 7] = ["secret", "token", "passw", "key", "credential", "auth", "sig"];

/// What only a signature that holds decides: the event's id is made of it, and the trace of the id.
const OF_THE_ID: [&str; 2] = ["webhook-id", "traceparent"];

/// The first attempt at it.
pub(super) fn first_delivery(event: &Event, rules: &[Name], signature: &Signature, at: Timestamp) -> Delivery {
    let accepted = Accepted {
        seq: Seq(0),
        id: event.id,
        source: event.source.clone(),
        received_at: event.received_at,
        content_type: event.content_type.clone(),
        verified: signature.proves(),
        flags: event.flags,
        first: None,
    };
    Delivery { event: Arc::new(accepted), rules: rules.to_vec(), attempt: 1, at, body: event.payload.bytes().clone() }
}

/// The request of a delivery; `None`: nothing tells what of it is personal.
///
/// # Errors
/// There is no request: the delivery would be dead at once.
pub(super) fn request(
    settings: &Settings,
    delivery: &Delivery,
    event: &Event,
    signature: &Signature,
) -> Result<Option<Request>, Unsendable> {
    let real = destination::preview(settings, delivery, event)?;
    let masked = masked(event);
    let body = masked.payload.bytes().clone();
    let Ok(shown) = destination::preview(settings, &Delivery { body, ..delivery.clone() }, &masked) else { return Ok(None) };
    let is_known = matches!(signature, Signature::Holds | Signature::Held | Signature::Absent);
    let header = |(name, value): (http::HeaderName, String)| {
        let value = match name.as_str() {
            "content-length" => real.body.len().to_string(),
            name if OF_THE_ID.contains(&name) && !is_known => "…".to_owned(),
            _ => value,
        };
        Header { name: name.to_string(), value }
    };
    Ok(Some(Request {
        method: shown.method.to_string(),
        url: url(&shown.url, settings),
        headers: shown.headers.into_iter().map(header).collect(),
        body: clipped(&String::from_utf8_lossy(&shown.body), SHOWN).into_owned(),
        body_bytes: real.body.len(),
        unchanged: real.body == *event.payload.bytes(),
    }))
}

/// The url, as far as it is no secret: a query of the rules file may be one, unless it says what fields of the event are put in.
fn url(shown: &str, settings: &Settings) -> String {
    let Some((path, query)) = shown.split_once('?') else { return shown.to_owned() };
    if !settings.target.as_ref().is_some_and(Target::has_places) {
        return format!("{path}?{MASK}");
    }
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((key, _)) if SECRET_WORDS.iter().any(|word| key.to_ascii_lowercase().contains(word)) => format!("{key}={MASK}"),
        Some(_) | None => parameter.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
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
