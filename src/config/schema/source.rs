//! The keys of a source.

use super::{
    super::{providers, sources},
    Keys, Names,
    Shape::{Duration, List, Named, OneOrMore, Part, Text, Whole, Word},
    key, words,
};

/// One of `sources`.
pub const SOURCE: Keys = Keys {
    known: &[
        key("provider", Word(|| words(&providers::PROVIDERS)), "Who sends. Default `ottu`.", &[r#""ottu""#, r#""hmac""#]),
        key("path", Text, "The path that the provider calls. Default `/webhooks/` and the source's name.", &[r#""/webhooks/ottu""#]),
        key(
            "secret",
            OneOrMore(&Text),
            "The key of its signatures; while it is rotated, two or three: any of them may hold.",
            &[r#""${OTTU_HMAC_KEY}""#, r#"["${file:/run/secrets/new}","${file:/run/secrets/old}"]"#],
        ),
        key(
            "signature",
            Part(&SIGNATURE),
            "Where the signature is and how it is made. For the provider `hmac`.",
            &[r#"{"header":"x-signature","algorithm":"sha256","encoding":"hex","prefix":"sha256="}"#],
        ),
        key(
            "fields",
            Named(Names::Fields, &Text),
            "Where the payload says what rules call `state`, `amount` and the like. For the providers `hmac` and `standard-webhooks`.",
            &[r#"{"state":"data.status","operation":"type","amount":"data.amount"}"#],
        ),
        key("allow_ips", List(&Text), "The addresses that may call; any other gets 403. Default: all.", &[r#"["203.0.113.0/24"]"#]),
        key(
            "unsigned",
            Word(|| words(&sources::UNSIGNED)),
            "What becomes of an event of Ottu that has no signature. Default `reject`. `accept` is for operation events only, and needs `allow_ips`.",
            &[r#""quarantine""#],
        ),
        key("dedupe", Duration, "How long the repeats of a delivered event are absorbed. Default `1h`.", &[r#""1h""#]),
        key("provider_timeout", Duration, "How long the provider waits for an answer, as set there. Default `15s`.", &[r#""15s""#]),
        key("hold", Duration, "How long a request may wait while the store cannot write. Default `60s`.", &[r#""60s""#]),
        key("respond", Whole(200, 299), "The code that the provider is answered where no rule says otherwise. Default `200`.", &["200"]),
    ],
    required: &["secret"],
    one_of: &[],
};

/// `signature` of a source.
pub const SIGNATURE: Keys = Keys {
    known: &[
        key("header", Text, "The header that has the signature.", &[r#""x-signature""#]),
        key("algorithm", Word(|| words(&providers::ALGORITHMS)), "The hash of the HMAC. Default `sha256`.", &[r#""sha256""#]),
        key("encoding", Word(|| words(&providers::ENCODINGS)), "How the signature is written. Default `hex`.", &[r#""hex""#]),
        key("prefix", Text, "What stands before the signature in its header.", &[r#""sha256=""#]),
        key("timestamp_header", Text, "The header with the time of the request, which is signed before the body.", &[r#""x-timestamp""#]),
        key("tolerance", Duration, "How far that time may be from ours. Default `5m`.", &[r#""5m""#]),
    ],
    required: &["header"],
    one_of: &[],
};
