//! Whether conditions can hold, alone or together, of an event that the sources are expected to send.
//! Rather "perhaps" than wrong: what is said never to hold never does.

use super::super::Source;
use crate::{
    domain::{
        event::{Kind, Normal},
        field::{Field, Found},
    },
    provider::{Scheme, Texts},
    route::condition::{Comparison, Condition, Decimal, Pattern, Test},
};
use std::{
    borrow::Cow,
    cell::Cell,
    hash::{DefaultHasher, Hash, Hasher},
};

/// With more sources than these no rule is looked at.
const MOST_SOURCES: usize = 100;
/// More ways to hold than these are not looked at.
const MOST_CASES: usize = 64;
/// Nor more claims within one.
const MOST_CLAIMS: usize = 64;

/// Whether there is an event of which something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Possible {
    /// There is none.
    Never,
    /// Nobody knows.
    Perhaps,
    /// There is one, as far as each field can be looked at by itself.
    Surely,
}

/// How much comparing is left to do before all there is to say is "perhaps", so that no file is slow to check.
#[derive(Debug)]
pub struct Patience(Cell<u64>);

impl Default for Patience {
    /// Enough for a thousand rules that all stop.
    fn default() -> Self {
        Self(Cell::new(50_000_000))
    }
}

impl Patience {
    /// Takes some of it; says whether it was there.
    fn spend(&self, cost: u64) -> bool {
        let left = self.0.get().checked_sub(cost);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// The events of one source and one kind.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The source's name.
    pub source: &'a str,
    /// What it sends.
    pub scheme: &'a Scheme,
    /// Which of it.
    pub kind: Kind,
    patience: &'a Patience,
}

/// That a test of a field holds, or that it does not.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'r> {
    /// The field.
    pub field: &'r Field,
    /// Of the field: unequal ones are told apart by it at once.
    hash: u64,
    test: &'r Test,
    holds: bool,
}

/// Claims that hold together.
pub type Case<'r> = Vec<Claim<'r>>;

/// The ways in which a condition can hold; `None`: they are too many to look at.
#[derive(Debug)]
pub struct Cases<'r>(Option<Vec<Case<'r>>>);

impl<'r> Cases<'r> {
    /// Those in which the condition of a rule holds.
    pub fn holding(when: Option<&'r Condition>) -> Self {
        Self(when.map_or_else(|| Some(vec![Case::new()]), |when| cases(when, true)))
    }

    /// Those in which it does not.
    pub fn failing(when: Option<&'r Condition>) -> Self {
        Self(when.map_or_else(|| Some(Vec::new()), |when| cases(when, false)))
    }

    /// All of them; none where they are too many.
    pub fn all(&self) -> &[Case<'r>] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether one of them can be in one of the worlds.
    pub fn possible<'w>(&self, worlds: impl IntoIterator<Item = &'w World<'w>>) -> Possible {
        self.beside(&Self(Some(vec![Case::new()])), worlds)
    }

    /// Whether one of them can be together with one of the others, in one of the worlds.
    pub fn beside<'w>(&self, others: &Cases<'_>, worlds: impl IntoIterator<Item = &'w World<'w>>) -> Possible {
        let (Some(ours), Some(theirs)) = (&self.0, &others.0) else { return Possible::Perhaps };
        let mut best = Possible::Never;
        for world in worlds {
            for (our, their) in ours.iter().flat_map(|our| theirs.iter().map(move |their| (our, their))) {
                best = best.max(world.lets(our, their));
                if best == Possible::Surely || best == Possible::Perhaps && world.patience.0.get() == 0 {
                    return best;
                }
            }
        }
        best
    }
}

/// The ways in which a condition holds, or fails.
fn cases(condition: &Condition, holds: bool) -> Option<Vec<Case<'_>>> {
    match (condition, holds) {
        (Condition::Field(field, tests), true) => {
            let case: Case<'_> = tests.iter().map(|test| Claim::new(field, test, holds)).collect();
            (case.len() <= MOST_CLAIMS).then(|| vec![case])
        }
        (Condition::Field(field, tests), false) => {
            (tests.len() <= MOST_CASES).then(|| tests.iter().map(|test| vec![Claim::new(field, test, holds)]).collect())
        }
        (Condition::Not(condition), _) => cases(condition, !holds),
        (Condition::All(conditions), true) | (Condition::Any(conditions), false) => {
            let mut product = vec![Case::new()];
            for condition in conditions {
                let more = cases(condition, holds)?;
                if product.len() * more.len() > MOST_CASES {
                    return None;
                }
                product = product.iter().flat_map(|case| more.iter().map(move |more| [&case[..], more].concat())).collect();
                if product.iter().any(|case| case.len() > MOST_CLAIMS) {
                    return None;
                }
            }
            Some(product)
        }
        (Condition::All(conditions), false) | (Condition::Any(conditions), true) => {
            let mut sum = Vec::new();
            for condition in conditions {
                sum.extend(cases(condition, holds)?);
                if sum.len() > MOST_CASES {
                    return None;
                }
            }
            Some(sum)
        }
    }
}

