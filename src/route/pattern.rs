//! Texts with wildcards.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// A text, or one with wildcards, for the whole value: `*` any text, `?` any one character, `\*` and `\?` themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Exact(Box<str>),
    Wild(Box<[Part]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    AnyChar,
    AnyText,
}

impl Pattern {
    /// As the rules file writes it. Any text is a pattern.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            parts.push(match char {
                '\\' => Part::Char(chars.next_if(|next| matches!(next, '*' | '?')).unwrap_or('\\')),
                '*' => Part::AnyText,
                '?' => Part::AnyChar,
                other => Part::Char(other),
            });
        }
        let exact = parts.iter().map(|part| match part {
            Part::Char(char) => Some(*char),
            Part::AnyChar | Part::AnyText => None,
        });
        match exact.collect::<Option<String>>() {
            Some(exact) => Self(Form::Exact(exact.into())),
            None => Self(Form::Wild(parts.into())),
        }
    }

    /// The one text that it matches; `None` where it has wildcards.
    pub fn exact(&self) -> Option<&str> {
        match &self.0 {
            Form::Exact(text) => Some(text),
            Form::Wild(_) => None,
        }
    }

    /// Whether the whole value matches.
    pub fn matches(&self, value: &str) -> bool {
        match &self.0 {
            Form::Exact(text) => **text == *value,
            Form::Wild(parts) => is_match(parts, value.chars().map(Part::Char)),
        }
    }

    /// Whether it surely matches whatever the other one does. Where that is seen only by trying, it says no.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (_, Form::Exact(text)) => self.matches(text),
            (Form::Exact(_), Form::Wild(_)) => false,
            (Form::Wild(parts), Form::Wild(others)) => is_match(parts, others.iter().copied()),
        }
    }

    /// A text that it matches: the shortest one.
    pub fn example(&self) -> Cow<'_, str> {
        let char = |part: &Part| match part {
            Part::Char(char) => Some(*char),
            Part::AnyChar => Some('x'),
            Part::AnyText => None,
        };
        match &self.0 {
            Form::Exact(text) => Cow::Borrowed(text),
            Form::Wild(parts) => parts.iter().filter_map(char).collect::<String>().into(),
        }
    }
}

/// As the rules file writes it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |f: &mut fmt::Formatter<'_>, char: char| {
            if matches!(char, '*' | '?') {
                f.write_char('\\')?;
            }
            f.write_char(char)
        };
        match &self.0 {
            Form::Exact(text) => text.chars().try_for_each(|char| plain(f, char)),
            Form::Wild(parts) => parts.iter().try_for_each(|part| match part {
                Part::Char(char) => plain(f, *char),
                Part::AnyChar => f.write_char('?'),
                Part::AnyText => f.write_char('*'),
            }),
        }
    }
}

