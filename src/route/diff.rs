//! What other rules would change: which rules differ, and which of some events would go elsewhere.

use super::{Rule, Rules};
use crate::domain::{
    event::Event,
    id::EventId,
    name::Name,
    plan::{Plan, Respond, Routing},
};
use std::{cmp::Reverse, collections::HashMap};

/// So many events are named of those that one change is about.
pub const EXAMPLES: usize = 3;

/// The rules that differ, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleChanges {
    /// There only now.
    pub added: Vec<Name>,
    /// There no longer.
    pub removed: Vec<Name>,
    /// There with another condition, action or answer.
    pub changed: Vec<Name>,
    /// Whether those that are in both stand in another order.
    pub is_reordered: bool,
}

/// What becomes of an event, as far as rules decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Where it goes, sorted.
    pub to: Vec<Name>,
    /// What kind of match it was.
    pub routing: Routing,
    /// What the provider is answered.
    pub answer: Respond,
}

/// Events that one change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// By the rules in force.
    pub before: Course,
    /// By the others.
    pub after: Course,
    /// How many events.
    pub events: u64,
    /// The first [`EXAMPLES`] of them.
    pub examples: Vec<EventId>,
}

/// Two sets of rules, and what came of events that were put to both.
#[derive(Debug)]
pub struct Diff<'r> {
    before: &'r Rules,
    after: &'r Rules,
    /// Events that both treat alike.
    pub same: u64,
    changes: Vec<Change>,
}

impl RuleChanges {
    /// From the ones to the others.
    pub fn between(before: &Rules, after: &Rules) -> Self {
        let [old, new] = [before, after].map(|rules| rules.rules.iter().map(|rule| (&rule.name, rule)).collect::<HashMap<_, _>>());
        let names = |rules: &Rules, is_meant: &dyn Fn(&Rule) -> bool| -> Vec<Name> {
            rules.rules.iter().filter(|rule| is_meant(rule)).map(|rule| rule.name.clone()).collect()
        };
        let is_kept = |rule: &Rule| old.contains_key(&rule.name) && new.contains_key(&rule.name);
        Self {
            added: names(after, &|rule| !old.contains_key(&rule.name)),
            removed: names(before, &|rule| !new.contains_key(&rule.name)),
            changed: names(after, &|rule| old.get(&rule.name).is_some_and(|known| *known != rule)),
            is_reordered: names(before, &is_kept) != names(after, &is_kept),
        }
    }
}

impl From<Plan> for Course {
    fn from(plan: Plan) -> Self {
        let mut to: Vec<Name> = plan.targets.into_iter().map(|target| target.destination).collect();
        to.sort_unstable();
        Self { to, routing: plan.routing, answer: plan.answer }
    }
}

impl<'r> Diff<'r> {
    /// Of the rules in force and others.
    pub fn new(before: &'r Rules, after: &'r Rules) -> Self {
        Self { before, after, same: 0, changes: Vec::new() }
    }

    /// Puts an event to both.
    pub fn compare(&mut self, event: &Event) {
        let [before, after] = [self.before, self.after].map(|rules| Course::from(rules.plan(event)));
        if before == after {
            self.same += 1;
            return;
        }
        let known = self.changes.iter().position(|change| change.before == before && change.after == after);
        let place = known.unwrap_or_else(|| {
            self.changes.push(Change { before, after, events: 0, examples: Vec::new() });
            self.changes.len() - 1
        });
        let change = &mut self.changes[place];
        change.events += 1;
        if change.examples.len() < EXAMPLES {
            change.examples.push(event.id);
        }
    }

