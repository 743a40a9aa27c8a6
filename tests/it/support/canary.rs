//! What nobody may see: keys, tokens and personal data of the samples. The gateway of every story is watched for them, in
//! each line of its log and in each answer of its admin listener.

/// Strings of the samples and of [`payment`](super::sender::payment) that are personal, and the mark of stories about secrets.
const HIDDEN: [&str; 7] = [
    "payer@example.com",
    "96512345678",
    "example@example.com",
    "initiator@example.com",
    "first_name_example",
    "last_name_example",
    "canary",
];

/// The first of them in a text.
pub fn found(text: &str) -> Option<&'static str> {
    HIDDEN.into_iter().find(|hidden| text.contains(hidden))
}

/// Fails where a text has one of them, or the secret.
pub fn check(place: &str, text: &str, secret: &str) {
    if let Some(hidden) = found(text) {
        panic!("{place} shows {hidden:?}: {text}");
    }
    assert!(secret.is_empty() || !text.contains(secret), "{place} shows a secret: {text}");
}
