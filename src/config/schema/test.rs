//! The keys of a test in the file.

use super::{
    Keys, Names,
    Shape::{Anything, Duration, Either, List, Named, OneOrMore, Part, Text, Truth, Whole},
    key,
};

/// One of `tests`.
pub const TEST: Keys = Keys {
    known: &[
        key("name", Text, "What it is called: 1 to 100 characters, and no other test's.", &[r#""a large refund alerts ops""#]),
        key(
            "event",
            Named(Names::Free, &Anything),
            "The payload. Or say `sample`.",
            &[r#"{"operation":"refund","result":"rejected","amount":"900.000"}"#],
        ),
        key("sample", Text, "One of the events that `hookgate sample` lists.", &[r#""payment.paid""#]),
        key(
            "set",
            Named(Names::Free, &Anything),
            "What is changed in the sample: paths and their values.",
            &[r#"{"amount":"900.000","txn.state":"voided"}"#],
        ),
        key("from", Text, "The source that it comes in by. Default: the first of the file.", &[r#""ottu""#]),
        key(
            "expect",
            Part(&EXPECT),
            "What has to come of it. Only what is said here is looked at.",
            &[r#"{"to":["orders"],"respond":200}"#],
        ),
    ],
    required: &["name", "expect"],
    one_of: &["event", "sample"],
};

/// `expect`.
pub const EXPECT: Keys = Keys {
    known: &[
        key("to", Either(&[Text, List(&Text)]), "All destinations that get it, and no other; `[]` for none.", &[r#"["orders","erp"]"#]),
        key("not_to", OneOrMore(&Text), "Destinations that do not get it.", &[r#""ops-chat""#]),
        key("unmatched", Truth, "Whether no rule but taps holds.", &["true"]),
        key("drop", Truth, "Whether it is sent nowhere on purpose.", &["true"]),
        key(
            "respond",
            Either(&[Whole(200, 299), Part(&RESPOND)]),
            "What the provider is answered.",
            &["201", r#"{"wait_for":"orders","ok":200}"#],
        ),
        key("rules", Either(&[Text, List(&Text)]), "The names of all rules that hold, and no other.", &[r#"["paid"]"#]),
        key(
            "request",
            Named(Names::Ours, &Part(&REQUEST)),
            "What a destination is sent.",
            &[r#"{"erp":{"method":"PUT","body":{"amount":9.000}}}"#],
        ),
    ],
    required: &[],
    one_of: &[],
};

/// `respond` of `expect`, where it is no code.
pub const RESPOND: Keys = Keys {
    known: &[
        key("wait_for", Text, "The destination that the answer waits for.", &[r#""orders""#]),
        key("within", Duration, "How long it waits.", &[r#""8s""#]),
        key("ok", Whole(200, 299), "The code where the attempt succeeds.", &["200"]),
        key("otherwise", Whole(200, 299), "The code where it does not.", &["201"]),
    ],
    required: &[],
    one_of: &[],
};

/// `request` of `expect`, for one destination.
pub const REQUEST: Keys = Keys {
    known: &[
        key("method", Text, "The method.", &[r#""POST""#]),
        key("path", Text, "The path, with the query where it has one.", &[r#""/hooks/payments?order=17""#]),
        key("headers", Named(Names::Free, &Text), "Headers, those that are said.", &[r#"{"x-tenant":"shop-1"}"#]),
        key("body", Anything, "The body: JSON by its meaning, or a text.", &[r#"{"reference":"17"}"#]),
    ],
    required: &[],
    one_of: &[],
};
