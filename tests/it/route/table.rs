//! Conditions as the rules file writes them against every sample of the provider: which hold, by the words of the contract.

use crate::provider::{data, open};
use hookgate::{
    config::{self, Config, Unset},
    provider::Unsigned,
};
use std::{collections::BTreeSet, fs};

/// By short names: `p.` is a payment, `o.` an operation.
const SAMPLES: [(&str, &str); 15] = [
    ("p.attempted", "payment.attempted.json"),
    ("p.authorized", "payment.authorized.json"),
    ("p.canceled", "payment.canceled.json"),
    ("p.cod", "payment.cod.json"),
    ("p.expired", "payment.expired.json"),
    ("p.failed", "payment.failed.json"),
    ("p.paid", "payment.paid.json"),
    ("o.cancel", "operation.cancel.json"),
    ("o.capture", "operation.capture.json"),
    ("o.refund", "operation.refund.json"),
    ("o.queued", "operation.refund_queued.json"),
    ("o.rejected", "operation.refund_rejected.json"),
    ("o.void", "operation.void.json"),
    ("o.unsigned", "operation.void.unsigned.json"),
    ("o.legacy", "operation.legacy.void.unsigned.json"),
];

const PAYMENTS: &str = "p.attempted p.authorized p.canceled p.cod p.expired p.failed p.paid";
const OPERATIONS: &str = "o.cancel o.capture o.refund o.queued o.rejected o.void o.unsigned o.legacy";

