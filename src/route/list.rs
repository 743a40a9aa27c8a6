//! The rules, with an index by what most of them ask first: a text that a field must have. An event is put only to the rules
//! that it can fulfil, in the order of the file.

use super::{
    Rule,
    condition::{Condition, Test},
};
use crate::domain::{event::Event, field::Field};
use std::{cmp::Reverse, collections::HashMap, ops::Deref};

/// So many fields are looked up of each event; rules that rest on others are asked each time.
const FIELDS: usize = 7;

/// The rules in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct RuleList {
    rules: Vec<Rule>,
    /// Each rule under one field at most.
    by_field: Vec<(Field, ByText)>,
    /// The places of the rules that are asked each time, ascending.
    always: Vec<usize>,
}

/// The places of the rules by the text that a field must have, ascending.
type ByText = HashMap<Box<str>, Vec<usize>>;

/// A field, and the texts of which it must have one if a condition is to hold.
#[derive(Debug, Clone)]
struct Anchor<'r> {
    field: &'r Field,
    texts: Vec<&'r str>,
}

impl From<Vec<Rule>> for RuleList {
    fn from(rules: Vec<Rule>) -> Self {
        let anchors: Vec<Vec<Anchor<'_>>> = rules.iter().map(|rule| rule.when.as_ref().map_or_else(Vec::new, anchors)).collect();
        let mut popular: HashMap<(&Field, &str), usize> = HashMap::new();
        for Anchor { field, texts } in anchors.iter().flatten() {
            texts.iter().for_each(|text| *popular.entry((field, text)).or_default() += 1);
        }
        // The fewer rules share the texts of an anchor, the fewer are asked in vain.
        let cost = |anchor: &&Anchor<'_>| anchor.texts.iter().map(|text| popular[&(anchor.field, *text)]).max();
        let mut wanted: HashMap<&Field, usize> = HashMap::new();
        for best in anchors.iter().filter_map(|anchors| anchors.iter().min_by_key(cost)) {
            *wanted.entry(best.field).or_default() += 1;
        }
        let mut fields: Vec<(&Field, usize)> = wanted.into_iter().collect();
        fields.sort_by_key(|(_, rules)| Reverse(*rules));
        let mut by_field: Vec<_> = fields.into_iter().take(FIELDS).map(|(field, _)| (field.clone(), ByText::new())).collect();
        let mut always = Vec::new();
        for (place, anchors) in anchors.iter().enumerate() {
            let of_field = |anchor: &Anchor<'_>| by_field.iter().position(|(field, _)| field == anchor.field);
            let best = anchors.iter().filter(|anchor| of_field(anchor).is_some()).min_by_key(cost);
            match best.and_then(|anchor| Some((of_field(anchor)?, &anchor.texts))) {
                Some((field, texts)) => {
                    let rules = &mut by_field[field].1;
                    texts.iter().for_each(|text| rules.entry((*text).into()).or_default().push(place));
                }
                None => always.push(place),
            }
        }
        Self { by_field, always, rules }
    }
}

impl Deref for RuleList {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.rules
    }
}

impl RuleList {
    /// The rules that can hold of the event, in their order; any other does not.
    pub(super) fn candidates<'a>(&'a self, event: &Event) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let mut lists: [&[usize]; FIELDS + 1] = [&[]; FIELDS + 1];
        lists[FIELDS] = &self.always;
        for (list, (field, rules)) in lists.iter_mut().zip(&self.by_field) {
            *list = field.find(event).text().and_then(|text| rules.get(text)).map_or(&[], Vec::as_slice);
        }
        // Each rule is in one list.
        std::iter::from_fn(move || {
            let list = lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| list[0])?;
            let (place, rest) = list.split_first()?;
            *list = rest;
            Some(&self.rules[*place])
        })
    }
}

/// What must hold if the condition is to hold, of one field and some texts each.
fn anchors(condition: &Condition) -> Vec<Anchor<'_>> {
    match condition {
        Condition::All(conditions) => conditions.iter().flat_map(anchors).collect(),
        Condition::Any(conditions) => any_of(conditions).into_iter().collect(),
        Condition::Field(field, tests) => tests.iter().filter_map(|test| Some(Anchor { field, texts: texts(test)? })).collect(),
        Condition::Not(_) => Vec::new(),
    }
}

/// The anchor that all of them have on one field, taken together.
fn any_of(conditions: &[Condition]) -> Option<Anchor<'_>> {
    let (first, others) = conditions.split_first()?;
    anchors(first).into_iter().find_map(|mut anchor| {
        for other in others {
            let same = anchors(other).into_iter().find(|other| other.field == anchor.field)?;
            anchor.texts.extend(same.texts);
        }
        anchor.texts.sort_unstable();
        anchor.texts.dedup();
        Some(anchor)
    })
}

/// The texts of which a field must have one for the test to hold, where they can be listed.
fn texts(test: &Test) -> Option<Vec<&str>> {
    match test {
        Test::Equals(patterns) => {
            let mut texts = patterns.iter().map(|pattern| pattern.exact()).collect::<Option<Vec<_>>>()?;
            texts.sort_unstable();
            texts.dedup();
            Some(texts)
        }
        Test::NotEquals(_) | Test::Compare(..) | Test::Exists(_) | Test::Matches(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{event::Kind, name::Name},
        route::{
            Action, Rules,
            any_tests::{any_event, any_rules, event},
            condition::Pattern,
        },
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_index_leaves_out_no_rule_that_holds_and_keeps_their_order(rules in any_rules(), event in any_event()) {
            let mut wanted = Vec::new();
            for rule in &rules {
                if rule.holds(&event) {
                    wanted.push(rule.name.clone());
                    if rule.stop {
                        break;
                    }
                }
            }
            let rules = Rules { rules: rules.into(), ..Rules::default() };
            let found: Vec<_> = rules.matching(&event).map(|rule| rule.name.clone()).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn of_many_rules_only_those_are_asked_whose_text_the_event_has() {
        let rule = |place: usize| {
            let is =
                |field: &str, text: &str| Condition::Field(Field::parse(field).unwrap(), vec![Test::Equals(vec![Pattern::parse(text)])]);
            let when = Condition::All(vec![is("kind", "payment"), is("shop.id", &place.to_string())]);
            Rule { name: Name::unchecked(&format!("rule {place}")), when: Some(when), action: Action::Drop, stop: false, respond: None }
        };
        let rules = RuleList::from((0..1000).map(rule).collect::<Vec<_>>());
        let asked: Vec<_> = rules
            .candidates(&event(Kind::Payment, &serde_json::json!({ "shop": { "id": 7 } })))
            .map(|rule| rule.name.to_string())
            .collect();
        assert_eq!(asked, ["rule 7"]);
    }
}
