//! Why a rule holds of an event, or does not: what `plan` decides, with the reasons. Says no more of an event than operators see.

use super::{
    Rule, Rules,
    condition::{Condition, Decimal, Test},
    words,
};
use crate::domain::{
    event::Event,
    field::{Field, Found},
    mask,
    name::Name,
    text::clipped,
};

/// So many characters of a value are shown.
const SHOWN: usize = 256;

/// A rule and what it says to an event.
#[derive(Debug)]
pub struct Explained<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// What came of it.
    pub finding: Finding,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It holds; with what it looked at.
    Holds(Vec<Sight>),
    /// It does not.
    Fails(Refusal),
    /// Nobody asked it: this rule before it stops the search.
    Unasked(Name),
}

/// The first condition of a rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A test of a field.
    Field {
        /// The test, in words of the file: `state: [paid, cod]`.
        condition: String,
        /// What was found there.
        found: Sight,
    },
    /// Under `any`, no alternative holds: why each does not.
    Any(Vec<Refusal>),
    /// What `not` excludes holds.
    Not {
        /// The condition, in words of the file: `not: { state: paid }`.
        condition: String,
        /// What was found where it looks.
        found: Vec<Sight>,
    },
}

/// What was found where a field points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The field.
    pub field: Field,
    /// What is there.
    pub seen: Seen,
    /// What is easily overlooked.
    pub hint: Option<&'static str>,
}

/// What is there, as far as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing, or null, or a normalised field that is empty.
    Absent,
    /// A list or an object, which has no text.
    Textless,
    /// This text, or the beginning of it.
    Text(String),
    /// A text that may be personal.
    Hidden,
}

impl Rules {
    /// What each rule says to an event, in the order of the file; agrees with [`Rules::plan`].
    pub fn explain(&self, event: &Event) -> Vec<Explained<'_>> {
        let mut stopped: Option<&Name> = None;
        let explained = |rule| {
            let finding = finding(rule, stopped, event);
            if rule.stop && matches!(finding, Finding::Holds(_)) {
                stopped = Some(&rule.name);
            }
            Explained { rule, finding }
        };
        self.rules.iter().map(explained).collect()
    }
}

impl Rule {
    /// The fields that it looks at, each once, in the order of the file.
    pub fn fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        if let Some(when) = &self.when {
            collect(when, &mut fields);
        }
        fields
    }
}

fn finding(rule: &Rule, stopped: Option<&Name>, event: &Event) -> Finding {
    if let Some(stopped) = stopped {
        return Finding::Unasked(stopped.clone());
    }
    match rule.when.as_ref().and_then(|when| refusal(when, event)) {
        Some(refusal) => Finding::Fails(refusal),
        None => {
            let mut fields = Vec::new();
            rule.when.iter().for_each(|when| collect_held(when, event, &mut fields));
            Finding::Holds(fields.into_iter().map(|field| Sight::of(field, event)).collect())
        }
    }
}

/// The fields for which it holds: under `any`, those of what holds.
fn collect_held<'r>(condition: &'r Condition, event: &Event, fields: &mut Vec<&'r Field>) {
    match condition {
        Condition::All(conditions) => conditions.iter().for_each(|condition| collect_held(condition, event, fields)),
        Condition::Any(conditions) => {
            conditions.iter().filter(|condition| condition.holds(event)).for_each(|condition| collect_held(condition, event, fields));
        }
        Condition::Not(_) | Condition::Field(..) => collect(condition, fields),
    }
}

/// Why it does not hold; `None`: it does.
fn refusal(condition: &Condition, event: &Event) -> Option<Refusal> {
    match condition {
        Condition::All(conditions) => conditions.iter().find_map(|condition| refusal(condition, event)),
        Condition::Any(conditions) => {
            let refusals: Vec<_> = conditions.iter().map_while(|condition| refusal(condition, event)).collect();
            (refusals.len() == conditions.len()).then_some(Refusal::Any(refusals))
        }
        Condition::Not(inner) => {
            let mut fields = Vec::new();
            collect(inner, &mut fields);
            let found = || fields.into_iter().map(|field| Sight::of(field, event)).collect();
            inner.holds(event).then(|| Refusal::Not { condition: condition.to_string(), found: found() })
        }
        Condition::Field(field, tests) => {
            let found = field.find(event);
            let failed = tests.iter().find(|test| !test.holds(&found))?;
            let found = Sight { hint: hint(failed, &found), ..Sight::of(field, event) };
            Some(Refusal::Field { condition: words::of_field(field, failed), found })
        }
    }
}

fn collect<'c>(condition: &'c Condition, fields: &mut Vec<&'c Field>) {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => conditions.iter().for_each(|condition| collect(condition, fields)),
        Condition::Not(condition) => collect(condition, fields),
        Condition::Field(field, _) if fields.contains(&field) => {}
        Condition::Field(field, _) => fields.push(field),
    }
}

impl Sight {
    /// What the event has there.
    pub fn of(field: &Field, event: &Event) -> Self {
        let seen = match field.find(event) {
            Found::Absent => Seen::Absent,
            Found::Textless => Seen::Textless,
            Found::Text(text) if mask::is_clear(field) => Seen::Text(clipped(&text, SHOWN).into_owned()),
            Found::Text(_) => Seen::Hidden,
        };
        Self { field: field.clone(), seen, hint: None }
    }
}

/// What one would look for in vain in the value alone.
fn hint(failed: &Test, found: &Found<'_>) -> Option<&'static str> {
    // A longer one is not shown whole either.
    let text = found.text().filter(|text| text.len() <= SHOWN)?;
    match failed {
        Test::Equals(patterns) => {
            let plain = |text: &str| text.trim().to_lowercase();
            let is_like = |wanted: &str| plain(wanted) == plain(text);
            patterns.iter().filter_map(|pattern| pattern.exact()).any(is_like).then_some("differs only in case or in blanks")
        }
        Test::Compare(..) => Decimal::parse(text).is_none().then_some("is no plain decimal number"),
        Test::Matches(regex) => {
            // Without its anchors, as the file has it, it may be found in a part of the value.
            let inner = regex.as_str().strip_prefix(r"\A(?:")?.strip_suffix(r")\z")?;
            let part = regex::Regex::new(inner).ok()?;
            part.is_match(text).then_some("matches only in part, and the whole value is wanted")
        }
        Test::NotEquals(_) | Test::Exists(_) => None,
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
