//! Ottu: payments and operations, signed by HMAC-SHA256 over 18 fields.

use super::{OpenError, Provider, Settings};
use crate::domain::{event::Event, name::Name, received::Received, secret::Secret};

/// A source of Ottu's webhooks.
#[derive(Debug)]
pub struct Ottu {}

impl Ottu {
    /// With its keys.
    pub fn new(source: Name, settings: &Settings) -> Self {
        let _ = (source, settings);
        todo!("provider")
    }
}

impl Provider for Ottu {
    fn open(&self, received: &Received) -> Result<Event, OpenError> {
        let _ = received;
        todo!("provider")
    }
}

/// See [`super::sign`].
pub fn sign(payload: &[u8], secret: &Secret) -> Result<Vec<u8>, OpenError> {
    let _ = (payload, secret);
    todo!("provider")
}