impl<'a> World<'a> {
    /// All there are; none where there are too many sources to look at.
    pub fn all(sources: &'a [Source], patience: &'a Patience) -> Vec<Self> {
        if sources.len() > MOST_SOURCES {
            return Vec::new();
        }
        let of = |source: &'a Source| {
            let (source, scheme) = (&*source.receive.name, &source.provider.scheme);
            scheme.kinds().map(move |kind| Self { source, scheme, kind, patience })
        };
        sources.iter().flat_map(of).collect()
    }

    /// The events of the same source and another kind.
    pub fn of_kind(&self, kind: Kind) -> Self {
        Self { kind, ..*self }
    }

    /// Whether all claims of two cases can hold of one of its events.
    pub fn lets(&self, one: &[Claim<'_>], other: &[Claim<'_>]) -> Possible {
        let all = || one.iter().chain(other);
        let weight: u64 = all().map(Claim::weight).sum();
        if !self.patience.spend(weight * weight) {
            return Possible::Perhaps;
        }
        let mut least = Possible::Surely;
        for (place, claim) in all().enumerate() {
            if !all().take(place).any(|before| before.is_beside(claim)) {
                least = least.min(self.field(claim.field, || all().skip(place).filter(|other| other.is_beside(claim))));
            }
            if least == Possible::Never {
                break;
            }
        }
        least
    }

    /// Whether all claims, which are on one field, can hold of it.
    fn field<'c, I: Iterator<Item = &'c Claim<'c>>>(&self, field: &Field, claims: impl Fn() -> I) -> Possible {
        let lets = |found: &Found<'_>| claims().all(|claim| claim.agrees(found));
        let one_of = |texts: &[&str]| if texts.iter().any(|text| lets(&of(text))) { Possible::Surely } else { Possible::Never };
        let expected = match field {
            Field::Normal(Normal::From) => return one_of(&[self.source]),
            Field::Normal(Normal::Kind) => return one_of(&[self.kind.as_str()]),
            Field::Normal(field) => self.scheme.expected(self.kind, *field),
            Field::Path(_) if lets(&Found::Absent) || lets(&Found::Textless) => return Possible::Surely,
            Field::Path(_) => return text(claims, |_| true),
        };
        if expected.may_be_absent && lets(&Found::Absent) {
            return Possible::Surely;
        }
        match expected.texts {
            Texts::Nothing => Possible::Never,
            Texts::Anything => text(claims, |text| !text.is_empty()),
            Texts::Only(texts) => one_of(texts),
            Texts::AnythingBut(others) => text(claims, |text| !text.is_empty() && !others.contains(&text)),
        }
    }
}

fn of(text: &str) -> Found<'_> {
    Found::Text(Cow::Borrowed(text))
}

impl<'r> Claim<'r> {
    fn new(field: &'r Field, test: &'r Test, holds: bool) -> Self {
        let mut hasher = DefaultHasher::new();
        field.hash(&mut hasher);
        Self { field, hash: hasher.finish(), test, holds }
    }

    /// Whether both are on one field.
    fn is_beside(&self, other: &Claim<'_>) -> bool {
        self.hash == other.hash && self.field == other.field
    }

