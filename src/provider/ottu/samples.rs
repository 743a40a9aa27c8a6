//! The sample events that are built in: one of every form the provider sends, signed with the key `test-hmac-key`.

/// A sample event.
#[derive(Debug)]
pub struct Sample {
    /// How it is asked for.
    pub name: &'static str,
    /// What happened.
    pub about: &'static str,
    /// The bytes, as the provider sends them.
    pub payload: &'static [u8],
}

macro_rules! samples {
    ($($name:literal: $about:literal,)*) => {
        &[$(Sample { name: $name, about: $about, payload: include_bytes!(concat!("samples/", $name, ".json")) }),*]
    };
}

/// All of them, in the order in which they are listed.
pub const SAMPLES: &[Sample] = samples! {
    "payment.paid": "a payment went through",
    "payment.authorized": "a payment is authorized, to be captured later",
    "payment.attempted": "a payer tried and did not get to the gateway",
    "payment.failed": "a payment was refused by the bank",
    "payment.canceled": "the payer gave up",
    "payment.expired": "nobody paid in time",
    "payment.cod": "cash on delivery was chosen",
    "operation.refund": "a refund went through; `operation` is null, as the provider's own sample has it",
    "operation.refund_queued": "a refund waits for the bank",
    "operation.refund_rejected": "a refund was rejected",
    "operation.void": "a payment was voided",
    "operation.capture": "an authorized amount was captured",
    "operation.cancel": "a cancellation, as older installations send it",
    "operation.void.unsigned": "a void without a signature, as older installations send it",
    "operation.legacy.void.unsigned": "a void in the oldest form, without a signature",
};

/// The sample of that name.
pub fn find(name: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.name == name)
}

impl Sample {
    /// Whether the payload has a signature.
    pub fn is_signed(&self) -> bool {
        !self.name.ends_with(".unsigned")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::edit;

    #[test]
    fn a_sample_is_signed_unless_its_name_says_so() {
        for sample in SAMPLES {
            assert_eq!(edit::member(sample.payload, "signature").is_some(), sample.is_signed(), "{}", sample.name);
        }
        assert_eq!(SAMPLES.iter().filter(|sample| sample.is_signed()).count(), 13);
    }
}
