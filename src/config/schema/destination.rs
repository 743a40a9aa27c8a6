//! The keys of a destination, and those that `defaults` has too.

use super::{
    super::{calls, lanes, retry, sign},
    Key, Keys, Names,
    Shape::{Anything, Duration, Either, List, Named, Number, OneOrMore, Part, Rate, Statuses, Text, Truth, Whole, Word},
    key, words,
};

const METHOD: Key = key("method", Word(|| words(&calls::METHODS)), "Default `POST`.", &[r#""PUT""#]);
const SUCCESS: Key =
    key("success", List(&Statuses), "The answers that mean success; all else failed. Default `[2xx]`.", &[r#"["2xx"]"#, "[200, 202]"]);
const GIVE_UP_ON: Key =
    key("give_up_on", List(&Statuses), "The answers after which nothing is tried again. Default `[410]`.", &["[410, 422]"]);
const HEADERS: Key =
    key("headers", Named(Names::Free, &Text), "Headers of every request. Their values may have templates.", &[r#"{"x-tenant":"shop-1"}"#]);
const REMOVE: Key = key(
    "remove",
    List(&Text),
    "Fields that are left out of the bytes received. Not beside `body`.",
    &[r#"["pg_params.card_number","token"]"#],
);
const TIMEOUT: Key =
    key("timeout", Duration, "How long one attempt may take, from connecting to the end of the answer. Default `10s`.", &[r#""10s""#]);
const CONCURRENCY: Key = key("concurrency", Whole(1, 1024), "How many attempts are under way at a time. Default `32`.", &["16"]);
const RETRY_KEY: Key = key(
    "retry",
    Either(&[Word(|| words(&retry::PRESETS)), Part(&RETRY)]),
    "When a failed delivery is tried again: a preset, or a schedule. `fast`: 1s ×2 up to 1m, 10 attempts, 15m. `standard` (the default): 5s ×3 up to 1h, 30 attempts, 72h. `patient`: 30s ×2 up to 6h, 50 attempts, 7d.",
    &[r#""standard""#, r#"{"initial_interval":"2s","multiplier":3,"max_interval":"1h","max_attempts":15,"max_elapsed":"72h"}"#],
);
const BREAKER_KEY: Key = key(
    "breaker",
    Either(&[Word(|| vec![lanes::OFF]), Part(&BREAKER)]),
    "When a destination that fails is left alone but for probes. `off` never does.",
    &[r#"{"open_after":10,"probe_every":"30s"}"#, r#""off""#],
);
const RATE_LIMIT: Key =
    key("rate_limit", Rate, "How many attempts may start in a second, minute or hour. Default: no limit.", &[r#""50/s""#]);
const ORDER_BY: Key = key(
    "order_by",
    Text,
    "A field: events with the same value are sent one at a time, in the order of acceptance.",
    &[r#""session_id""#, r#""reference_number""#],
);
const ORDER_WAIT: Key =
    key("order_wait", Duration, "How long a failing delivery holds back those behind it. Default `10m`.", &[r#""10m""#]);

/// `defaults`.
pub const DEFAULTS: Keys = Keys {
    known: &[METHOD, TIMEOUT, RETRY_KEY, SUCCESS, GIVE_UP_ON, CONCURRENCY, HEADERS, REMOVE, BREAKER_KEY, RATE_LIMIT, ORDER_BY, ORDER_WAIT],
    required: &[],
    one_of: &[],
};

/// One of `destinations`.
pub const DESTINATION: Keys = Keys {
    known: &[
        key("url", Text, "Where requests go. Its path and its query may have templates.", &[r#""https://orders.internal/hooks/payments""#]),
        METHOD,
        TIMEOUT,
        RETRY_KEY,
        SUCCESS,
        GIVE_UP_ON,
        CONCURRENCY,
        key("sign", Part(&SIGN), "Signs every request.", &[r#"{"scheme":"standard-webhooks","secret":"${ORDERS_SIGNING_SECRET}"}"#]),
        key("auth", Part(&AUTH), "How the gateway proves who it is.", &[r#"{"bearer":"${TOKEN}"}"#]),
        key("tls", Part(&CLIENT_TLS), "Whom the gateway trusts, and its own certificate.", &[r#"{"ca":"/etc/hookgate/ca.pem"}"#]),
        HEADERS,
        key(
            "body",
            Anything,
            "The JSON that is sent in place of the bytes received. Its texts may have templates: `{{ field }}`, `{{ field | number }}`, `{{ field | json }}`.",
            &[r#"{"reference":"{{ order_no }}","amount":"{{ amount | number }}"}"#],
        ),
        REMOVE,
        key(
            "allow_link_local",
            Truth,
            "Whether addresses of link-local and cloud metadata services may be called. Default `false`.",
            &["false"],
        ),
        BREAKER_KEY,
        RATE_LIMIT,
        ORDER_BY,
        ORDER_WAIT,
        key("paused", Truth, "Sends nothing while it is `true`; what is for it waits. Default `false`.", &["false"]),
    ],
    required: &["url"],
    one_of: &[],
};

/// `sign`.
pub const SIGN: Keys = Keys {
    known: &[
        key("scheme", Word(|| words(&sign::SCHEMES)), "How requests are signed.", &[r#""standard-webhooks""#]),
        key("secret", OneOrMore(&Text), "`whsec_…`; while it is rotated, several: each signs.", &[r#""${ORDERS_SIGNING_SECRET}""#]),
    ],
    required: &["scheme", "secret"],
    one_of: &[],
};

/// `auth`.
pub const AUTH: Keys = Keys {
    known: &[
        key("bearer", Text, "A token that is sent as it is.", &[r#""${TOKEN}""#]),
        key("basic", Part(&BASIC), "A user and a password.", &[r#"{"user":"hookgate","password":"${PASSWORD}"}"#]),
        key(
            "oauth2",
            Part(&OAUTH2),
            "Client credentials of OAuth 2.0: a token is fetched, and renewed before it ends.",
            &[r#"{"token_url":"https://login.internal/token","client_id":"hookgate","client_secret":"${CLIENT_SECRET}"}"#],
        ),
    ],
    required: &[],
    one_of: &[],
};

/// `basic` of `auth`.
pub const BASIC: Keys = Keys {
    known: &[
        key("user", Text, "Who the gateway is to that service.", &[r#""hookgate""#]),
        key("password", Text, "What proves it.", &[r#""${PASSWORD}""#]),
    ],
    required: &["user", "password"],
    one_of: &[],
};

/// `oauth2` of `auth`.
pub const OAUTH2: Keys = Keys {
    known: &[
        key("token_url", Text, "Where tokens are fetched.", &[r#""https://login.internal/token""#]),
        key("client_id", Text, "The client's id.", &[r#""hookgate""#]),
        key("client_secret", Text, "The client's secret.", &[r#""${CLIENT_SECRET}""#]),
        key("scope", Text, "What the token is for.", &[r#""payments""#]),
    ],
    required: &["token_url", "client_id", "client_secret"],
    one_of: &[],
};

/// `tls` of a destination.
pub const CLIENT_TLS: Keys = Keys {
    known: &[
        key("ca", Text, "The file of the certificates that are trusted in place of the system's, in PEM.", &[r#""/etc/hookgate/ca.pem""#]),
        key("cert", Text, "The file of the gateway's own certificate, in PEM.", &[r#""/etc/hookgate/client.pem""#]),
        key(
            "key",
            Text,
            "The private key of that certificate: a file, or its text from `${file:…}`.",
            &[r#""${file:/run/secrets/client_key}""#],
        ),
    ],
    required: &[],
    one_of: &[],
};

/// `retry`, where it is no preset. What it does not say is as in `defaults`, or as in `standard`.
pub const RETRY: Keys = Keys {
    known: &[
        key("initial_interval", Duration, "The longest wait before the second attempt.", &[r#""5s""#]),
        key("multiplier", Number, "By what each wait is longer than the one before, from 1 to 100.", &["3"]),
        key("max_interval", Duration, "No wait is longer.", &[r#""1h""#]),
        key(
            "jitter",
            Word(|| words(&retry::JITTERS)),
            "How a wait is drawn: `full` from nothing to the whole, `equal` from its half, `none` not at all.",
            &[r#""full""#],
        ),
        key("max_attempts", Whole(1, 10_000), "After so many attempts a delivery is dead.", &["30"]),
        key("max_elapsed", Duration, "After so long a delivery is dead.", &[r#""72h""#]),
    ],
    required: &[],
    one_of: &[],
};

/// `breaker`, where it is not `off`.
pub const BREAKER: Keys = Keys {
    known: &[
        key("open_after", Whole(1, 10_000), "How many failures in a row open it. Default `10`.", &["10"]),
        key("probe_every", Duration, "How often one delivery is tried while it is open. Default `30s`.", &[r#""30s""#]),
    ],
    required: &[],
    one_of: &[],
};
