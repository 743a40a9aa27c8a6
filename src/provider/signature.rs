//! HMAC-SHA256: the keys of a source and the signatures they are checked against. Knows nothing of payloads.

use crate::domain::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The keys in force, ready to sign.
#[derive(Clone)]
pub(super) struct Keys(Vec<Hmac<Sha256>>);

/// A signature that came with a request, or that was made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature([u8; 32]);

impl Keys {
    /// From the secrets. An empty one proves nothing, so it is no key.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self(secrets.into_iter().filter(|secret| !secret.expose().is_empty()).map(keyed).collect())
    }

    /// Whether one of them made the signature. All are tried, so that the time says nothing about which.
    pub(super) fn verify(&self, message: &[u8], signature: Signature) -> bool {
        let holds = |key: &Hmac<Sha256>| key.clone().chain_update(message).verify_slice(&signature.0).is_ok();
        self.0.iter().fold(false, |any, key| any | holds(key))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Signature {
    /// From 64 hexadecimal characters in either case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Of a message under a secret.
    pub(super) fn of(message: &[u8], secret: &Secret) -> Self {
        Self(keyed(secret).chain_update(message).finalize().into_bytes().into())
    }

    /// In lower case, as the provider writes it.
    pub(super) fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_vector_of_hmac_sha256_holds() {
        // RFC 4231, test case 2.
        let signature = Signature::of(b"what do ya want for nothing?", &Secret::new("Jefe"));
        assert_eq!(signature.to_hex(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(Signature::parse(&signature.to_hex().to_uppercase()), Some(signature));
    }

    #[test]
    fn any_of_several_keys_verifies_and_an_empty_one_never_does() {
        let secrets = ["new", "old", ""].map(Secret::new);
        let keys = Keys::new(&secrets);
        for (secret, holds) in [("new", true), ("old", true), ("older", false), ("", false), ("old\0", true)] {
            assert_eq!(keys.verify(b"message", Signature::of(b"message", &Secret::new(secret))), holds, "{secret:?}");
        }
        assert!(!keys.verify(b"another", Signature::of(b"message", &secrets[0])));
        assert_eq!(format!("{keys:?}"), "***");
    }

    #[test]
    fn only_64_hexadecimal_characters_are_a_signature() {
        let long = "a".repeat(66);
        for bad in ["", &long[..63], &long[..65], &long, &format!("{}g", &long[..63]), &format!("{} ", &long[..63])] {
            assert_eq!(Signature::parse(bad), None, "{bad}");
        }
    }
}
