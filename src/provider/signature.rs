//! HMAC over the signed fields.