    /// The patterns of which the field has to match one.
    pub fn one_of(&self) -> Option<&'r [Pattern]> {
        match (self.test, self.holds) {
            (Test::Equals(patterns), true) | (Test::NotEquals(patterns), false) => Some(patterns),
            (Test::Equals(_) | Test::NotEquals(_) | Test::Compare(..) | Test::Exists(_) | Test::Matches(_), _) => None,
        }
    }

    /// The patterns of which it may match none.
    fn none_of(&self) -> &'r [Pattern] {
        match (self.test, self.holds) {
            (Test::Equals(patterns), false) | (Test::NotEquals(patterns), true) => patterns,
            (Test::Equals(_) | Test::NotEquals(_) | Test::Compare(..) | Test::Exists(_) | Test::Matches(_), _) => &[],
        }
    }

    /// Whether it is true of what was found.
    pub fn agrees(&self, found: &Found<'_>) -> bool {
        self.test.holds(found) == self.holds
    }

    /// How much there is to compare.
    fn weight(&self) -> u64 {
        match self.test {
            Test::Equals(patterns) | Test::NotEquals(patterns) => 1 + patterns.len() as u64,
            Test::Compare(..) | Test::Exists(_) => 1,
            Test::Matches(_) => 4,
        }
    }

    fn regex(&self) -> bool {
        matches!(self.test, Test::Matches(_))
    }
}

/// Whether a text can be found of which all claims hold, and that is `possible`.
fn text<'c, I: Iterator<Item = &'c Claim<'c>>>(claims: impl Fn() -> I, possible: impl Fn(&str) -> bool) -> Possible {
    let wants_none = |claim: &Claim<'_>| matches!(claim.test, Test::Exists(wanted) if *wanted != claim.holds);
    if claims().any(wants_none) {
        return Possible::Never;
    }
    let holds = |text: &str| possible(text) && claims().all(|claim| claim.agrees(&of(text)));
    let is_shut_out = |pattern: &Pattern| claims().flat_map(Claim::none_of).any(|wide| wide.covers(pattern));
    // The texts that are left by equality, where one claim leaves a list of them.
    let listed = claims().filter_map(Claim::one_of).max_by_key(|patterns| patterns.iter().all(|pattern| pattern.exact().is_some()));
    if let Some(patterns) = listed {
        if patterns.iter().any(|pattern| holds(&pattern.example())) {
            return Possible::Surely;
        }
        let is_open = |pattern: &&Pattern| pattern.exact().is_none() && !is_shut_out(pattern);
        return if patterns.iter().any(|pattern| is_open(&pattern)) { Possible::Perhaps } else { Possible::Never };
    }
    if !is_some_decimal_left(&claims) || is_shut_out(&Pattern::parse("*")) {
        return Possible::Never;
    }
    // A text that nobody thought of, or one of the many ways to write a number.
    let is_open = claims().all(|claim| !claim.regex() && claim.none_of().iter().all(|pattern| pattern.exact().is_some()));
    if is_open || holds("\u{2026}") { Possible::Surely } else { Possible::Perhaps }
}

/// Whether the comparisons leave a number, where they want one at all.
fn is_some_decimal_left<'c, I: Iterator<Item = &'c Claim<'c>>>(claims: &impl Fn() -> I) -> bool {
    let compared = |claim: &'c Claim<'c>| match claim.test {
        Test::Compare(comparison, limit) => Some((*comparison, *limit, claim.holds)),
        Test::Equals(_) | Test::NotEquals(_) | Test::Exists(_) | Test::Matches(_) => None,
    };
    if !claims().filter_map(compared).any(|(_, _, holds)| holds) {
        return true;
    }
    // A bound, and whether the number may be just that.
    let mut low: Option<(Decimal, bool)> = None;
    let mut high: Option<(Decimal, bool)> = None;
    for (comparison, limit, holds) in claims().filter_map(compared) {
        let (is_low, may_equal) = match (comparison, holds) {
            (Comparison::Gt, true) | (Comparison::Lte, false) => (true, false),
            (Comparison::Gte, true) | (Comparison::Lt, false) => (true, true),
            (Comparison::Lt, true) | (Comparison::Gte, false) => (false, false),
            (Comparison::Lte, true) | (Comparison::Gt, false) => (false, true),
        };
        let bound = if is_low { &mut low } else { &mut high };
        let is_tighter = bound.is_none_or(|(known, may_equal_known)| {
            let beyond = if is_low { limit > known } else { limit < known };
            beyond || limit == known && may_equal_known && !may_equal
        });
        if is_tighter {
            *bound = Some((limit, may_equal));
        }
    }
    let (Some((low, low_may)), Some((high, high_may))) = (low, high) else { return true };
    low < high || low == high && low_may && high_may
}

#[cfg(test)]
#[path = "possible_tests.rs"]
mod tests;
