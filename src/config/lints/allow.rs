//! `allow`: which lints the file silences, at its top or in a rule, and whether each of them is there to be silenced.

use super::super::{
    diagnostics::{Code, Severity},
    problem::{Problem, Problems},
    raw,
    text::quote,
    tree::{Scalar, Span},
};

/// Lints whose finding may depend on what a variable is set to.
const OF_VALUES: [Code; 3] = [Code::PlainHttp, Code::HoldTooShort, Code::KeepTooShort];

/// What the file allows.
pub struct Allowed {
    /// For messages: `the file` or `rule "paid"`.
    ofs: Vec<String>,
    all: Vec<Allow>,
}

struct Allow {
    lint: Code,
    at: Span,
    /// The rule that says it, by its place; `None`: the file does.
    rule: Option<usize>,
    is_used: bool,
}

impl Allowed {
    /// What each `allow` says. What is no lint is an error.
    pub fn read(raw: &raw::Raw<'_>, problems: &mut Problems) -> Self {
        let mut allowed = Self { ofs: Vec::with_capacity(raw.rules.len()), all: Vec::new() };
        allowed.add(&raw.allow, None, "the rules file", problems);
        for (index, rule) in raw.rules.iter().enumerate() {
            let of = rule.name.map_or_else(|| format!("rule {}", index + 1), |name| format!("rule {}", quote(name.text)));
            allowed.add(&rule.allow, Some(index), &of, problems);
            allowed.ofs.push(of);
        }
        allowed
    }

    fn add(&mut self, scalars: &[Scalar<'_>], rule: Option<usize>, of: &str, problems: &mut Problems) {
        let before = self.all.len();
        for scalar in scalars {
            let Some(lint) = lint(*scalar, of, problems) else { continue };
            if self.all[before..].iter().any(|known| known.lint == lint) {
                problems.error(Code::DuplicateValue, scalar.span, format!("`allow` of {of} has {} twice", quote(scalar.text)));
            } else {
                self.all.push(Allow { lint, at: scalar.span, rule, is_used: false });
            }
        }
    }

    /// Takes out what is allowed, and says of what is left how it can be.
    pub fn silence(&mut self, problems: &mut Problems) {
        problems.retain(|problem| {
            if problem.severity == Severity::Error || !Code::LINTS.contains(&problem.code) {
                return true;
            }
            let of_rule = |allow: &&mut Allow| allow.lint == problem.code && allow.rule.is_some() && allow.rule == problem.rule;
            let found = self.all.iter_mut().find(of_rule);
            let of_file = |allow: &&mut Allow| allow.lint == problem.code && allow.rule.is_none();
            // Not `or_else`, since two closures cannot borrow the list.
            let found = match found {
                Some(allow) => Some(allow),
                None => self.all.iter_mut().find(of_file),
            };
            if let Some(allow) = found {
                allow.is_used = true;
                return false;
            }
            let place = if problem.rule.is_some() { "in the rule" } else { "at the top of the file" };
            let silenced = format!("if it is meant so, say `allow: [{}]` {place}", problem.code);
            problem.hint = Some(problem.hint.take().map_or_else(|| silenced.clone(), |hint| format!("{hint}; {silenced}")));
            true
        });
    }

    /// Says what is allowed in vain: with time it would hide what it was not meant for.
    pub fn unused(&self, problems: &mut Problems) {
        let is_known = |allow: &&Allow| !(OF_VALUES.contains(&allow.lint) && problems.has(Code::UnsetVariable));
        let unused: Vec<_> = self.all.iter().filter(|allow| !allow.is_used).filter(is_known).collect();
        for allow in unused {
            let (lint, of) = (quote(&allow.lint.to_string()), allow.rule.map(|rule| &self.ofs[rule]));
            let message = match of {
                Some(of) => format!("{of} allows {lint}, and has nothing of the kind"),
                None => format!("the file allows {lint}, and nothing of the kind is in it"),
            };
            problems.push(Problem::warning(Code::UnusedAllow, allow.at, message).help("take it out"));
        }
    }
}

fn lint(scalar: Scalar<'_>, of: &str, problems: &mut Problems) -> Option<Code> {
    let name = |code: &Code| code.to_string() == scalar.text;
    if let Some(lint) = Code::LINTS.into_iter().find(name) {
        return Some(lint);
    }
    let found = quote(scalar.text);
    let problem = match Code::ALL.into_iter().find(name) {
        Some(Code::UnusedAllow) => {
            let message = format!("`allow` of {of} has {found}, which cannot be allowed");
            Problem::error(Code::UnknownLint, scalar.span, message).help("take out the `allow` that silences nothing")
        }
        Some(_) => {
            let message = format!("`allow` of {of} has {found}, which is no lint: what is wrong cannot be allowed");
            Problem::error(Code::UnknownLint, scalar.span, message).help(format!("the lints are {}", names().join(", ")))
        }
        None => {
            let names = names();
            let near = problems.did_you_mean(scalar.text, names.iter().map(String::as_str));
            let hint = near.is_empty().then(|| format!("the lints are {}", names.join(", ")));
            Problem::error(Code::UnknownLint, scalar.span, format!("`allow` of {of} has {found}, which is no lint{near}")).maybe_help(hint)
        }
    };
    problems.push(problem);
    None
}

fn names() -> Vec<String> {
    Code::LINTS.iter().map(Code::to_string).collect()
}
