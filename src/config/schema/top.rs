//! The keys of the file itself.

use super::{
    DEFAULTS, DESTINATION, Keys, Names, RULE, SERVER, SOURCE, STORE,
    Shape::{self, Either, List, Named, Part, Text, Whole},
    TEST, key,
};

/// The file itself.
pub const TOP: Keys = Keys {
    known: &[
        key("version", Whole(1, 1), "The version of the rules file's format.", &["1"]),
        key(
            "include",
            List(&Text),
            "More files, which may have `sources`, `destinations`, `rules` and `tests` of their own. Relative to this file; `*` and `?` in a file's name.",
            &[r#"["rules.d/*.yaml"]"#],
        ),
        key(
            "server",
            Part(&SERVER),
            "Where the gateway listens. Read at start only.",
            &[r#"{"listen":"0.0.0.0:8080","admin":"127.0.0.1:9090"}"#],
        ),
        key(
            "store",
            Part(&STORE),
            "Where events are kept, and for how long. Read at start only.",
            &[r#"{"path":"/var/lib/hookgate","keep":"30d"}"#],
        ),
        key(
            "sources",
            Shape::Some(&Named(Names::Ours, &Part(&SOURCE))),
            "Where webhooks come in. A source called `ottu` is `POST /webhooks/ottu`.",
            &[r#"{"ottu":{"secret":"${OTTU_HMAC_KEY}"}}"#],
        ),
        key("defaults", Part(&DEFAULTS), "For every destination that does not say otherwise.", &[r#"{"timeout":"5s","retry":"patient"}"#]),
        key(
            "destinations",
            Named(Names::Ours, &Either(&[Text, Part(&DESTINATION)])),
            "Where events go: a url, or a mapping with a `url`.",
            &[r#"{"orders":"http://orders.internal/hooks/payment"}"#],
        ),
        key(
            "rules",
            List(&Part(&RULE)),
            "All rules are tried in order; an event goes to the destinations of all that hold, once to each.",
            &[r#"[{"name":"paid","when":{"kind":"payment","state":"paid"},"to":["orders"]}]"#],
        ),
        key(
            "unmatched",
            Text,
            "Where an event goes that no rule matches: `keep` (the default) stores it for a human to look at; else a destination.",
            &[r#""keep""#],
        ),
        key(
            "tests",
            List(&Part(&TEST)),
            "What the rules have to do with some events. A file whose tests fail is not taken.",
            &[r#"[{"name":"a payment goes to orders","sample":"payment.paid","expect":{"to":["orders"]}}]"#],
        ),
        key("allow", List(&Text), "Warnings that are not given for this file.", &[r#"["plain-http"]"#]),
    ],
    required: &["version", "sources"],
    one_of: &[],
};
