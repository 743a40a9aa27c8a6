//! Checks `when`: from the tree to a condition.

use super::{
    diagnostics::Code,
    hints,
    keys::{key, mapping, scalars, single},
    problem::{Problem, Problems},
    text::quote,
    tree::{Entry, Kind, Node, Scalar, Span, Style},
};
use crate::{
    domain::{event::Normal, field::Field},
    route::condition::{Comparison, Condition, Decimal, Pattern, Test, whole_value},
};

const OPERATORS: [&str; 7] = ["not", "gt", "gte", "lt", "lte", "exists", "matches"];

/// What reading a condition needs.
pub struct When<'c, 't> {
    /// For messages: `rule "paid"`.
    pub of: &'c str,
    /// The sources that are defined.
    pub sources: &'c [&'t str],
    /// Where problems go.
    pub problems: &'c mut Problems,
}

impl When<'_, '_> {
    /// A mapping whose lines all have to hold. What is wrong in it is left out of the condition, and said.
    pub fn condition(&mut self, node: &Node, at: Span, what: &str) -> Condition {
        let of = format!("{what} of {}", self.of);
        if matches!(node.kind, Kind::Sequence(_)) {
            let hint = "write `any: […]` for one of them, `all: […]` for all of them";
            self.problems.push(Problem::error(Code::WrongType, node.span, format!("{of} wants a mapping, found a list")).help(hint));
            return Condition::All(Vec::new());
        }
        let entries = mapping(&of, at, node, self.problems);
        if entries.is_some_and(<[Entry]>::is_empty) {
            let hint = "a rule without `when` holds for every event";
            self.problems.push(Problem::error(Code::EmptyCondition, node.span, format!("{of} is empty")).help(hint));
        }
        let conditions: Vec<_> = entries.unwrap_or_default().iter().filter_map(|entry| self.line(entry)).collect();
        Condition::All(conditions)
    }

    fn line(&mut self, entry: &Entry) -> Option<Condition> {
        let name = key(entry)?;
        match name {
            "any" => self.several(entry, "`any`").map(Condition::Any),
            "all" => self.several(entry, "`all`").map(Condition::All),
            "not" => match entry.value.kind {
                Kind::Mapping(_) => Some(Condition::Not(Box::new(self.condition(&entry.value, entry.key.span, "`not`")))),
                Kind::Scalar(..) | Kind::Sequence(_) => {
                    let message = format!("`not` of {} wants a mapping, found {}", self.of, entry.value.what());
                    let hint = "as in `not: { state: paid }`, or for one field `state: { not: paid }`";
                    self.problems.push(Problem::error(Code::WrongType, entry.value.span, message).help(hint));
                    None
                }
            },
            _ => self.field(name, entry),
        }
    }

    fn several(&mut self, entry: &Entry, what: &str) -> Option<Vec<Condition>> {
        let of = self.of;
        let Kind::Sequence(items) = &entry.value.kind else {
            let message = format!("{what} of {of} wants a list of conditions, found {}", entry.value.what());
            let hint = "as in `any: [ { operation: refund }, { state: \"refund*\" } ]`";
            self.problems.push(Problem::error(Code::WrongType, entry.value.span, message).help(hint));
            return None;
        };
        if items.is_empty() {
            self.problems.error(Code::EmptyCondition, entry.value.span, format!("{what} of {of} is empty"));
        }
        Some(items.iter().map(|item| self.condition(item, item.span, &format!("each of {what}"))).collect())
    }

