//! `${VAR}`, `${VAR:-default}` and `${file:PATH}` in values that were already read from YAML; `$${` is a plain `${`.

use super::{
    Unset,
    diagnostics::Code,
    files::Files,
    problem::{Problem, Problems},
    text::quote,
    tree::{Scalar, Span, Style},
};
use crate::domain::template::Part;
use std::{borrow::Cow, ops::Range, path::Path};

const MAX_FILE_BYTES: u64 = 64 << 10;
const DEV_SECRET: &str = "test-hmac-key";
const PLACEHOLDER: &str = "unset";

/// Where values come from.
pub struct Interpolator<'e> {
    /// The environment.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// What an unset variable comes to.
    pub unset: Unset,
    /// What a relative `${file:…}` starts from.
    pub folder: &'e Path,
    /// What was read.
    pub files: &'e mut Files,
}

/// A scalar with its variables put in. Only `written` may be shown.
#[derive(Debug, Clone)]
pub struct Value<'t> {
    /// Where it is.
    pub span: Span,
    /// As it is in the file.
    pub written: &'t str,
    /// With its variables.
    pub text: Cow<'t, str>,
    /// Where the text comes from.
    pub origin: Origin,
    /// The parts of the text that were put in, in their order.
    put: Vec<Range<usize>>,
}

impl<'t> Value<'t> {
    /// The variable or file that all of it comes from, as the file writes it: it may be shown where the text may not.
    /// `None` where some of the text stands in the file.
    pub fn reference(&self) -> Option<&'t str> {
        let inner = self.written.strip_prefix("${")?.strip_suffix('}')?;
        (!inner.contains([':', '$', '{', '}']) || inner.starts_with("file:") && !inner.contains(['$', '{', '}'])).then_some(self.written)
    }

    /// At the same place with another text.
    pub fn with_text(&self, text: String) -> Self {
        Self { text: Cow::Owned(text), put: Vec::new(), ..*self }
    }

    /// The text in parts: what the file itself says, and what was put in.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::with_capacity(2 * self.put.len() + 1);
        let mut end = 0;
        for put in &self.put {
            parts.extend([Part::Written(&self.text[end..put.start]), Part::Put(&self.text[put.clone()])]);
            end = put.end;
        }
        parts.push(Part::Written(&self.text[end..]));
        parts
    }
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the file, in that style.
    Written(Style),
    /// Partly from variables or files.
    Interpolated,
    /// Something in it is not set, and that is no error: no further error is made of what it is.
    Unset,
}

/// What a value is for, which decides what stands in for it when it is unset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A source's key.
    Key,
    /// Anything else.
    Setting,
}

impl<'t> Value<'t> {
    /// Of a section where no variables are put in.
    pub fn literal(scalar: Scalar<'t>) -> Self {
        let (text, origin) = (Cow::Borrowed(scalar.text), Origin::Written(scalar.style));
        Self { span: scalar.span, written: scalar.text, text, origin, put: Vec::new() }
    }
}

