//! What a check of a signature found, for whoever asks why it does not hold.

use crate::domain::{event::Reason, json::Flaw};

/// What a payload's signature was checked against, and how that went. Holds what the payload says, never a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The outcome.
    pub check: Check,
    /// The signed fields that have a value, in the order in which they are signed.
    pub fields: Vec<(&'static str, String)>,
    /// What was signed; `None` where a field has no text that could be.
    pub message: Option<String>,
}

/// The first check that failed, or that none did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Check {
    /// Nothing can be read from the payload.
    #[error("the payload is not a JSON object{}", shown(.flaw))]
    NotAnObject {
        /// What is wrong with it as JSON.
        flaw: Option<Flaw>,
    },
    /// The field `signature` is not there.
    #[error("the payload has no field `signature`")]
    NoSignature,
    /// It is there and is no signature.
    #[error("`signature` is {}, not a text of 64 hexadecimal characters", found(.length))]
    NotHexadecimal {
        /// How many characters it has; `None` where it is no text.
        length: Option<usize>,
    },
    /// A signed field is an array or object, for which no text is defined.
    #[error("a signed field is an array, an object or no JSON value: nothing says what was signed")]
    NoText,
    /// The signature is another one under every key.
    #[error("the signature is wrong under every key ({keys} tried): another key, or a signed field was changed")]
    Wrong {
        /// How many keys were tried.
        keys: usize,
    },
    /// It holds.
    #[error("the signature holds")]
    Holds {
        /// Under which of the keys, counted from 0.
        key: usize,
        /// Why it would be kept in quarantine all the same.
        anomaly: Option<Reason>,
    },
}

fn shown(flaw: &Option<Flaw>) -> String {
    flaw.map_or_else(String::new, |flaw| format!(": {flaw}"))
}

fn found(length: &Option<usize>) -> String {
    length.map_or_else(|| "no text".to_owned(), |length| format!("a text of {length} characters"))
}
