//! What deliveries of one destination are kept in order by.

use sha2::{Digest, Sha256};

/// Stands for a value of the field that a destination is ordered by: the same for the same text, on every gateway and in every
/// version. Two values may share one, and are then delivered one after the other without need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderKey(i64);

impl OrderKey {
    /// Of a value, as rules compare it. One that is empty has none: what it belongs to is in no order.
    pub fn of(text: &str) -> Option<Self> {
        let hash = Sha256::digest(text);
        let (first, _) = hash.split_first_chunk().expect("the hash has 32 bytes");
        (!text.is_empty()).then(|| Self(i64::from_be_bytes(*first)))
    }

    /// As the store keeps it.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// From what the store kept.
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_the_same_key_for_ever_and_an_empty_one_has_none() {
        assert_eq!(OrderKey::of("abc").map(OrderKey::bits), Some(0xba78_16bf_8f01_cfea_u64 as i64));
        assert_ne!(OrderKey::of("1.0"), OrderKey::of("1.00"));
        assert_eq!(OrderKey::of(""), None);
    }
}
