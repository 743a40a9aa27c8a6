//! Rules against events: the samples through a merchant's rules, and each kind of condition on its own.

use crate::provider::{data, open};
use hookgate::{
    domain::{event::Event, field::Field, name::Name, order::OrderKey, plan::Respond, secret::Secret},
    provider::{self, Unsigned},
    route::{
        Action, Rule, Rules,
        condition::{Comparison, Condition, Decimal, Pattern, Test, whole_value},
    },
};

mod naive;
mod table;

fn is(field: &str, values: &[&str]) -> Condition {
    test(field, Test::Equals(patterns(values)))
}

fn not(field: &str, values: &[&str]) -> Condition {
    test(field, Test::NotEquals(patterns(values)))
}

fn compare(field: &str, comparison: Comparison, limit: &str) -> Condition {
    test(field, Test::Compare(comparison, Decimal::parse(limit).expect("a decimal")))
}

fn exists(field: &str, wanted: bool) -> Condition {
    test(field, Test::Exists(wanted))
}

fn matches(field: &str, regex: &str) -> Condition {
    test(field, Test::Matches(whole_value(regex).expect("a regular expression")))
}

fn test(field: &str, test: Test) -> Condition {
    Condition::Field(Field::parse(field).expect("a field"), vec![test])
}

fn patterns(values: &[&str]) -> Vec<Pattern> {
    values.iter().map(|value| Pattern::parse(value)).collect()
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::unchecked(name)).collect()
}

fn rule(name: &str, when: &[Condition], action: Action) -> Rule {
    let when = (!when.is_empty()).then(|| Condition::All(when.to_vec()));
    Rule { name: Name::unchecked(name), when, action, stop: false, respond: None }
}

fn to(destinations: &[&str]) -> Action {
    Action::Send(names(destinations))
}

fn tap(destinations: &[&str]) -> Action {
    Action::Tap(names(destinations))
}

fn rules(rules: Vec<Rule>) -> Rules {
    Rules { rules: rules.into(), ..Rules::default() }
}

/// The merchant's file of the documentation.
fn merchant() -> Rules {
    rules(vec![
        Rule { stop: true, ..rule("sandbox", &[is("from", &["ottu-test"])], to(&["staging"])) },
        Rule {
            respond: Some(Respond::Now(200)),
            ..rule(
                "successful",
                &[is("kind", &["payment"]), is("state", &["paid", "authorized", "cod"])],
                to(&["orders", "invoicing", "erp"]),
            )
        },
        Rule {
            respond: Some(Respond::Now(201)),
            ..rule(
                "unsuccessful",
                &[is("kind", &["payment"]), is("state", &["attempted", "failed", "canceled", "expired"])],
                to(&["orders"]),
            )
        },
        rule("in progress", &[is("state", &["created", "pending"])], Action::Drop),
        rule("operations", &[is("operation", &["refund", "void", "capture"])], to(&["orders", "erp"])),
        rule("not through", &[is("operation", &["refund"]), not("result", &["success", "queued"])], to(&["ops-chat"])),
        rule("large", &[is("operation", &["refund"]), compare("amount", Comparison::Gte, "500")], to(&["ops-chat"])),
        rule("everything", &[], tap(&["analytics"])),
    ])
}

fn sample(source: &str, file: &str) -> Event {
    open(source, data(file), Unsigned::Accept).expect("samples are accepted")
}

fn event(payload: &str) -> Event {
    let signed = provider::ottu::sign(payload.as_bytes(), &Secret::new("test-hmac-key")).expect("an object can be signed");
    open("ottu", signed.into(), Unsigned::Reject).expect("it is signed")
}

/// `destination<-rule+rule destination<-rule`, then how it was routed and the answer.
fn outcome(rules: &Rules, event: &Event) -> String {
    let plan = rules.plan(event);
    let join = |names: &[Name]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("+");
    let targets: Vec<_> = plan.targets.iter().map(|target| format!("{}<-{}", target.destination, join(&target.rules))).collect();
    format!("{} {:?} {}", targets.join(" "), plan.routing, plan.answer.without_wait())
}

const SUCCESS: &str = "orders<-successful invoicing<-successful erp<-successful analytics<-everything Routed 200";
const FAILURE: &str = "orders<-unsuccessful analytics<-everything Routed 201";
const OPERATION: &str = "orders<-operations erp<-operations analytics<-everything Routed 200";

