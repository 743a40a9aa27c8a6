//! Standard Webhooks 1.0 as its sender has it: HMAC-SHA256 over id, time and body, in three headers.

use super::{clock::Timestamp, secret::Secret};
use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use sha2::Sha256;
use std::fmt;

/// The header with the id of the message.
pub static ID: HeaderName = HeaderName::from_static("webhook-id");
/// The header with the time of the attempt, in whole seconds since 1970.
pub static TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The header with the signatures, separated by spaces.
pub static SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Some senders draw the characters of a secret instead of its bytes, so that its last one may have bits to spare.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Why a text is no secret of Standard Webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else in front, or nothing.
    #[error("does not begin with `whsec_`")]
    Prefix,
    /// No base64 follows.
    #[error("has something else than base64 behind `whsec_`")]
    Base64,
    /// Nothing follows.
    #[error("has nothing behind `whsec_`")]
    Empty,
}

/// A secret, ready to sign.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// With a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
    ///
    /// # Errors
    /// It is none.
    pub fn new(secret: &Secret) -> Result<Self, KeyError> {
        Ok(Self(Hmac::new_from_slice(&key(secret)?).expect("HMAC takes keys of any length")))
    }

    /// The signature of a message as its header has it: `v1,` and base64. `time` is as the other header has it.
    pub fn sign(&self, id: &[u8], time: &[u8], body: &[u8]) -> String {
        let mac = [id, b".", time, b".", body].into_iter().fold(self.0.clone(), |mac, part| mac.chain_update(part));
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The bytes of a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
///
/// # Errors
/// It is none.
pub fn key(secret: &Secret) -> Result<Vec<u8>, KeyError> {
    let text = secret.expose().strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
    let key = BASE64.decode(text).map_err(|_| KeyError::Base64)?;
    if key.is_empty() { Err(KeyError::Empty) } else { Ok(key) }
}

/// The headers with which a sender would sign a body, its time in whole seconds.
///
/// # Errors
/// The secret is none of Standard Webhooks.
pub fn sign(id: &str, at: Timestamp, body: &[u8], secret: &Secret) -> Result<[(&'static HeaderName, String); 3], KeyError> {
    let time = at.millis().div_euclid(1_000).to_string();
    let signature = Signer::new(secret)?.sign(id.as_bytes(), time.as_bytes(), body);
    Ok([(&ID, id.to_owned()), (&TIMESTAMP, time), (&SIGNATURE, signature)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whsec_and_base64_are_a_secret() {
        for (text, wanted) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(24)),
            ("whsec_dGVzdA==", Ok(4)),
            ("whsec_dGVzdA", Ok(4)),
            ("whsec_dGVzdB", Ok(4)),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(KeyError::Prefix)),
            ("WHSEC_dGVzdA==", Err(KeyError::Prefix)),
            ("whpk_dGVzdA==", Err(KeyError::Prefix)),
            ("", Err(KeyError::Prefix)),
            ("whsec_", Err(KeyError::Empty)),
            ("whsec_dGVzd", Err(KeyError::Base64)),
            ("whsec_test-hmac-key", Err(KeyError::Base64)),
            ("whsec_dGVzdA== ", Err(KeyError::Base64)),
        ] {
            assert_eq!(key(&Secret::new(text)).map(|key| key.len()), wanted, "{text}");
        }
    }

    #[test]
    fn signatures_are_those_of_the_published_libraries() {
        let read = |text: &str| serde_json::from_str::<Vec<serde_json::Value>>(text).expect("a list");
        let messages = read(include_str!("../../tests/data/signing/messages.json"));
        for (library, signatures) in [
            ("Python", include_str!("../../tests/data/signing/python.json")),
            ("JavaScript", include_str!("../../tests/data/signing/javascript.json")),
        ] {
            let signatures = read(signatures);
            assert_eq!(signatures.len(), messages.len());
            for (message, signature) in messages.iter().zip(&signatures) {
                let text = |key: &str| message[key].as_str().expect("a text");
                let time = message["timestamp"].to_string();
                let signer = Signer::new(&Secret::new(text("secret"))).expect("a secret");
                let made = signer.sign(text("id").as_bytes(), time.as_bytes(), text("body").as_bytes());
                assert_eq!(Some(made.as_str()), signature.as_str(), "{library}: {message}");
            }
        }
    }
}