    /// What differs, that of the most events first.
    pub fn changes(mut self) -> Vec<Change> {
        self.changes.sort_by_key(|change| Reverse(change.events));
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            clock::Timestamp,
            event::{Fields, Flags, Kind, Verdict},
            field::Field,
            json::Document,
        },
        route::{
            Action,
            condition::{Comparison, Condition, Decimal, Pattern, Test, whole_value},
        },
    };

    fn event(number: u64, state: &str) -> Event {
        Event {
            id: EventId::from_halves(number, number),
            source: Name::unchecked("ottu"),
            received_at: Timestamp::default(),
            kind: Kind::Payment,
            fields: Fields { state: Some(state.into()), ..Fields::default() },
            payload: Document::read(b"{}".to_vec().into()),
            content_type: None,
            verified: true,
            verdict: Verdict::Accepted,
            flags: Flags::default(),
        }
    }

    fn is(field: &str, test: Test) -> Condition {
        Condition::Field(Field::parse(field).unwrap(), vec![test])
    }

    fn text(text: &str) -> Test {
        Test::Equals(vec![Pattern::parse(text)])
    }

    fn rule(name: &str, when: Condition, to: &[&str]) -> Rule {
        let action = Action::Send(to.iter().map(|name| Name::unchecked(name)).collect());
        Rule { name: Name::unchecked(name), when: Some(when), action, stop: false, respond: None }
    }

    fn rules(rules: Vec<Rule>) -> Rules {
        Rules { rules: rules.into(), ..Rules::default() }
    }

    #[test]
    fn events_that_go_elsewhere_are_counted_by_where_they_went_and_would_go() {
        let paid = |to| rule("paid", is("state", text("paid")), to);
        let before = rules(vec![paid(&["orders", "ledger"]), rule("failed", is("state", text("failed")), &["orders"])]);
        let after = rules(vec![paid(&["ledger", "orders", "erp"]), rule("failed", is("state", text("fail*")), &["orders"])]);
        let mut diff = Diff::new(&before, &after);
        for (number, state) in [(1, "failure"), (2, "paid"), (3, "failed"), (4, "paid"), (5, "paid"), (6, "paid"), (7, "other")] {
            diff.compare(&event(number, state));
        }
        assert_eq!(diff.same, 2);
        let changes = diff.changes();
        let told = |course: &Course| (course.to.join(","), course.routing);
        let told: Vec<_> = changes.iter().map(|change| (change.events, told(&change.before), told(&change.after))).collect();
        let (routed, unmatched) = (Routing::Routed, Routing::Unmatched);
        assert_eq!(
            told,
            [
                (4, ("ledger,orders".to_owned(), routed), ("erp,ledger,orders".to_owned(), routed)),
                (1, (String::new(), unmatched), ("orders".to_owned(), routed)),
            ]
        );
        assert_eq!(changes[0].examples, [2, 4, 5].map(|number| EventId::from_halves(number, number)));
    }

    #[test]
    fn the_order_of_destinations_is_no_change_and_another_answer_is_one() {
        let one = rule("a", is("state", text("paid")), &["x", "y"]);
        let other = rule("a", is("state", text("paid")), &["y", "x"]);
        let answered = Rule { respond: Some(Respond::Now(201)), ..one.clone() };
        let [one, other, answered] = [one, other, answered].map(|rule| rules(vec![rule]));
        for (after, same) in [(&other, 1), (&answered, 0)] {
            let mut diff = Diff::new(&one, after);
            diff.compare(&event(1, "paid"));
            assert_eq!(diff.same, same);
        }
    }

    #[test]
    fn rules_differ_where_anything_of_them_does() {
        let conditions = || {
            let decimal = |text: &str| Decimal::parse(text).unwrap();
            vec![
                is("state", text("a")),
                is("state", text("b")),
                is("state", text("a*")),
                is("result", text("a")),
                is("state", Test::NotEquals(vec![Pattern::parse("a")])),
                is("state", Test::Exists(true)),
                is("state", Test::Exists(false)),
                is("state", Test::Matches(whole_value("a").unwrap())),
                is("state", Test::Matches(whole_value("b").unwrap())),
                is("amount", Test::Compare(Comparison::Gt, decimal("1"))),
                is("amount", Test::Compare(Comparison::Gte, decimal("1"))),
                is("amount", Test::Compare(Comparison::Gt, decimal("2"))),
                Condition::Not(Box::new(is("state", text("a")))),
                Condition::All(vec![is("state", text("a"))]),
                Condition::Any(vec![is("state", text("a"))]),
            ]
        };
        for (place, one) in conditions().into_iter().enumerate() {
            for (other_place, other) in conditions().into_iter().enumerate() {
                assert_eq!(one == other, place == other_place, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn rules_that_came_went_changed_or_moved_are_named() {
        let named = |name| rule(name, is("state", text("paid")), &["x"]);
        let before = rules(vec![named("a"), named("b"), named("c")]);
        let stop = Rule { stop: true, ..named("b") };
        let after = rules(vec![named("new"), named("a"), stop.clone()]);
        let names = |names: &[&str]| names.iter().map(|name| Name::unchecked(name)).collect::<Vec<_>>();
        let wanted = RuleChanges { added: names(&["new"]), removed: names(&["c"]), changed: names(&["b"]), is_reordered: false };
        assert_eq!(RuleChanges::between(&before, &after), wanted);
        assert_eq!(RuleChanges::between(&before, &before), RuleChanges::default());
        let moved = rules(vec![named("c"), named("a"), named("b")]);
        assert_eq!(RuleChanges::between(&before, &moved), RuleChanges { is_reordered: true, ..RuleChanges::default() });
    }
}
