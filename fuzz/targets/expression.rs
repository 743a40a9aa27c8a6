//! Regular expressions of a small part of the language, matched by their definition: the set of places where a match can end.

use std::collections::BTreeSet;

/// An expression.
#[derive(Debug)]
pub enum Expression {
    /// This character.
    Char(char),
    /// Any but a line break.
    Any,
    /// One after the other.
    Sequence(Vec<Expression>),
    /// One of these.
    Choice(Vec<Expression>),
    /// So many times at least, and at most once where that is said.
    Repeat { inner: Box<Expression>, least: usize, once: bool },
}

/// Reads what is in the small part: characters, `.`, groups, `|`, `*`, `+`, `?`.
pub fn read(text: &str) -> Option<Expression> {
    let letters: Vec<char> = text.chars().take(65).collect();
    let mut at = 0;
    let choice = if letters.len() <= 64 { choice(&letters, &mut at)? } else { return None };
    (at == letters.len()).then_some(choice)
}

fn choice(text: &[char], at: &mut usize) -> Option<Expression> {
    let mut choices = vec![sequence(text, at)?];
    while text.get(*at) == Some(&'|') {
        *at += 1;
        choices.push(sequence(text, at)?);
    }
    Some(Expression::Choice(choices))
}

fn sequence(text: &[char], at: &mut usize) -> Option<Expression> {
    let mut parts = Vec::new();
    while let Some(letter) = text.get(*at) {
        let part = match letter {
            '|' | ')' => break,
            '(' => {
                *at += 1;
                let inner = choice(text, at)?;
                if text.get(*at) != Some(&')') {
                    return None;
                }
                inner
            }
            '.' => Expression::Any,
            '*' | '+' | '?' | '\\' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            letter => Expression::Char(*letter),
        };
        *at += 1;
        let repeat = match text.get(*at) {
            Some('*') => Some((0, false)),
            Some('+') => Some((1, false)),
            Some('?') => Some((0, true)),
            _ => None,
        };
        parts.push(match repeat {
            Some((least, once)) => {
                *at += 1;
                Expression::Repeat { inner: Box::new(part), least, once }
            }
            None => part,
        });
    }
    Some(Expression::Sequence(parts))
}

impl Expression {
    /// Whether it matches the whole text.
    pub fn is_whole(&self, text: &[char]) -> bool {
        self.ends(text, &BTreeSet::from([0])).contains(&text.len())
    }

    /// Where a match can end that begins at one of these places.
    fn ends(&self, text: &[char], begins: &BTreeSet<usize>) -> BTreeSet<usize> {
        let one = |fits: &dyn Fn(char) -> bool| {
            begins.iter().filter(|place| text.get(**place).is_some_and(|letter| fits(*letter))).map(|place| place + 1).collect()
        };
        match self {
            Self::Char(wanted) => one(&|letter| letter == *wanted),
            Self::Any => one(&|letter| letter != '\n'),
            Self::Sequence(parts) => parts.iter().fold(begins.clone(), |begins, part| part.ends(text, &begins)),
            Self::Choice(choices) => choices.iter().flat_map(|choice| choice.ends(text, begins)).collect(),
            Self::Repeat { inner, least, once } => {
                let first = inner.ends(text, begins);
                let mut all = if *least == 0 { begins | &first } else { first.clone() };
                let mut last = first;
                while !once && !last.is_empty() {
                    let next: BTreeSet<_> = inner.ends(text, &last).difference(&all).copied().collect();
                    all.extend(&next);
                    last = next;
                }
                all
            }
        }
    }
}