    fn field(&mut self, name: &str, entry: &Entry) -> Option<Condition> {
        let field = match Field::parse(name) {
            Ok(field) => field,
            Err(error) => {
                let (message, hint) = no_field(name, &format!("`when` of {}", self.of), &error.to_string());
                self.problems.push(Problem::error(Code::InvalidName, entry.key.span, message).help(hint));
                return None;
            }
        };
        let value = &*entry.value;
        let of = format!("`{name}` in `when` of {}", self.of);
        if value.was_refused() {
            return None;
        }
        if value.is_null() {
            let hint = match hints::glued(name) {
                Some((field, value)) => format!("a `:` wants a space behind it: `{field}: {value}`"),
                None if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                    "a `,` ends the value before it: write a number without it, as in `1000`".to_owned()
                }
                None => format!("for an event without it write `{name}: {{ exists: false }}`"),
            };
            self.problems.push(Problem::error(Code::NullValue, value.span, format!("{of} wants a value, found nothing")).help(hint));
            return None;
        }
        let tests = match &value.kind {
            Kind::Mapping(entries) => self.operators(name, &of, entries, value),
            Kind::Scalar(..) | Kind::Sequence(_) => vec![Test::Equals(self.patterns(&field, &of, value)?)],
        };
        Some(Condition::Field(field, tests))
    }

    fn operators(&mut self, name: &str, of: &str, entries: &[Entry], node: &Node) -> Vec<Test> {
        if entries.is_empty() {
            self.problems.error(Code::EmptyCondition, node.span, format!("{of} is empty"));
        }
        entries.iter().filter_map(|entry| self.operator(name, of, entry)).collect()
    }

    fn operator(&mut self, name: &str, of: &str, entry: &Entry) -> Option<Test> {
        let operator = key(entry)?;
        let within = format!("`{operator}` of {of}");
        match operator {
            "not" => Some(Test::NotEquals(self.patterns(&Field::parse(name).ok()?, &within, &entry.value)?)),
            "gt" => self.compare(Comparison::Gt, &within, &entry.value),
            "gte" => self.compare(Comparison::Gte, &within, &entry.value),
            "lt" => self.compare(Comparison::Lt, &within, &entry.value),
            "lte" => self.compare(Comparison::Lte, &within, &entry.value),
            "exists" => self.exists(&within, &entry.value),
            "matches" => self.matches(&within, &entry.value),
            _ => {
                let near = self.problems.did_you_mean(operator, OPERATORS);
                let path = if looks_like_word(operator) {
                    format!("; a field inside of another is written with a dot: `{name}.{operator}: …`")
                } else {
                    String::new()
                };
                let hint = near.is_empty().then(|| format!("the operators are {}{path}", OPERATORS.join(", ")));
                let message = format!("{of} has no operator {}{near}", quote(operator));
                self.problems.push(Problem::error(Code::UnknownKey, entry.key.span, message).maybe_help(hint));
                None
            }
        }
    }

    fn compare(&mut self, comparison: Comparison, of: &str, node: &Node) -> Option<Test> {
        let scalar = single(of, node, self.problems)?;
        let decimal = Decimal::parse(scalar.text);
        if decimal.is_none() {
            let message = format!("{of} wants a decimal number such as `500` or `0.750`, found {}", quote(scalar.text));
            self.problems.error(Code::InvalidValue, scalar.span, message);
        }
        decimal.map(|decimal| Test::Compare(comparison, decimal))
    }

    fn exists(&mut self, of: &str, node: &Node) -> Option<Test> {
        let scalar = single(of, node, self.problems)?;
        match (scalar.text, scalar.style) {
            ("true" | "True" | "TRUE", Style::Plain) => Some(Test::Exists(true)),
            ("false" | "False" | "FALSE", Style::Plain) => Some(Test::Exists(false)),
            (text, Style::Plain | Style::Quoted) => {
                let message = format!("{of} wants `true` or `false`, found {}", quote(text));
                self.problems.error(Code::InvalidValue, scalar.span, message);
                None
            }
        }
    }

    fn matches(&mut self, of: &str, node: &Node) -> Option<Test> {
        let scalar = single(of, node, self.problems)?;
        match whole_value(scalar.text) {
            Ok(regex) => Some(Test::Matches(regex)),
            Err(error) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_lowercase();
                let message = format!("{of} is no regular expression: {reason}");
                self.problems.error(Code::InvalidValue, scalar.span, message);
                None
            }
        }
    }

    fn patterns(&mut self, field: &Field, of: &str, node: &Node) -> Option<Vec<Pattern>> {
        if matches!(&node.kind, Kind::Sequence(items) if items.is_empty()) {
            self.problems.error(Code::EmptyCondition, node.span, format!("{of} is an empty list"));
        }
        let values = scalars(of, node, self.problems)?;
        if *field == Field::Normal(Normal::From) {
            values.iter().for_each(|value| self.check_source(*value));
        }
        values.iter().filter(|value| value.style == Style::Plain).for_each(|value| self.check_sign(field, of, *value));
        Some(values.iter().map(|value| Pattern::parse(value.text)).collect())
    }

    /// Other languages compare by signs, and say yes and no: as texts they would match nothing.
    fn check_sign(&mut self, field: &Field, of: &str, value: Scalar<'_>) {
        let signs = [(">=", "gte"), ("<=", "lte"), (">", "gt"), ("<", "lt"), ("==", ""), ("=", "")];
        let sign = signs.iter().find_map(|(sign, operator)| Some((operator, value.text.strip_prefix(sign)?.trim())));
        let is_word = matches!(&*value.text.to_lowercase(), "yes" | "no" | "on" | "off" | "y" | "n");
        let (wanted, hint) = match sign {
            Some((operator, number)) if !operator.is_empty() => ("a text", format!("to compare, write `{{ {operator}: {number} }}`")),
            Some((_, text)) => ("a text", format!("write the value alone: `{text}`")),
            None if is_word && *field == Field::Normal(Normal::IsSandbox) => {
                let is_yes = matches!(&*value.text.to_lowercase(), "yes" | "on" | "y");
                ("`true` or `false`", format!("write `{is_yes}`"))
            }
            None => return,
        };
        let message = format!("{of} wants {wanted}, found {}", quote(value.text));
        let hint = if sign.is_some() { format!("{hint}; a text that is meant to begin so stands in quotes") } else { hint };
        self.problems.push(Problem::error(Code::InvalidValue, value.span, message).help(hint));
    }

    fn check_source(&mut self, value: Scalar<'_>) {
        if value.text.contains(['*', '?']) || self.sources.contains(&value.text) {
            return;
        }
        let near = self.problems.did_you_mean(value.text, self.sources.iter().copied());
        let message = format!("{} is for the source {}, which is not defined{near}", self.of, quote(value.text));
        self.problems.error(Code::UnknownSource, value.span, message);
    }
}

/// What is said of a text that names no field, and what to do about it.
pub fn no_field(text: &str, place: &str, why: &str) -> (String, &'static str) {
    let hint = "a field is a name or a path such as `txn.state` or `extra.\"flight.number\"`";
    (format!("{} in {place} is no field: {why}", quote(text)), hint)
}

fn looks_like_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}
