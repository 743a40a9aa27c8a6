//! Conditions in the words of the rules file, on one line; what is wanted of a field that may be personal is masked as it is.

use super::{
    condition::{Comparison, Condition, Test},
    pattern::Pattern,
};
use crate::domain::{
    field::Field,
    mask::{self, MASK},
    text::clipped,
};
use std::fmt;

/// So many values of a list are written out.
const VALUES: usize = 12;

/// So many characters of one value are.
const VALUE: usize = 80;

impl Comparison {
    /// As the rules file writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
        }
    }
}

/// A line under `when`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(conditions) => write!(f, "all: {}", Items(conditions)),
            Self::Any(conditions) => write!(f, "any: {}", Items(conditions)),
            Self::Not(condition) => write!(f, "not: {}", Braced(condition)),
            Self::Field(field, tests) => line(f, field, tests),
        }
    }
}

/// A field and some of its tests, as a line under `when`.
pub(super) fn of_field(field: &Field, test: &Test) -> String {
    struct Line<'a>(&'a Field, &'a Test);
    impl fmt::Display for Line<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            line(f, self.0, std::slice::from_ref(self.1))
        }
    }
    Line(field, test).to_string()
}

fn line(f: &mut fmt::Formatter<'_>, field: &Field, tests: &[Test]) -> fmt::Result {
    write!(f, "{field}: ")?;
    let values = |patterns| Values { patterns, is_clear: mask::is_clear(field) };
    match tests {
        [Test::Equals(patterns)] => return write!(f, "{}", values(patterns)),
        [] => return f.write_str("{}"),
        _ => {}
    }
    for (place, test) in tests.iter().enumerate() {
        f.write_str(if place == 0 { "{ " } else { ", " })?;
        match test {
            // Beside other tests the file has no such form; a list of one value says it.
            Test::Equals(patterns) => write!(f, "any: {}", values(patterns))?,
            Test::NotEquals(patterns) => write!(f, "not: {}", values(patterns))?,
            Test::Compare(comparison, limit) => write!(f, "{}: {limit}", comparison.as_str())?,
            Test::Exists(wanted) => write!(f, "exists: {wanted}")?,
            Test::Matches(_) if !mask::is_clear(field) => write!(f, "matches: {MASK}")?,
            Test::Matches(regex) => {
                let text = regex.as_str();
                let text = text.strip_prefix(r"\A(?:").and_then(|text| text.strip_suffix(r")\z")).unwrap_or(text);
                write!(f, "matches: {:?}", clipped(text, VALUE))?;
            }
        }
    }
    f.write_str(" }")
}

/// Conditions that all or any have to hold.
struct Items<'a>(&'a [Condition]);

impl fmt::Display for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, condition) in self.0.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { " " } else { ", " }, Braced(condition))?;
        }
        f.write_str(if self.0.is_empty() { "]" } else { " ]" })
    }
}

/// A condition as a mapping.
struct Braced<'a>(&'a Condition);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = match self.0 {
            Condition::All(conditions) => conditions.as_slice(),
            one @ (Condition::Any(_) | Condition::Not(_) | Condition::Field(..)) => std::slice::from_ref(one),
        };
        f.write_str("{")?;
        for (place, line) in lines.iter().enumerate() {
            write!(f, "{}{line}", if place == 0 { " " } else { ", " })?;
        }
        f.write_str(if lines.is_empty() { "}" } else { " }" })
    }
}

/// One value, or a list of them.
struct Values<'a> {
    patterns: &'a [Pattern],
    is_clear: bool,
}

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_clear {
            return f.write_str(MASK);
        }
        if let [one] = self.patterns {
            return value(f, one);
        }
        f.write_str("[")?;
        for (place, pattern) in self.patterns.iter().take(VALUES).enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            value(f, pattern)?;
        }
        let more = self.patterns.len().saturating_sub(VALUES);
        if more > 0 { write!(f, ", … {more} more]") } else { f.write_str("]") }
    }
}

fn value(f: &mut fmt::Formatter<'_>, pattern: &Pattern) -> fmt::Result {
    let text = pattern.to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let clipped = clipped(&text, VALUE);
    if !text.is_empty() && text.bytes().all(is_plain) { f.write_str(&clipped) } else { write!(f, "\"{clipped}\"") }
}

#[cfg(test)]
mod tests {
    use super::super::condition::{Decimal, whole_value};
    use super::*;

    fn field(name: &str, tests: Vec<Test>) -> Condition {
        Condition::Field(Field::parse(name).expect(name), tests)
    }

    fn equals(values: &[&str]) -> Test {
        Test::Equals(values.iter().map(|value| Pattern::parse(value)).collect())
    }

    #[test]
    fn a_condition_is_written_as_the_file_has_it() {
        let not = |values: &[&str]| Test::NotEquals(values.iter().map(|value| Pattern::parse(value)).collect());
        let at_least = |text| Test::Compare(Comparison::Gte, Decimal::parse(text).expect(text));
        let below = |text| Test::Compare(Comparison::Lt, Decimal::parse(text).expect(text));
        for (condition, wanted) in [
            (field("state", vec![equals(&["paid"])]), "state: paid"),
            (field("state", vec![equals(&["paid", "cod"])]), "state: [paid, cod]"),
            (field("state", vec![equals(&["refund*", r"2\*3", "a b"])]), r#"state: ["refund*", "2\*3", "a b"]"#),
            (field("body.state", vec![not(&["failed"])]), "body.state: { not: failed }"),
            (field("amount", vec![at_least("1000"), below("0.50")]), "amount: { gte: 1000, lt: 0.5 }"),
            (field("txn.state", vec![Test::Exists(true)]), "txn.state: { exists: true }"),
            (field("fee", vec![Test::Matches(whole_value("a|b\\d").expect("an expression"))]), r#"fee: { matches: "a|b\\d" }"#),
            (field("customer_email", vec![equals(&["a@b"])]), "customer_email: ***"),
            (field("customer_email", vec![not(&["a@b", "c@d"])]), "customer_email: { not: *** }"),
            (field("customer_email", vec![Test::Matches(whole_value("a@b").expect("an expression"))]), "customer_email: { matches: *** }"),
            (
                Condition::Any(vec![
                    Condition::All(vec![field("operation", vec![equals(&["refund"])]), field("kind", vec![equals(&["operation"])])]),
                    field("state", vec![equals(&["refund*"])]),
                ]),
                r#"any: [ { operation: refund, kind: operation }, { state: "refund*" } ]"#,
            ),
            (Condition::Not(Box::new(Condition::All(vec![field("state", vec![equals(&["paid"])])]))), "not: { state: paid }"),
            (Condition::All(vec![field("state", vec![equals(&["paid"])])]), "all: [ { state: paid } ]"),
            (Condition::Any(vec![]), "any: []"),
        ] {
            assert_eq!(condition.to_string(), wanted);
        }
    }

    #[test]
    fn a_long_list_is_cut_short() {
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(field("order_no", vec![equals(&many)]).to_string(), "order_no: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 88 more]");
    }
}
