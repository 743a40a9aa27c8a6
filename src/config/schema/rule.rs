//! The keys of a rule.

use super::{
    Keys,
    Shape::{Condition, Duration, Either, List, OneOrMore, Part, Text, Truth, Whole},
    key,
};

/// One of `rules`.
pub const RULE: Keys = Keys {
    known: &[
        key("name", Text, "What it is called in metrics, logs and explanations: 1 to 100 characters, and no other rule's.", &[r#""paid""#]),
        key(
            "when",
            Condition,
            "What has to hold of an event. Every line has to; a list means any of these. Without `when` the rule holds for every event.",
            &[r#"{"kind":"payment","state":["paid","authorized"]}"#, r#"{"operation":"refund","amount":{"gte":500}}"#],
        ),
        key("to", OneOrMore(&Text), "The destinations that get the event.", &[r#""orders""#, r#"["orders","ledger"]"#]),
        key("drop", Truth, "In place of `to`: the event is matched, and on purpose sent nowhere.", &["true"]),
        key("tap", Truth, "Sends a copy: the event does not count as matched.", &["true"]),
        key("stop", Truth, "No later rule is tried for an event that this one matches.", &["true"]),
        key(
            "respond",
            Either(&[Whole(200, 299), Part(&WAIT)]),
            "What the provider is answered, where this is the first matching rule that says so: a code, or a destination to wait for. For Ottu 200 sends the payer to the shop, and 201 keeps the payer on the provider's page.",
            &["201", r#"{"wait_for":"orders","within":"8s","ok":200,"otherwise":201}"#],
        ),
        key("allow", List(&Text), "Warnings that are not given for this rule.", &[r#"["unsigned-field"]"#]),
    ],
    required: &["name"],
    one_of: &["to", "drop"],
};

/// `respond`, where it is no code.
pub const WAIT: Keys = Keys {
    known: &[
        key("wait_for", Text, "The destination: one that `to` names.", &[r#""orders""#]),
        key(
            "within",
            Duration,
            "How long the answer waits at most, from the first byte of the request. At most the source's `provider_timeout` less 3s. Default `10s`.",
            &[r#""8s""#],
        ),
        key("ok", Whole(200, 299), "The code where the first attempt succeeds in time. Default `200`.", &["200"]),
        key("otherwise", Whole(200, 299), "The code where it does not.", &["201"]),
    ],
    required: &["wait_for", "otherwise"],
    one_of: &[],
};
