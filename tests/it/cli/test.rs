//! `hookgate test`: what it prints, for people, for programs and for build servers.

use super::Shell;
use serde_json::{Value, json};

const RULES: &str = "\
version: 1
sources: { ottu: { secret: \"${OTTU_HMAC_KEY}\" } }
destinations: { orders: \"http://${HOST}/\", erp: http://erp }
rules:
  - { name: paid, when: { state: paid }, to: [orders, erp] }
  - { name: \"<b> & \\\"refunds\\\"\", when: { operation: refund }, to: erp }
  - { name: pending, when: { state: pending }, drop: true }
";

const GOOD: &str = "
tests:
  - { name: paid goes to both, sample: payment.paid, expect: { to: [orders, erp] } }
  - { name: refunds go to erp, sample: operation.refund, expect: { to: erp } }
";

const BAD: &str = "
tests:
  - { name: paid goes to both, sample: payment.paid, expect: { to: [orders, erp] } }
  - name: \"a <refund> & \\\"more\\\"\\e[31m\"
    sample: operation.refund
    set: { amount: \"7\" }
    expect: { to: orders, drop: true }
";

fn shell(tests: &str) -> Shell {
    let shell = Shell::new();
    shell.file("rules.yaml", format!("{RULES}{tests}"));
    shell
}

#[test]
fn tests_that_pass_are_counted_and_need_no_secrets() {
    let ran = shell(GOOD).run(&["test"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", "rules.yaml: 2 tests passed\n"));
    let shell = shell("");
    let ran = shell.run(&["test", "rules.yaml"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", "rules.yaml: there are no tests in it; they go under `tests`\n"));
}

#[test]
fn a_test_that_fails_is_shown_with_its_place_what_was_wanted_and_what_was_found() {
    let ran = shell(BAD).run(&["test", "rules.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "rules.yaml: 1 test passed, 1 failed\n"));
    let wanted = "\
failed: \"a <refund> & \"more\"\\u{1b}[31m\" (rules.yaml:11)
  to    wanted: orders
        found:  erp
        missing: orders; not wanted: erp
  drop  wanted: true
        found:  false

  operation refund refunded success 7 KWD from ottu (ottu)
  -> to erp; answered 200

";
    assert!(ran.out.starts_with(wanted), "{}", ran.out);
    let lines: Vec<_> = ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for explained in ["wants state: paid, but state is refunded", "sends it to erp, since operation is refund"] {
        assert!(lines.iter().any(|line| line == explained), "{explained} in {}", ran.out);
    }
    assert!(ran.out.ends_with('\n') && !ran.out.contains("paid goes to both"), "a test that passed is not shown: {}", ran.out);
}

#[test]
fn coverage_names_the_rules_that_no_test_tries() {
    let ran = shell(GOOD).run(&["test", "--coverage"]);
    assert_eq!(ran.code, 0, "a rule without a test is no failure");
    assert_eq!(ran.out, "coverage: 2 of 3 rules (66 %) match the event of a test\n  not tested: \"pending\"\n");
    let all = format!("{GOOD}  - {{ name: p, event: {{ state: pending }}, expect: {{ drop: true }} }}\n");
    assert_eq!(shell(&all).run(&["test", "--coverage"]).out, "coverage: 3 of 3 rules (100 %) match the event of a test\n");
    assert!(shell("").run(&["test", "--coverage"]).out.starts_with("coverage: 0 of 3 rules (0 %)"), "without tests nothing is tried");
}

#[test]
fn programs_get_one_document_with_every_test() {
    let ran = shell(BAD).run(&["test", "--coverage", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let report: Value = serde_json::from_str(&ran.out).expect("it is JSON");
    assert_eq!((&report["passed"], &report["failed"], &report["file"]), (&json!(1), &json!(1), &json!("rules.yaml")));
    assert_eq!(report["coverage"], json!({ "rules": 3, "tested": 2, "percent": 66, "untested": ["pending"] }));
    let failed = &report["tests"][1];
    assert_eq!(
        (&failed["passed"], &failed["line"], &failed["name"]),
        (&json!(false), &json!(11), &json!("a <refund> & \"more\"\u{1b}[31m"))
    );
    assert_eq!(failed["matched"], json!(["<b> & \"refunds\""]));
    let mismatches = json!([{ "key": "to", "wanted": ["orders"], "found": ["erp"] }, { "key": "drop", "wanted": true, "found": false }]);
    assert_eq!(failed["mismatches"], mismatches);
    assert_eq!(failed["explanation"]["event"]["operation"], "refund", "as `explain` says it");
    let passed = &report["tests"][0];
    assert_eq!((&passed["passed"], &passed["mismatches"], &passed["explanation"]), (&json!(true), &json!([]), &Value::Null));
    let plain: Value = serde_json::from_str(&shell(GOOD).run(&["test", "--format", "json"]).out).expect("it is JSON");
    assert_eq!(plain["coverage"], Value::Null);
}

#[test]
fn build_servers_get_xml_that_every_parser_reads() {
    let ran = shell(BAD).run(&["test", "--coverage", "--format", "junit"]);
    assert_eq!(ran.code, 1);
    let report = roxmltree::Document::parse(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}", ran.out));
    let named = |name: &str| report.descendants().filter(|node| node.has_tag_name(name)).collect::<Vec<_>>();
    for suite in [report.root_element(), named("testsuite")[0]] {
        assert_eq!((suite.attribute("tests"), suite.attribute("failures"), suite.attribute("errors")), (Some("2"), Some("1"), Some("0")));
    }
    let cases = named("testcase");
    let names: Vec<_> = cases.iter().map(|case| case.attribute("name").expect("a name")).collect();
    assert_eq!(names, ["paid goes to both", "a <refund> & \"more\"\u{fffd}[31m"]);
    assert_eq!((cases[1].attribute("file"), cases[1].attribute("line")), (Some("rules.yaml"), Some("11")));
    assert!(!cases[0].has_children());
    let failure = cases[1].first_element_child().expect("it failed");
    assert_eq!(failure.attribute("message"), Some("`to` wants orders, found erp; `drop` wants true, found false"));
    let text = failure.text().expect("it says why");
    assert!(text.contains("\n  to    wanted: orders\n") && text.contains("since operation is refund"), "{text}");
    let properties: Vec<_> = named("property").iter().map(|property| (property.attribute("name"), property.attribute("value"))).collect();
    assert!(properties.contains(&(Some("coverage.percent"), Some("66"))), "{properties:?}");
    assert!(properties.contains(&(Some("coverage.untested"), Some("pending"))), "{properties:?}");
}

#[test]
fn a_file_that_is_wrong_is_told_as_check_tells_it() {
    let ran = shell("\ntests:\n  - { name: paid, sample: payment.payed, expect: { to: orders } }\n").run(&["test", "--format", "junit"]);
    ran.refused(78, "error[unknown-sample]: test \"paid\" wants the sample \"payment.payed\", and there is none of that name; did you mean \"payment.paid\"?");
    Shell::new().run(&["test", "none.yaml"]).refused(78, "none.yaml");
}
