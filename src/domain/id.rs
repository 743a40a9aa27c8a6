//! The event's id: made of its content, so that two gateways and a repeat after a month give one id.

use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// 64 bits of SHA-256 of what identifies the event in its signature, then 64 bits of SHA-256(body). Both halves are of the
/// body where there is no signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(u128);

/// A text that is no event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event id is `evt_` and 26 characters of 0-9 and a-z without i, l, o and u")]
pub struct EventIdError;

/// Crockford's base32 in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl EventId {
    /// Of a signed event: the signature in the lower-case form in which it was verified, and the bytes received.
    pub fn signed(signature: &[u8], body: &[u8]) -> Self {
        Self::from_halves(half(signature), half(body))
    }

    /// Of an event whose signature changes when it is sent again: what identifies it instead, such as an id of the sender's,
    /// and the bytes received. Senders choose such ids without knowing of each other, so it is one only with its source.
    pub fn named(source: &str, identity: &[u8], body: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(source).chain_update([0]).chain_update(identity).finalize();
        Self::from_halves(first(&digest), half(body))
    }

    /// Of an event without a signature.
    pub fn unsigned(body: &[u8]) -> Self {
        let half = half(body);
        Self::from_halves(half, half)
    }

    /// From the two halves, as the store keeps them.
    pub fn from_halves(signature: u64, body: u64) -> Self {
        Self(u128::from(signature) << 64 | u128::from(body))
    }

    /// The half made of the signature: equal for all variants of one signed message.
    pub fn signature_half(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The half made of the body.
    pub fn body_half(self) -> u64 {
        self.0 as u64
    }
}

fn half(bytes: &[u8]) -> u64 {
    first(&Sha256::digest(bytes))
}

fn first(digest: &[u8]) -> u64 {
    u64::from_be_bytes(digest[..8].try_into().expect("SHA-256 gives 32 bytes"))
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"evt_00000000000000000000000000";
        for (place, byte) in text[4..].iter_mut().enumerate() {
            *byte = ALPHABET[(self.0 >> (125 - 5 * place)) as usize & 31];
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Case does not matter; what was never printed is not read.
impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let digits = text.strip_prefix("evt_").filter(|digits| digits.len() == 26).ok_or(EventIdError)?;
        let mut value: u128 = 0;
        for (place, byte) in digits.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|known| *known == byte.to_ascii_lowercase()).ok_or(EventIdError)?;
            if place == 0 && digit > 7 {
                return Err(EventIdError);
            }
            value = value << 5 | digit as u128;
        }
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_one_half_of_the_signature_and_one_of_the_body() {
        let id = EventId::signed(b"aa", b"body");
        assert_eq!(id.signature_half(), EventId::signed(b"aa", b"other").signature_half());
        assert_eq!(id.body_half(), EventId::signed(b"bb", b"body").body_half());
        assert_ne!(id, EventId::signed(b"aa", b"other"));
        let unsigned = EventId::unsigned(b"body");
        assert_eq!(unsigned.signature_half(), unsigned.body_half());
    }

    #[test]
    fn what_a_sender_calls_its_event_is_one_event_only_at_one_source() {
        let id = EventId::named("billing", b"msg_1", b"body");
        assert_eq!(id, EventId::named("billing", b"msg_1", b"body"));
        assert_eq!(id.signature_half(), EventId::named("billing", b"msg_1", b"other").signature_half());
        for other in [
            EventId::named("billing", b"msg_2", b"body"),
            EventId::named("shop", b"msg_1", b"body"),
            EventId::named("billingm", b"sg_1", b"body"),
            EventId::signed(b"msg_1", b"body"),
            EventId::unsigned(b"body"),
            EventId::named("billing", b"body", b"body"),
        ] {
            assert_ne!(id.signature_half(), other.signature_half());
        }
    }

    #[test]
    fn the_text_is_prefix_and_26_characters() {
        assert_eq!(EventId::from_halves(0, 0).to_string(), "evt_00000000000000000000000000");
        assert_eq!(EventId::from_halves(u64::MAX, u64::MAX).to_string(), "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        for bad in [
            "",
            "evt_",
            "evt_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "evt_0000000000000000000000000i",
            "msg_00000000000000000000000000",
            "evt_é0000000000000000000000000",
        ] {
            assert_eq!(bad.parse::<EventId>(), Err(EventIdError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_id_is_read_back(high: u64, low: u64) {
            let id = EventId::from_halves(high, low);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().to_uppercase().replace("EVT_", "evt_").parse(), Ok(id));
        }
    }
}
