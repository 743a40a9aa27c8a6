//! A request as the front door took it in, before anything about it is believed.

use super::{clock::Timestamp, name::Name};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use std::net::{IpAddr, Ipv4Addr};

/// A whole request to a source: within the limits, and nothing else is known of it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The source whose path was called.
    pub source: Name,
    /// Header fields of the request.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub body: Bytes,
    /// The address of the peer.
    pub peer: IpAddr,
    /// When the body was whole.
    pub at: Timestamp,
}

impl Received {
    /// A payload that nobody sent, as it would come.
    pub fn supposed(source: &Name, body: Bytes, at: Timestamp) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { source: source.clone(), headers, body, peer: IpAddr::V4(Ipv4Addr::LOCALHOST), at }
    }
}
