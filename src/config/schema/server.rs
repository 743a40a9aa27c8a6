//! The keys of `server` and `store`.

use super::{
    Keys,
    Shape::{Duration, List, Part, Text},
    key,
};

/// `server`.
pub const SERVER: Keys = Keys {
    known: &[
        key(
            "listen",
            Text,
            "The address of the public listener, for webhooks and nothing else. Default `0.0.0.0:8080`.",
            &[r#""0.0.0.0:8080""#],
        ),
        key(
            "admin",
            Text,
            "The address of the admin listener, for metrics, health and the API. Default `127.0.0.1:9090`.",
            &[r#""127.0.0.1:9090""#],
        ),
        key(
            "admin_token",
            Text,
            "The token of the admin API. Default: made at the first start, in the store's folder.",
            &[r#""${HOOKGATE_ADMIN_TOKEN}""#],
        ),
        key(
            "admin_hosts",
            List(&Text),
            "Names by which the admin listener is called, besides its address.",
            &[r#"["hookgate-admin.internal"]"#],
        ),
        key(
            "drain_delay",
            Duration,
            "How long new connections are accepted after the order to stop, while `/readyz` already says 503. Default `0s`.",
            &[r#""5s""#],
        ),
        key(
            "tls",
            Part(&TLS),
            "TLS on the public listener. The files are read again when they change.",
            &[r#"{"cert":"/etc/hookgate/tls.crt","key":"/etc/hookgate/tls.key"}"#],
        ),
        key("trusted_proxies", List(&Text), "The addresses whose `X-Forwarded-For` is believed. Default: none.", &[r#"["10.0.0.0/8"]"#]),
    ],
    required: &[],
    one_of: &[],
};

/// `tls` of `server`.
pub const TLS: Keys = Keys {
    known: &[
        key("cert", Text, "The file of the certificate and its chain, in PEM.", &[r#""/etc/hookgate/tls.crt""#]),
        key("key", Text, "The file of the private key, in PEM.", &[r#""/etc/hookgate/tls.key""#]),
    ],
    required: &["cert", "key"],
    one_of: &[],
};

/// `store`.
pub const STORE: Keys = Keys {
    known: &[
        key("path", Text, "The folder. Default `./hookgate-data`.", &[r#""/var/lib/hookgate""#]),
        key("keep", Duration, "How long delivered, dropped and discarded events are kept. Default `30d`.", &[r#""30d""#]),
        key(
            "keep_unresolved",
            Duration,
            "How long dead, unmatched, quarantined and parked events are kept; those that wait are kept for ever. Default `180d`.",
            &[r#""180d""#],
        ),
    ],
    required: &[],
    one_of: &[],
};
