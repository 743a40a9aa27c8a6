//! What a failed exchange on an open connection is called.

use super::{SendError, dial::reason, tls};
use std::{error::Error, io};

/// Closed before anything, or everything, came back.
pub(super) const CLOSED: &str = "closed before the answer was whole";

/// The name of hyper's error. `unsent`: nothing of the request had left.
pub(super) fn of_exchange(error: &hyper::Error, unsent: bool) -> SendError {
    let mut source = error.source();
    let mut broken = None;
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            if let Some(found) = tls::inside(io) {
                return SendError::Tls(tls::cause(found));
            }
            let early = io.kind() == io::ErrorKind::UnexpectedEof;
            broken = Some(if early { CLOSED.to_owned() } else { reason(io) });
        }
        source = inner.source();
    }
    let text = if error.is_incomplete_message() {
        CLOSED.to_owned()
    } else if let Some(broken) = broken {
        broken
    } else if error.is_parse() {
        format!("malformed answer: {error}")
    } else {
        error.to_string()
    };
    if unsent { SendError::Connect(format!("{text} before the request was sent").into()) } else { SendError::Protocol(text.into()) }
}