/// Takes the shortest text for each `*` and goes back to the last one only: the time is at most the product of both lengths.
/// The value is of characters; where it is another pattern, its wildcards are matched by wider ones alone.
fn is_match(parts: &[Part], value: impl Iterator<Item = Part> + Clone) -> bool {
    let (mut at, mut rest) = (0, value);
    let mut last_star = None;
    loop {
        let before = rest.clone();
        let fits = match (parts.get(at), rest.next()) {
            (Some(Part::AnyText), _) => {
                last_star = Some((at + 1, before.clone()));
                rest = before;
                true
            }
            (Some(Part::AnyChar), Some(found)) => found != Part::AnyText,
            (Some(Part::Char(wanted)), Some(found)) => Part::Char(*wanted) == found,
            (None, None) => return true,
            (Some(Part::AnyChar | Part::Char(_)), None) | (None, Some(_)) => false,
        };
        if fits {
            at += 1;
            continue;
        }
        let Some((after_star, tried)) = &mut last_star else {
            return false;
        };
        if tried.next().is_none() {
            return false;
        }
        (at, rest) = (*after_star, tried.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_stand_for_the_whole_value() {
        for (pattern, value, holds) in [
            ("paid", "paid", true),
            ("paid", "Paid", false),
            ("paid", "unpaid", false),
            ("refund*", "refund", true),
            ("refund*", "refund_queued", true),
            ("refund*", "a refund", false),
            ("*paid", "unpaid", true),
            ("?aid", "paid", true),
            ("?aid", "aid", false),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("", "x", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "é", true),
            ("m?hamed*", "محمد", false),
            ("م?مد", "محمد", true),
            (r"2\*3", "2*3", true),
            (r"2\*3", "2x3", false),
            (r"what\?", "what?", true),
            (r"a\b", r"a\b", true),
            (r"a\", r"a\", true),
            (r"\\*", r"\*", true),
            ("*\n*", "line\nbreak", true),
        ] {
            assert_eq!(Pattern::parse(pattern).matches(value), holds, "{pattern} {value}");
        }
        assert_eq!(Pattern::parse(r"2\*3").exact(), Some("2*3"));
        assert_eq!(Pattern::parse("2*3").exact(), None);
    }

    #[test]
    fn a_pattern_covers_another_that_is_narrower() {
        for (wide, narrow, covers) in [
            ("refund*", "refund_*", true),
            ("refund*", "refund", true),
            ("refund_*", "refund*", false),
            ("*", "?", true),
            ("?*", "*", false),
            ("?*", "?", true),
            ("a?c", "abc", true),
            ("a?c", "a*c", false),
            ("*b*", "a*b?c", true),
            ("paid", "p*", false),
            ("paid", "paid", true),
        ] {
            assert_eq!(Pattern::parse(wide).covers(&Pattern::parse(narrow)), covers, "{wide} {narrow}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::parse(&"*a".repeat(50));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(20_000))));
    }

    /// The definition, written down; exponential.
    fn reference(pattern: &[char], value: &[char]) -> bool {
        match (pattern, value) {
            ([], _) => value.is_empty(),
            (['\\', wanted @ ('*' | '?'), pattern @ ..], _) => value.first() == Some(wanted) && reference(pattern, &value[1..]),
            (['*', pattern @ ..], _) => (0..=value.len()).any(|taken| reference(pattern, &value[taken..])),
            (['?', pattern @ ..], _) => !value.is_empty() && reference(pattern, &value[1..]),
            ([wanted, pattern @ ..], _) => value.first() == Some(wanted) && reference(pattern, &value[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in r"[ab*?\\é]{0,8}", value in r"[ab*?\\é]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::parse(&pattern).matches(&value), reference(&chars(&pattern), &chars(&value)));
            prop_assert_eq!(Pattern::parse(&Pattern::parse(&pattern).to_string()), Pattern::parse(&pattern));
        }

        #[test]
        fn a_pattern_matches_its_example_and_all_that_a_pattern_matches_which_it_covers(
            wide in "[ab*?]{0,5}", narrow in "[ab*?]{0,6}", values in proptest::collection::vec("[ab]{0,8}", 0..20),
        ) {
            let (wide, narrow) = (Pattern::parse(&wide), Pattern::parse(&narrow));
            prop_assert!(narrow.matches(&narrow.example()));
            prop_assert!(narrow.covers(&narrow) && Pattern::parse("*").covers(&narrow));
            if wide.covers(&narrow) {
                for value in values.iter().map(String::as_str).chain([&*narrow.example()]).filter(|value| narrow.matches(value)) {
                    prop_assert!(wide.matches(value), "{value}");
                }
            }
        }

        #[test]
        fn a_text_whose_wildcards_are_escaped_matches_itself_only(text in r"[a-c*? ]{0,10}", other in r"[a-c*? ]{0,10}") {
            let pattern = Pattern::parse(&text.replace('*', r"\*").replace('?', r"\?"));
            prop_assert!(pattern.matches(&text));
            prop_assert_eq!(pattern.matches(&other), text == other);
        }
    }
}
