//! From an HTTP request to a `Received`: which source, which limits, and the body. Nothing is verified here.

use super::{
    FrontDoor,
    answer::Answer,
    in_force::Source,
    memory::{BodyMemory, Reserved, Standing},
    verdict,
};
use crate::{
    domain::{clock::Instant, head, problem::Problem, received::Received},
    metrics::Outcome,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// The largest body.
pub const MAX_BODY: usize = 1 << 20;

/// What an event takes in memory besides its body, about.
const EVENT: usize = 2 << 10;

/// How a request arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// Who sends it, behind trusted proxies.
    pub peer: IpAddr,
    /// Whether that one is known.
    pub standing: Standing,
    /// When its first byte came.
    pub started: Instant,
    /// How long it may take to arrive, from its first byte; the time in which we do not read does not count.
    pub limit: Duration,
}

/// A head that was answered before it became a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    code: u16,
    outcome: Outcome,
    path: Option<String>,
}

impl Unreadable {
    /// From the end of a connection, and the head's first line. `None`: it ended otherwise.
    pub(super) fn of(error: &hyper::Error, line: &[u8]) -> Option<Self> {
        let (code, outcome) = match (error.is_parse_too_large(), error.is_parse()) {
            (true, _) => (431, Outcome::TooLarge),
            (false, true) => (400, Outcome::Malformed),
            (false, false) => return None,
        };
        // To the preface of HTTP/2 there is no answer.
        if line.starts_with(b"PRI * HTTP/2.0\r\n") {
            return None;
        }
        Some(Self { code, outcome, path: path(line) })
    }
}

/// The path of a request line, if it is one.
fn path(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line.split(|byte| matches!(byte, b'\r' | b'\n')).next()?).ok()?;
    let (_, rest) = line.split_once(' ')?;
    let (target, version) = rest.split_once(' ')?;
    let path = target.split('?').next().unwrap_or(target);
    version.starts_with("HTTP/1.").then(|| path.to_owned())
}

/// Why a body was not read to its end.
enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
    /// There was no memory for it for as long as its source holds a request.
    NoRoom,
}

impl FrontDoor {
    /// Answers a request.
    pub(super) async fn answer(&self, request: http::Request<Incoming>, arrival: Arrival, memory: &BodyMemory) -> Answer {
        let Arrival { peer, started, .. } = arrival;
        let (head, body) = request.into_parts();
        let in_force = self.in_force();
        let source = in_force.at(head.uri.path());
        if let Some(flaw) = head::flaw(&head) {
            if let Some(source) = source {
                source.metrics.outcome(Outcome::Malformed);
                source.metrics.answered(400, self.clock.instant().saturating_duration_since(started));
            }
            return Answer::problem(&Problem::new(400, "Request not clear", flaw)).closing();
        }
        let Some(source) = source else {
            return elsewhere(&head.method, head.uri.path());
        };
        let metrics = &source.metrics;
        let mut reserved = Reserved::of(arrival.standing);
        let answer = match self.admit(source, &head, peer) {
            Err((answer, outcome)) => {
                outcome.into_iter().for_each(|outcome| metrics.outcome(outcome));
                answer.closing()
            }
            Ok(length) => match self.read(body, length, arrival, source.settings.hold, memory, &mut reserved).await {
                Ok(body) => {
                    let received =
                        Received { source: source.settings.name.clone(), headers: head.headers, body, peer, at: self.clock.now() };
                    self.take(Arc::clone(&in_force), head.uri.path(), received, arrival, reserved).await
                }
                Err(BodyError::TooLarge) => {
                    metrics.outcome(Outcome::TooLarge);
                    too_large().closing()
                }
                Err(BodyError::TooSlow) => too_slow().closing(),
                Err(BodyError::NoRoom) => {
                    metrics.outcome(Outcome::HeldOut);
                    tracing::error!(source = %source.settings.name, "a request found no memory for its body within `hold`");
                    verdict::held_out().closing()
                }
                Err(BodyError::Broken) => {
                    metrics.outcome(Outcome::Malformed);
                    broken().closing()
                }
            },
        };
        metrics.answered(answer.code, self.clock.instant().saturating_duration_since(started));
        answer
    }

