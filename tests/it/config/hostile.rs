//! Rules files that nobody writes on purpose: no bytes make reading them fail or hang.

use super::{SMALLEST, load_text, mistakes};
use hookgate::{
    config::{Unset, load},
    domain::clock::Clock,
};
use proptest::prelude::*;
use std::{fs, time::Duration};

/// Each of these once cost some parser seconds, a stack or all memory. The bound is generous: a busy machine is no failure.
#[test]
fn hostile_files_are_answered_at_once() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let previous = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 10].join(", "));
    }
    let rules: String = (0..15_000).map(|number| format!("  - {{ name: r{number}, to: nowhere{number} }}\n")).collect();
    let destinations: String = (0..5_000).map(|number| format!("d{number}: 1, ")).collect();
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "&a [".repeat(100_000),
        (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
        bomb,
        "&a [*a]".to_owned(),
        format!("version: 1\nrules:\n{rules}"),
        format!("version: 1\ndestinations: {{ {destinations} }}\nrules:\n{rules}"),
        format!("version: 1\nx: \"{}\"", "é".repeat(500_000)),
        format!("{{ {} }}", "x: \"é\", ".repeat(30_000)),
        "${".repeat(100_000),
        format!("version: 1\nsources: {{ a: {{ secret: \"{}\" }} }}", "${A:-}".repeat(150_000)),
    ] {
        let clock = Clock::system();
        let start = clock.instant();
        let error = load_text(&text, Unset::Error).expect_err("it is hostile");
        let told = error.to_string();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?} for {}", start.elapsed(), &text[..20]);
        assert!(told.len() < 2_000_000, "{}", &text[..20]);
    }
}

/// In a release build it takes a small part of the bound.
#[test]
fn rules_that_all_have_to_be_compared_are_answered_at_once() {
    let rules = |count: usize, rule: &dyn Fn(usize) -> String| -> String {
        let rules: String =
            (0..count).map(|number| format!("  - {{ name: r{number}, to: orders, stop: true, {} }}\n", rule(number))).collect();
        format!("version: 1\nsources: {{ ottu: {{ secret: k }} }}\ndestinations: {{ orders: http://orders }}\nrules:\n{rules}")
    };
    let any = |field: &str| format!("{{ any: [ {{ {field}: a }}, {{ {field}: b }} ] }}");
    let product = ["a", "b", "c", "d", "e", "f"].map(any).join(", ");
    let values = |number: usize| (0..400).map(|value| format!("v{number}-{value}, ")).collect::<String>();
    let sources: String = (0..5_000).map(|number| format!("s{number}: {{ secret: k }}, ")).collect();
    for text in [
        rules(300, &|number| format!("when: {{ kind: payment, state: paid, order_no: o{number} }}, respond: {}", 200 + number % 2)),
        rules(1_000, &|number| format!("when: {{ kind: payment, order_no: \"*o{number}*\", amount: {{ gte: {number} }} }}")),
        rules(1_200, &|number| format!("when: {{ shop: s{number}, all: [ {product} ] }}")),
        rules(100, &|number| format!("when: {{ order_no: [{}] }}", values(number))),
        rules(5_000, &|number| format!("when: {{ order_no: o{number} }}")).replace("ottu: { secret: k }", &sources),
    ] {
        let clock = Clock::system();
        let start = clock.instant();
        load_text(&text, Unset::Error).unwrap_or_else(|error| panic!("{error}"));
        assert!(start.elapsed() < Duration::from_secs(20), "{:?} for {}", start.elapsed(), &text[text.len() - 100..]);
    }
}

fn good_files() -> Vec<Vec<u8>> {
    let mut files = vec![fs::read("rules.example.yaml").expect("the example"), SMALLEST.into()];
    files.extend(mistakes().iter().map(|path| fs::read(path).expect("a mistake")));
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_fail_or_hang(
        file in prop::sample::select(good_files()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<Change>()), 1..8),
    ) {
        let mut bytes = file;
        for (place, change) in changes {
            change.apply(&mut bytes, place);
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rules.yaml");
        fs::write(&path, &bytes).expect("the file is written");
        let clock = Clock::system();
        let start = clock.instant();
        let problems = match load(&path, &|_| Some("concealed\nvalue".to_owned()), Unset::Error) {
            Ok(loaded) => loaded.warnings,
            Err(error) => {
                prop_assert!(!error.problems.is_empty());
                error.problems
            }
        };
        for problem in problems {
            let shown = problem.to_string();
            prop_assert!(!shown.contains("concealed"), "{}\n{}", shown, String::from_utf8_lossy(&bytes));
            prop_assert!(problem.github().starts_with("::"));
            let json = problem.to_json();
            prop_assert!(json.starts_with('{'), "{}", json);
        }
        prop_assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[derive(Debug, Clone)]
enum Change {
    Set(u8),
    Insert(&'static str),
    Remove(usize),
    Cut,
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>, place: prop::sample::Index) {
        if bytes.is_empty() {
            return;
        }
        let at = place.index(bytes.len());
        match self {
            Self::Set(byte) => bytes[at] = byte,
            Self::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
            Self::Remove(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
            Self::Cut => bytes.truncate(at),
        }
    }
}

impl Arbitrary for Change {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Self> {
        let words = [
            "{",
            "}",
            "[",
            "]",
            ": ",
            "- ",
            "\n",
            "\t",
            "\"",
            "'",
            "&a ",
            "*a",
            "!t ",
            "| ",
            "> ",
            "#",
            "---\n",
            "...\n",
            "%TAG ! x\n",
            "? ",
            "é",
            "\u{feff}",
            "${",
            "}",
            "$${",
            "null",
            "~",
            "<<: ",
            "@",
            "`",
            "\r",
            "\0",
            "\u{2028}",
            "{{ x }}",
            "secret: ",
            "version: 1\n",
        ];
        prop_oneof![
            any::<u8>().prop_map(Self::Set),
            prop::sample::select(words.to_vec()).prop_map(Self::Insert),
            (1..40_usize).prop_map(Self::Remove),
            Just(Self::Cut),
        ]
        .boxed()
    }
}