#[test]
fn every_sample_goes_where_the_merchants_rules_say() {
    let rules = merchant();
    for (file, wanted) in [
        ("payment.paid.json", SUCCESS),
        ("payment.authorized.json", SUCCESS),
        ("payment.cod.json", SUCCESS),
        ("payment.attempted.json", FAILURE),
        ("payment.failed.json", FAILURE),
        ("payment.canceled.json", FAILURE),
        ("payment.expired.json", FAILURE),
        ("operation.refund.json", OPERATION),
        ("operation.refund_queued.json", OPERATION),
        ("operation.refund_rejected.json", "orders<-operations erp<-operations ops-chat<-not through analytics<-everything Routed 200"),
        ("operation.void.json", OPERATION),
        ("operation.void.unsigned.json", OPERATION),
        ("operation.legacy.void.unsigned.json", OPERATION),
        ("operation.capture.json", OPERATION),
        ("operation.cancel.json", "analytics<-everything Unmatched 200"),
    ] {
        assert_eq!(outcome(&rules, &sample("ottu", file)), wanted, "{file}");
        assert_eq!(outcome(&rules, &sample("ottu-test", file)), "staging<-sandbox Routed 200", "{file}");
    }
}

#[test]
fn the_tests_of_the_merchants_file_pass() {
    let rules = merchant();
    for (payload, wanted) in [
        (
            r#"{ "operation": "refund", "result": "rejected", "amount": "900.000", "txn": { "state": "refund_rejected" } }"#,
            "orders<-operations erp<-operations ops-chat<-not through+large analytics<-everything Routed 200",
        ),
        (r#"{ "operation": null, "result": "success", "amount": "9.000", "txn": { "state": "refunded" } }"#, OPERATION),
        (r#"{ "state": "invalided", "result": "error" }"#, "analytics<-everything Unmatched 200"),
        (r#"{ "state": "pending" }"#, "analytics<-everything Dropped 200"),
    ] {
        assert_eq!(outcome(&rules, &event(payload)), wanted, "{payload}");
    }
}

#[test]
fn conditions_hold_as_the_contract_says() {
    use Comparison::{Gt, Gte, Lt, Lte};
    let event = event(
        r#"{
            "state": "paid", "amount": "1,234.50", "order_no": "", "result": null, "reference_number": "007", "is_sandbox": true,
            "pg_params": {"card_type": "VISA", "attempts": 3, "rate": 1.10, "none": null, "empty": "", "flag": false, "list": ["a", {"id": 7}]},
            "extra": {"flight.number": "KU 1", "0": "zero"}, "message": "line\nbreak", "body": {"x": "inner"}, "escaped": "a\u0062c",
            "count": 10, "small": -0.5, "exponent": 1e3, "operation": "Payment"
        }"#,
    );
    for (condition, holds) in [
        (is("kind", &["payment"]), true),
        (is("from", &["ottu"]), true),
        (is("state", &["paid"]), true),
        (is("state", &["Paid"]), false),
        (is("state", &["pai"]), false),
        (is("state", &["cod", "paid"]), true),
        (is("state", &["p?id"]), true),
        (is("state", &["*aid*"]), true),
        (is("state", &["*un*"]), false),
        (is("body.state", &["paid"]), true),
        (is("operation", &["payment"]), false),
        (is("reference_number", &["007"]), true),
        (is("reference_number", &["7"]), false),
        (is("is_sandbox", &["true"]), true),
        (not("is_sandbox", &["true"]), false),
        (not("state", &["failed", "canceled"]), true),
        (not("state", &["failed", "p*"]), false),
        // A normalised field that is empty is absent; a raw one is not.
        (exists("order_no", false), true),
        (is("order_no", &[""]), false),
        (is("order_no", &["*"]), false),
        (not("order_no", &[""]), true),
        (exists("body.order_no", true), true),
        (is("body.order_no", &[""]), true),
        (not("body.order_no", &[""]), false),
        (exists("result", false), true),
        (exists("body.result", false), true),
        (exists("pg_params.none", true), false),
        (not("pg_params.none", &["*"]), true),
        (exists("pg_params.empty", true), true),
        (exists("pg_params.missing", true), false),
        (not("pg_params.missing.deeper", &["x"]), true),
        (exists("state.deeper", false), true),
        // Text of numbers and booleans.
        (is("pg_params.attempts", &["3"]), true),
        (is("pg_params.attempts", &["3.0"]), false),
        (is("pg_params.rate", &["1.10"]), true),
        (is("pg_params.rate", &["1.1"]), false),
        (is("pg_params.flag", &["false"]), true),
        (is("escaped", &["abc"]), true),
        // Arrays and objects are there and have no text.
        (exists("pg_params", true), true),
        (is("pg_params", &["*"]), false),
        (not("pg_params", &["*"]), true),
        (matches("pg_params.list", ".*"), false),
        (is("pg_params.list.0", &["a"]), true),
        (is("pg_params.list.1.id", &["7"]), true),
        (exists("pg_params.list.2", false), true),
        (exists("pg_params.list.00", false), true),
        (exists("pg_params.list.-1", false), true),
        (is("extra.\"flight.number\"", &["KU*"]), true),
        (is("extra.0", &["zero"]), true),
        (is("body.body.x", &["inner"]), true),
        (exists("body", true), true),
        // Decimals.
        (compare("amount", Gt, "1234.4"), true),
        (compare("amount", Gte, "1234.500"), true),
        (compare("amount", Lte, "1234.5"), true),
        (compare("amount", Lt, "1234.5"), false),
        (compare("amount", Lt, "1,234.51"), true),
        (compare("count", Gt, "9"), true),
        (compare("small", Lt, "0"), true),
        (compare("small", Gt, "-1"), true),
        (compare("exponent", Gt, "0"), false),
        (compare("state", Gt, "0"), false),
        (compare("state", Lte, "0"), false),
        (compare("order_no", Lt, "1"), false),
        // Regular expressions are for the whole value.
        (matches("pg_params.card_type", "VISA|MASTER"), true),
        (matches("pg_params.card_type", "V|I"), false),
        (matches("pg_params.card_type", "(?i)visa"), true),
        (matches("message", "line.break"), false),
        (matches("message", r"line\nbreak"), true),
        (matches("message", "(?m)line$"), false),
        (matches("message", "(?s)l.*k"), true),
        (matches("missing", ".*"), false),
        // Combinations.
        (Condition::All(vec![]), true),
        (Condition::Any(vec![]), false),
        (Condition::Any(vec![is("state", &["cod"]), is("state", &["paid"])]), true),
        (Condition::All(vec![is("state", &["cod"]), is("state", &["paid"])]), false),
        (Condition::Not(Box::new(is("state", &["paid"]))), false),
        (Condition::Not(Box::new(is("missing", &["x"]))), true),
    ] {
        assert_eq!(condition.holds(&event), holds, "{condition:?}");
    }
    let field = Field::parse("amount").expect("a field");
    let limit = |comparison, text: &str| Test::Compare(comparison, Decimal::parse(text).expect("a decimal"));
    assert!(Condition::Field(field.clone(), vec![limit(Gte, "1000"), limit(Lt, "2000")]).holds(&event));
    assert!(!Condition::Field(field, vec![limit(Gte, "1000"), limit(Lt, "1200")]).holds(&event));
}

#[test]
fn an_expression_cannot_escape_its_anchors_or_grow_without_bound() {
    for bad in ["a)|(?:b", "(", "[", r"\1", "(?:a{1000}){1000}"] {
        assert!(whole_value(bad).is_err(), "{bad}");
    }
    let regex = whole_value("a|b").expect("a regular expression");
    for (text, holds) in [("a", true), ("b", true), ("ab", false), ("a\n", false), ("\na", false)] {
        assert_eq!(regex.is_match(text), holds, "{text:?}");
    }
}

#[test]
fn stop_drop_tap_and_unmatched_work_together() {
    let paid = event(r#"{"state":"paid"}"#);
    let no = [is("state", &["failed"])];
    let stop = |rule: Rule| Rule { stop: true, ..rule };
    for (rules, wanted) in [
        (rules(vec![]), " Unmatched 200"),
        (rules(vec![rule("a", &no, to(&["x"]))]), " Unmatched 200"),
        (rules(vec![rule("a", &[], to(&["x"])), rule("b", &[], to(&["y", "x"]))]), "x<-a+b y<-b Routed 200"),
        (rules(vec![rule("a", &[], to(&["x", "x"]))]), "x<-a Routed 200"),
        (rules(vec![stop(rule("a", &[], to(&["x"]))), rule("b", &[], to(&["y"]))]), "x<-a Routed 200"),
        (rules(vec![stop(rule("a", &no, to(&["x"]))), rule("b", &[], to(&["y"]))]), "y<-b Routed 200"),
        (rules(vec![stop(rule("a", &[], Action::Drop)), rule("b", &[], to(&["y"]))]), " Dropped 200"),
        (rules(vec![stop(rule("a", &[], tap(&["t"]))), rule("b", &[], to(&["y"]))]), "t<-a Unmatched 200"),
        (rules(vec![rule("a", &[], Action::Drop), rule("b", &[], to(&["y"]))]), "y<-b Routed 200"),
        (rules(vec![rule("b", &[], to(&["y"])), rule("a", &[], Action::Drop)]), "y<-b Routed 200"),
        (rules(vec![rule("a", &[], Action::Drop), rule("t", &[], tap(&["t"]))]), "t<-t Dropped 200"),
        (rules(vec![rule("t", &[], tap(&["x"])), rule("a", &[], to(&["x"]))]), "x<-t+a Routed 200"),
    ] {
        assert_eq!(outcome(&rules, &paid), wanted, "{rules:?}");
    }
    let unmatched = |rules: Vec<Rule>| Rules { rules: rules.into(), unmatched: Some(Name::unchecked("rest")), ..Rules::default() };
    assert_eq!(outcome(&unmatched(vec![]), &paid), "rest<- Unmatched 200");
    assert_eq!(outcome(&unmatched(vec![rule("t", &[], tap(&["rest"]))]), &paid), "rest<-t Unmatched 200");
    assert_eq!(outcome(&unmatched(vec![rule("t", &[], tap(&["t"]))]), &paid), "t<-t rest<- Unmatched 200");
    assert_eq!(outcome(&unmatched(vec![rule("a", &[], Action::Drop)]), &paid), " Dropped 200");
}

#[test]
fn the_first_match_that_has_an_answer_gives_it_and_else_the_source() {
    let paid = event(r#"{"state":"paid"}"#);
    let answers = |code| [(Name::unchecked("ottu"), code)].into();
    let respond = |rule: Rule, code| Rule { respond: Some(Respond::Now(code)), ..rule };
    for (given, wanted) in [
        (vec![rule("a", &[], to(&["x"])), respond(rule("b", &[], to(&["x"])), 201), respond(rule("c", &[], to(&["x"])), 200)], 201),
        (vec![respond(rule("a", &[is("state", &["failed"])], to(&["x"])), 200), respond(rule("b", &[], Action::Drop), 201)], 201),
        (vec![respond(rule("a", &[], tap(&["t"])), 201), respond(rule("b", &[], to(&["x"])), 200)], 201),
        (vec![rule("a", &[], to(&["x"]))], 202),
    ] {
        let rules = Rules { rules: given.into(), answers: answers(202), ..Rules::default() };
        assert_eq!(rules.plan(&paid).answer, Respond::Now(wanted), "{rules:?}");
    }
    let elsewhere = Rules { answers: [(Name::unchecked("other"), 201)].into(), ..Rules::default() };
    assert_eq!(elsewhere.plan(&paid).answer, Respond::Now(200));
    let matched = rules(vec![rule("a", &[], Action::Drop), rule("b", &[is("state", &["cod"])], to(&["x"])), rule("c", &[], tap(&["t"]))]);
    assert_eq!(matched.plan(&paid).rules, names(&["a", "c"]));
}

#[test]
fn a_destination_that_keeps_an_order_is_told_by_what_and_any_other_by_nothing() {
    let payload = r#"{"state":"paid","session_id":"s1","order_no":"","txn":{"id":7,"null":null,"list":[1],"empty":"","yes":true}}"#;
    let paid = event(payload);
    let key = |field: &str| {
        let orders = [(Name::unchecked("x"), Field::parse(field).expect("a field"))].into();
        let rules = Rules { orders, ..rules(vec![rule("a", &[], to(&["x", "y"])), rule("b", &[], tap(&["x"]))]) };
        let plan = rules.plan(&paid);
        assert_eq!(plan.targets[1].order, None, "{field}");
        plan.targets[0].order
    };
    for (field, value) in [
        ("session_id", Some("s1")),
        ("from", Some("ottu")),
        ("txn.id", Some("7")),
        ("txn.yes", Some("true")),
        ("order_no", None),
        ("body.order_no", None),
        ("txn.empty", None),
        ("txn.null", None),
        ("txn.list", None),
        ("txn", None),
        ("txn.absent", None),
    ] {
        assert_eq!(key(field), value.and_then(OrderKey::of), "{field}");
    }
    let unmatched = Rules {
        unmatched: Some(Name::unchecked("x")),
        orders: [(Name::unchecked("x"), Field::parse("session_id").expect("a field"))].into(),
        ..Rules::default()
    };
    assert_eq!(unmatched.plan(&paid).targets[0].order, OrderKey::of("s1"), "also where nothing matched");
}