impl Interpolator<'_> {
    /// Puts the variables in. `None`: something is wrong with it, and was said.
    pub fn value<'t>(&mut self, scalar: Scalar<'t>, purpose: Purpose, problems: &mut Problems) -> Option<Value<'t>> {
        if !scalar.text.contains("${") {
            return Some(Value::literal(scalar));
        }
        let mut origin = Origin::Interpolated;
        let mut is_whole = true;
        let mut text = String::with_capacity(scalar.text.len());
        let mut put = Vec::new();
        let mut rest = scalar.text;
        while let Some(start) = rest.find("${") {
            if let Some(before) = rest[..start].strip_suffix('$') {
                text += before;
                text += "${";
                rest = &rest[start + 2..];
                continue;
            }
            text += &rest[..start];
            let Some(end) = rest[start..].find('}').map(|end| start + end) else {
                let hint = "write `${NAME}`, `${NAME:-default}` or `${file:PATH}`; `$${` stands for `${` itself";
                problems.push(Problem::error(Code::Interpolation, scalar.span, "a `${` without its `}`").help(hint));
                return None;
            };
            let from = text.len();
            match self.part(&rest[start + 2..end]) {
                Ok(part) => text += &part,
                Err(Failure::Wrong(message, hint)) => {
                    problems.push(Problem::error(Code::Interpolation, scalar.span, message).help(hint));
                    is_whole = false;
                }
                Err(Failure::Missing(code, message)) => match self.unset {
                    Unset::Error => {
                        let hint = (code == Code::UnsetVariable).then(|| "set it, or give a default: `${NAME:-default}`".to_owned());
                        problems.push(Problem::error(code, scalar.span, message).maybe_help(hint));
                        is_whole = false;
                    }
                    Unset::Placeholder | Unset::Dev => {
                        problems.push(Problem::warning(Code::UnsetVariable, scalar.span, message));
                        text += self.stand_in(purpose);
                        origin = Origin::Unset;
                    }
                },
            }
            put.push(from..text.len());
            rest = &rest[end + 1..];
        }
        text += rest;
        is_whole.then_some(Value { span: scalar.span, written: scalar.text, text: Cow::Owned(text), origin, put })
    }

    fn stand_in(&self, purpose: Purpose) -> &'static str {
        match (self.unset, purpose) {
            (Unset::Dev, Purpose::Key) => DEV_SECRET,
            (Unset::Dev, Purpose::Setting) => "",
            (Unset::Placeholder | Unset::Error, Purpose::Key | Purpose::Setting) => PLACEHOLDER,
        }
    }

    /// What stands between the braces.
    fn part(&mut self, expression: &str) -> Result<String, Failure> {
        if let Some(path) = expression.strip_prefix("file:") {
            return self.file(path);
        }
        let (name, default) = expression.split_once(":-").map_or((expression, None), |(name, default)| (name, Some(default)));
        if default.is_some_and(|default| default.contains("${")) {
            let hint = "name one variable, and write its default as it is".to_owned();
            return Err(Failure::Wrong("a `${` inside of another".to_owned(), hint));
        }
        let is_name = |name: &str| {
            let mut letters = name.bytes();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
        };
        if !is_name(name) {
            let hint = "a variable's name has letters, digits and `_`, and starts with no digit; `$${` stands for `${` itself";
            return Err(Failure::Wrong("what stands between `${` and `}` is no variable".to_owned(), hint.to_owned()));
        }
        match ((self.variable)(name), default) {
            (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
            (Some(value), _) => Ok(value),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(Failure::Missing(Code::UnsetVariable, format!("the variable {} is not set", quote(name)))),
        }
    }

    fn file(&mut self, path: &str) -> Result<String, Failure> {
        if path.is_empty() {
            return Err(Failure::Wrong("`${file:}` names no file".to_owned(), "write `${file:/run/secrets/name}`".to_owned()));
        }
        let missing = |cause: &str| Failure::Missing(Code::UnreadableValue, format!("the file {} cannot be read: {cause}", quote(path)));
        let bytes = self.files.read(&self.folder.join(path), MAX_FILE_BYTES).map_err(|cause| missing(&cause.to_string()))?;
        let mut text = String::from_utf8(bytes).map_err(|_| missing("it is not UTF-8"))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }
}

enum Failure {
    /// The expression is none: the message, and what to do.
    Wrong(String, String),
    /// What it names is not there.
    Missing(Code, String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        text::{Text, Texts},
        tree::Position,
    };

    fn value(text: &str, unset: Unset, purpose: Purpose) -> (Option<String>, usize) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("key"), "from file\r\n").expect("a file");
        let variable = |name: &str| match name {
            "A" => Some("${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let mut files = Files::default();
        let mut interpolator = Interpolator { variable: &variable, unset, folder: folder.path(), files: &mut files };
        let span = Span { start: Position::START, end: text.len() };
        let mut problems = Problems::default();
        let value = interpolator.value(Scalar { span, text, style: Style::Quoted }, purpose, &mut problems);
        let found = problems.diagnose(&Texts::new(Text::new(String::new(), text.to_owned()))).len();
        (value.map(|value| value.text.into_owned()), found)
    }

    #[test]
    fn variables_are_put_in_once() {
        for (text, expected) in [
            ("plain $A $$ $", "plain $A $$ $"),
            ("<${A}>", "<${B}>"),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}${C:-y}${C:-}", "xy"),
            ("${file:key}", "from file"),
            ("$${A} $$${A}", "${A} $${A}"),
        ] {
            assert_eq!(value(text, Unset::Error, Purpose::Setting), (Some(expected.to_owned()), 0), "{text}");
        }
    }

    #[test]
    fn what_is_not_set_or_no_name_is_said() {
        for (text, problems) in
            [("${C}${D}", 2), ("${file:none}", 1), ("${}", 1), ("${1}", 1), ("${A", 1), ("${A:-${B}}", 1), ("${file:}", 1), ("${a b}", 1)]
        {
            assert_eq!(value(text, Unset::Error, Purpose::Setting), (None, problems), "{text}");
        }
    }

    #[test]
    fn lenient_modes_put_something_in() {
        for (unset, purpose, text) in [
            (Unset::Dev, Purpose::Key, "test-hmac-key"),
            (Unset::Dev, Purpose::Setting, ""),
            (Unset::Placeholder, Purpose::Key, "unset"),
            (Unset::Placeholder, Purpose::Setting, "unset"),
        ] {
            assert_eq!(value("${C}", unset, purpose), (Some(text.to_owned()), 1));
            assert_eq!(value("${file:none}", unset, purpose), (Some(text.to_owned()), 1));
        }
    }
}
