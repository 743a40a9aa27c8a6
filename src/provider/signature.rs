//! HMAC: the keys of a source, and the signatures they are checked against. Knows nothing of requests and payloads.

use crate::domain::secret::Secret;
use base64::{Engine, engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::fmt;

/// What an HMAC is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// 20 bytes. Broken as a hash, not as an HMAC; some senders know nothing else.
    Sha1,
    /// 32 bytes.
    #[default]
    Sha256,
    /// 64 bytes.
    Sha512,
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// Hexadecimal, in either case.
    #[default]
    Hex,
    /// The standard alphabet of RFC 4648, with or without padding.
    Base64,
}

/// The keys in force, ready to sign.
#[derive(Clone)]
pub(super) struct Keys(Vec<Key>);

#[derive(Clone)]
enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

/// An HMAC-SHA256 that came with a request, or that was made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature([u8; 32]);

impl Algorithm {
    /// How many bytes a signature has.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Encoding {
    /// The bytes; `None` where the text is none of that encoding.
    pub(super) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => BASE64.decode(text).ok(),
        }
    }

    /// The text, as senders write it.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => BASE64.encode(bytes),
        }
    }
}

impl Keys {
    /// HMAC-SHA256 with the secrets as they are.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self::of(Algorithm::Sha256, secrets.into_iter().map(|secret| secret.expose().as_bytes()))
    }

    /// From the bytes of keys. An empty one proves nothing, so it is no key.
    pub(super) fn of<K: AsRef<[u8]>>(algorithm: Algorithm, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().filter(|key| !key.as_ref().is_empty());
        Self(keys.map(|key| Key::new(algorithm, key.as_ref())).collect())
    }

    /// Whether one of them made one of the signatures for the message, which comes in parts.
    /// All are tried, so that the time says nothing about which; the message is gone through once per key.
    pub(super) fn verify<S: AsRef<[u8]>>(&self, message: &[&[u8]], signatures: &[S]) -> bool {
        self.0.iter().fold(false, |any, key| {
            any | match key {
                Key::Sha1(key) => holds(key, message, signatures),
                Key::Sha256(key) => holds(key, message, signatures),
                Key::Sha512(key) => holds(key, message, signatures),
            }
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(keyed(key)),
            Algorithm::Sha256 => Self::Sha256(keyed(key)),
            Algorithm::Sha512 => Self::Sha512(keyed(key)),
        }
    }
}

impl Signature {
    /// From 64 hexadecimal characters in either case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// From 32 bytes in base64.
    pub(super) fn parse_base64(text: &[u8]) -> Option<Self> {
        Some(Self(Encoding::Base64.decode(text)?.try_into().ok()?))
    }

    /// Of a message under a secret as it is.
    pub(super) fn of(message: &[u8], secret: &Secret) -> Self {
        Self(over(&keyed::<Hmac<Sha256>>(secret.expose().as_bytes()), &[message]).finalize().into_bytes().into())
    }

    /// In lower case.
    pub(super) fn to_hex(self) -> String {
        Encoding::Hex.encode(&self.0)
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn over<M: Mac + Clone>(key: &M, message: &[&[u8]]) -> M {
    message.iter().fold(key.clone(), |mac, part| mac.chain_update(part))
}

fn holds<M: Mac + Clone>(key: &M, message: &[&[u8]], signatures: &[impl AsRef<[u8]>]) -> bool {
    let mac = over(key, message);
    signatures.iter().fold(false, |any, signature| any | mac.clone().verify_slice(signature.as_ref()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_hold_with_every_algorithm() {
        // RFC 2202 and RFC 4231, test case 2.
        for (algorithm, signature) in [
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                 caeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let signature = Encoding::Hex.decode(signature.as_bytes()).expect("hexadecimal");
            assert_eq!(signature.len(), algorithm.length());
            let keys = Keys::of(algorithm, ["Jefe"]);
            assert!(keys.verify(&[b"what do ya want for nothing?"], &[&signature]), "{algorithm:?}");
            assert!(keys.verify(&[b"what do ya want ", b"", b"for nothing?"], &[&signature]), "{algorithm:?}");
            assert!(!keys.verify(&[b"what do ya want for nothing!"], &[&signature]), "{algorithm:?}");
            assert!(!keys.verify(&[b"what do ya want for nothing?"], &[&signature[1..]]), "{algorithm:?}");
            assert!(!keys.verify::<&[u8]>(&[b"what do ya want for nothing?"], &[]), "{algorithm:?}");
        }
    }

    #[test]
    fn a_signature_is_read_in_either_case_and_written_in_lower() {
        let signature = Signature::of(b"what do ya want for nothing?", &Secret::new("Jefe"));
        assert_eq!(signature.to_hex(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(Signature::parse(&signature.to_hex().to_uppercase()), Some(signature));
        assert_eq!(Signature::parse_base64(Encoding::Base64.encode(signature.as_ref()).as_bytes()), Some(signature));
    }

    #[test]
    fn any_of_several_keys_verifies_and_an_empty_one_never_does() {
        let secrets = ["new", "old", ""].map(Secret::new);
        let keys = Keys::new(&secrets);
        for (key, holds) in [("new", true), ("old", true), ("older", false), ("", false), ("old\0", true)] {
            let made = Signature::of(b"message", &Secret::new(key));
            assert_eq!(keys.verify(&[b"message"], &[made]), holds, "{key:?}");
            let other = Signature::of(b"other", &secrets[0]);
            assert_eq!(keys.verify(&[b"message"], &[other, made, other]), holds, "one of several: {key:?}");
        }
        assert!(!keys.verify(&[b"another"], &[Signature::of(b"message", &secrets[0])]));
        assert_eq!(format!("{keys:?}"), "***");
    }

    #[test]
    fn only_64_hexadecimal_characters_are_a_signature() {
        let long = "a".repeat(66);
        for bad in ["", &long[..63], &long[..65], &long, &format!("{}g", &long[..63]), &format!("{} ", &long[..63])] {
            assert_eq!(Signature::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn base64_is_read_with_and_without_padding_and_only_as_it_is_written() {
        let made = Signature([0xfb; 32]);
        let text = Encoding::Base64.encode(made.as_ref());
        assert_eq!((text.len(), text.ends_with('=')), (44, true));
        assert_eq!(Signature::parse_base64(text.trim_end_matches('=').as_bytes()), Some(made));
        let last_bits = text.replace("s=", "t=");
        assert_ne!(last_bits, text);
        for bad in ["", "====", &last_bits, &text.replace('+', "-"), &format!("{text}A"), &format!(" {text}"), &text[..40]] {
            assert_eq!(Signature::parse_base64(bad.as_bytes()), None, "{bad}");
        }
    }
}