    /// Counts a head whose first byte came at `started` and that was answered before it became a request,
    /// where its source can be told.
    pub(super) fn count_unreadable(&self, unreadable: &Unreadable, peer: IpAddr, started: Instant) {
        let in_force = self.in_force();
        match unreadable.path.as_ref().and_then(|path| in_force.at(path)) {
            Some(source) => {
                source.metrics.outcome(unreadable.outcome);
                source.metrics.answered(unreadable.code, self.clock.instant().saturating_duration_since(started));
            }
            None => tracing::debug!(%peer, code = unreadable.code, "a head of no source could not be read"),
        }
    }

    /// Whether the head is acceptable; gives the length of the body where the head tells it.
    fn admit(&self, source: &Source, head: &http::request::Parts, peer: IpAddr) -> Result<usize, (Answer, Option<Outcome>)> {
        if head.method != Method::POST {
            let problem = Problem::new(405, "Method not allowed", "Webhooks are sent by POST.");
            return Err((Answer::problem(&problem).allowing("POST"), None));
        }
        if !source.admits(peer) {
            tracing::warn!(source = %source.settings.name, %peer, "address refused by allow_ips");
            return Err((
                Answer::problem(&Problem::new(403, "Address refused", "This address may not call this source.")),
                Some(Outcome::Refused),
            ));
        }
        let length = length(&head.headers);
        if length > MAX_BODY {
            return Err((too_large(), Some(Outcome::TooLarge)));
        }
        let encoded =
            head.headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
        if encoded {
            let problem = Problem::new(415, "Encoding not supported", "The body has a content-encoding; send it without one.");
            return Err((Answer::problem(&problem), Some(Outcome::Malformed)));
        }
        Ok(length)
    }

    async fn read(
        &self,
        mut body: Incoming,
        length: usize,
        arrival: Arrival,
        hold: Duration,
        memory: &BodyMemory,
        reserved: &mut Reserved,
    ) -> Result<Bytes, BodyError> {
        let spent = || self.clock.instant().saturating_duration_since(arrival.started);
        let mut left = arrival.limit.saturating_sub(spent());
        let mut whole = BytesMut::with_capacity(length.min(64 << 10));
        loop {
            let before = self.clock.instant();
            let frame = match tokio::time::timeout(left, body.frame()).await {
                Err(_elapsed) => return Err(BodyError::TooSlow),
                Ok(None) => return Ok(whole.freeze()),
                Ok(Some(Err(_broken))) => return Err(BodyError::Broken),
                Ok(Some(Ok(frame))) => frame,
            };
            left = left.saturating_sub(self.clock.instant().saturating_duration_since(before));
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > MAX_BODY {
                return Err(BodyError::TooLarge);
            }
            // Who sends no body takes no memory for it.
            let room = data.len() + if whole.is_empty() { EVENT } else { 0 };
            let waited = tokio::time::timeout(hold.saturating_sub(spent()), memory.reserve(reserved, room)).await;
            waited.map_err(|_elapsed| BodyError::NoRoom)?;
            whole.extend_from_slice(&data);
        }
    }
}

fn length(headers: &HeaderMap) -> usize {
    let text = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    text.map_or(0, |text| text.parse().unwrap_or(usize::MAX))
}

fn elsewhere(method: &Method, path: &str) -> Answer {
    if path == "/healthz" && (method == Method::GET || method == Method::HEAD) {
        return Answer::json(200, r#"{"status":"ok"}"#.to_owned());
    }
    Answer::problem(&Problem::new(404, "Not found", "There is no source at this path.")).closing()
}

fn too_large() -> Answer {
    Answer::problem(&Problem::new(413, "Body too large", "A webhook has at most 1 MiB."))
}

fn too_slow() -> Answer {
    Answer::problem(&Problem::new(408, "Request too slow", "The request was not whole within 10 seconds."))
}

fn broken() -> Answer {
    Answer::problem(&Problem::new(400, "Body broken", "The body ended early or was not framed as announced."))
}