/// What is under `when`, and the samples for which it holds.
fn table() -> Vec<(&'static str, String)> {
    let all = || format!("{PAYMENTS} {OPERATIONS}");
    let but = |of: String, not: &str| {
        let not: Vec<_> = not.split(' ').collect();
        of.split(' ').filter(|name| !not.contains(name)).collect::<Vec<_>>().join(" ")
    };
    let some = |names: &str| names.to_owned();
    vec![
        ("{ kind: payment }", some(PAYMENTS)),
        ("{ kind: operation }", some(OPERATIONS)),
        ("{ kind: other }", some("")),
        ("{ kind: { not: payment } }", some(OPERATIONS)),
        ("{ from: ottu }", all()),
        ("{ from: \"ot*\" }", all()),
        ("{ from: { not: ottu } }", some("")),
        // `paid` is also the state of a capture.
        ("{ state: paid }", some("p.paid o.capture")),
        ("{ kind: payment, state: paid }", some("p.paid")),
        ("{ state: [paid, authorized, cod] }", some("p.paid p.authorized p.cod o.capture")),
        ("{ state: Paid }", some("")),
        ("{ state: pai }", some("")),
        ("{ state: \"pai?\" }", some("p.paid o.capture")),
        ("{ state: \"refund*\" }", some("o.refund o.queued o.rejected")),
        ("{ state: \"*ed\" }", but(all(), "p.cod o.capture p.paid o.legacy")),
        ("{ state: { not: paid } }", but(all(), "p.paid o.capture")),
        ("{ state: { not: [paid, \"*ed\"] } }", some("p.cod o.legacy")),
        // The raw field: operation events have none of that name at top level.
        ("{ body.state: paid }", some("p.paid")),
        ("{ txn.state: paid }", some("o.capture")),
        ("{ txn.state: { exists: true } }", but(some(OPERATIONS), "o.legacy")),
        ("{ body.state: { exists: false } }", some(OPERATIONS)),
        ("{ state: { exists: false } }", some("o.legacy")),
        ("{ operation: refund }", some("o.refund o.queued o.rejected")),
        ("{ operation: void }", some("o.void o.unsigned o.legacy")),
        ("{ operation: [capture, cancel] }", some("o.capture o.cancel")),
        ("{ operation: { exists: true } }", some(OPERATIONS)),
        ("{ operation: { not: refund } }", but(all(), "o.refund o.queued o.rejected")),
        // As the provider's samples have it: null, so the operation is derived.
        ("{ body.operation: { exists: true } }", some("o.cancel o.capture o.void o.legacy")),
        ("{ operation: refund, result: { not: [success, queued] } }", some("o.rejected")),
        ("{ result: success }", some("p.authorized p.paid o.cancel o.capture o.refund o.void o.unsigned o.legacy")),
        // Of the oldest form, from `success: true`.
        ("{ body.result: { exists: false } }", some("o.legacy")),
        ("{ result: [failed, error, canceled] }", some("p.attempted p.canceled p.expired p.failed")),
        ("{ success: true }", but(some(OPERATIONS), "o.rejected")),
        ("{ success: \"true\" }", but(some(OPERATIONS), "o.rejected")),
        ("{ success: false }", some("o.rejected")),
        ("{ is_sandbox: true }", but(all(), "p.attempted o.unsigned o.legacy")),
        ("{ is_sandbox: { not: true } }", some("p.attempted o.unsigned o.legacy")),
        ("{ amount: \"10.000\" }", some("p.authorized p.canceled p.cod p.expired p.failed p.paid")),
        ("{ amount: 10 }", some("")),
        ("{ amount: { gte: 10 } }", but(some(PAYMENTS), "") + " o.unsigned"),
        ("{ amount: { gt: 10 } }", some("p.attempted o.unsigned")),
        ("{ amount: { gte: 9, lt: 10 } }", some("o.cancel o.capture o.refund o.queued o.rejected o.void")),
        ("{ amount: { lte: 14.00 } }", but(all(), "p.attempted o.legacy")),
        // "None" is absent, and what is absent fulfils only `not` and `exists: false`.
        ("{ amount: { exists: false } }", some("o.legacy")),
        ("{ amount: { not: \"9.000\" } }", some(PAYMENTS) + " o.unsigned o.legacy"),
        ("{ currency_code: KWD }", but(all(), "p.attempted o.unsigned o.legacy")),
        ("{ currency_code: SAR }", some("p.attempted o.unsigned")),
        ("{ order_no: Y3ODg }", but(all(), "p.attempted o.unsigned o.legacy")),
        // A raw path that is "" is there.
        ("{ txn.order_no: \"\" }", but(some(OPERATIONS), "o.legacy")),
        ("{ gateway_name: { not: \"Gateway*\" } }", some("p.attempted ") + OPERATIONS),
        ("{ gateway_account: { matches: \"(?i)credit-card.*\" } }", some(PAYMENTS)),
        ("{ gateway_account: { matches: \"Credit\" } }", some("")),
        ("{ customer_email: { matches: \".+@example\\\\.com\" } }", but(some(PAYMENTS), "p.attempted")),
        ("{ paid_amount: { gt: 29.999 } }", but(some(PAYMENTS), "p.attempted")),
        ("{ any: [ { operation: refund }, { state: cod } ] }", some("p.cod o.refund o.queued o.rejected")),
        ("{ all: [ { kind: operation }, { result: queued } ] }", some("o.queued")),
        ("{ not: { kind: payment } }", some(OPERATIONS)),
        ("{ not: { state: { exists: true } } }", some("o.legacy")),
        (
            "{ kind: operation, any: [ { result: rejected }, { all: [ { operation: void }, { not: { success: true } } ] } ] }",
            some("o.rejected"),
        ),
        ("{ nothing.of.the.sort: { not: x } }", all()),
        ("{ nothing.of.the.sort: { exists: true } }", some("")),
    ]
}

fn rules(table: &[(&str, String)]) -> Config {
    let rule = |(number, (when, _)): (usize, &(&str, String))| format!("  - {{ name: r{number}, when: {when}, to: a }}\n");
    let rules: String = table.iter().enumerate().map(rule).collect();
    let text = format!("version: 1\nsources: {{ ottu: {{ secret: \"${{KEY}}\" }} }}\ndestinations: {{ a: http://a/ }}\nrules:\n{rules}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, text).expect("written");
    config::load(&path, &|_| None, Unset::Placeholder).unwrap_or_else(|error| panic!("{error}")).config
}

#[test]
fn every_condition_holds_for_the_samples_that_the_contract_says_and_for_no_other() {
    let table = table();
    assert!(table.len() * SAMPLES.len() >= 900, "the cases");
    let rules = rules(&table).rules;
    let mut wrong = Vec::new();
    for (sample, file) in SAMPLES {
        let event = open("ottu", data(file), Unsigned::Quarantine).expect(file);
        let held: BTreeSet<String> = rules.plan(&event).rules.iter().map(|name| name.to_string()).collect();
        for (number, (when, names)) in table.iter().enumerate() {
            let wanted = names.split(' ').any(|name| name == sample);
            if held.contains(&format!("r{number}")) != wanted {
                wrong.push(format!("{sample}: {when} is {}", !wanted));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
