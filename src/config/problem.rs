//! Problems as they are found: a place and what is wrong there. How they are shown is `diagnostics.rs`'s matter.

use super::{
    diagnostics::{Code, Diagnostic, Severity},
    text::{Texts, quote},
    tree::{FileId, Span},
};
use std::collections::HashSet;

/// More than anyone reads; what is beyond is only said to be there.
const MAX_SHOWN: usize = 1_000;
/// Comparing every word with every name would be slow in a file that is wrong from end to end.
const MAX_SUGGESTIONS: usize = 200;

/// One problem.
#[derive(Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What sort it is.
    pub code: Code,
    /// Where it is.
    pub span: Span,
    /// What was found and what is wanted.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The rule that it is about, by its place, where that may allow it.
    pub rule: Option<usize>,
}

impl Problem {
    /// An error.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, span, message: message.into(), hint: None, rule: None }
    }

    /// A lint.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// About a rule.
    #[must_use]
    pub fn of_rule(self, place: usize) -> Self {
        Self { rule: Some(place), ..self }
    }

    /// With a hint where there is one.
    #[must_use]
    pub fn maybe_help(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

/// All problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    suggestions: usize,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Adds those.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.found.extend(problems);
    }

    /// Adds an error.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Problem::error(code, span, message));
    }

    /// Keeps those of which that is said, and lets each be changed.
    pub fn retain(&mut self, keep: impl FnMut(&mut Problem) -> bool) {
        self.found.retain_mut(keep);
    }

    /// Whether one of that sort was found.
    pub fn has(&self, code: Code) -> bool {
        self.found.iter().any(|problem| problem.code == code)
    }

    /// Whether something is wrong, and not only doubtful.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// `; did you mean "…"?`, or nothing where nothing is near.
    pub fn did_you_mean<'n>(&mut self, word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
        if self.suggestions == MAX_SUGGESTIONS {
            return String::new();
        }
        self.suggestions += 1;
        closest(word, names).map_or_else(String::new, |name| format!("; did you mean {}?", quote(name)))
    }

    /// In the order of the files, each once, with their lines.
    pub fn diagnose(mut self, texts: &Texts) -> Vec<Diagnostic> {
        self.found.sort_by_key(|problem| (problem.span.start, problem.severity));
        let mut seen = HashSet::new();
        self.found.retain(|problem| seen.insert((problem.code, problem.span, problem.message.clone())));
        let rest = self.found.split_off(self.found.len().min(MAX_SHOWN));
        let worst = rest.iter().map(|problem| problem.severity).min();
        let mut shown: Vec<_> = self.found.into_iter().map(|problem| texts.diagnose(problem)).collect();
        if let Some(severity) = worst {
            let message = format!("{} more problems are not shown", rest.len());
            shown.push(texts.of(FileId::MAIN).note(severity, Code::TooManyProblems, message));
        }
        shown
    }
}

/// The name that is nearest to the word, where one is near enough to be meant.
pub fn closest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = word.chars().count();
    if length > 100 {
        return None;
    }
    let folded = word.to_lowercase();
    let distance = |name: &'n str| {
        let other = name.chars().count();
        let most = length.max(other).div_ceil(4);
        let distance = (length.abs_diff(other) <= most).then(|| strsim::damerau_levenshtein(&folded, &name.to_lowercase()))?;
        (distance <= most).then_some((distance, name))
    };
    names
        .into_iter()
        .take(1_000)
        .filter_map(distance)
        .min_by_key(|(distance, name)| (*distance, word.chars().next() != name.chars().next(), !only_adds(word, name)))
        .map(|(_, name)| name)
}

/// Whether the name has all letters of the word in their order: what was left out is likelier than what is wrong.
fn only_adds(word: &str, name: &str) -> bool {
    let mut letters = name.chars();
    word.chars().all(|wanted| letters.any(|letter| letter == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{text::Text, tree::Position};

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        let names = ["orders", "ledger", "to", "path", "provider_timeout", "gt", "gte"];
        for (word, near) in [
            ("order", Some("orders")),
            ("Ledger", Some("ledger")),
            ("leger", Some("ledger")),
            ("ot", Some("to")),
            ("ge", Some("gte")),
            ("provider-timeuot", Some("provider_timeout")),
            ("auth", None),
            ("", None),
            ("billing", None),
        ] {
            assert_eq!(closest(word, names), near, "{word}");
        }
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_each_once_and_not_without_end() {
        let texts = Texts::new(Text::new("rules.yaml".to_owned(), "a\n".repeat(2_000)));
        let at = |line: usize| {
            let offset = (line - 1) * 2;
            Span { start: Position { offset, line, ..Position::START }, end: offset + 1 }
        };
        let mut problems = Problems::default();
        for line in [3, 1, 3, 2, 3] {
            problems.error(Code::InvalidValue, at(line), "one");
            problems.error(Code::InvalidValue, at(line), "two");
        }
        let lines: Vec<_> = problems.diagnose(&texts).iter().map(|found| (found.line, found.message.clone())).collect();
        let expected = [(1, "one"), (1, "two"), (2, "one"), (2, "two"), (3, "one"), (3, "two")];
        assert_eq!(lines, expected.map(|(line, message)| (line, message.to_owned())));

        let mut problems = Problems::default();
        (1..=1_500).for_each(|line| problems.error(Code::InvalidValue, at(line), "wrong"));
        let found = problems.diagnose(&texts);
        assert_eq!(found.len(), MAX_SHOWN + 1);
        let last = found.last().map(|last| (last.code, last.severity, last.message.as_str()));
        assert_eq!(last, Some((Code::TooManyProblems, Severity::Error, "500 more problems are not shown")));
    }
}
