//! A JSON text as a flat list of its values, each a range of the bytes: read once, nothing copied.
//! Reads what is not strict JSON too, as far as it can, and says what is wrong with it.

use bytes::Bytes;

/// A payload, read.
#[derive(Debug, Clone)]
pub struct Document {
    text: Bytes,
}
impl Document {
    /// The bytes received.
    pub fn bytes(&self) -> &Bytes {
        &self.text
    }
}
