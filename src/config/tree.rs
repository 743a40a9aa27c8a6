//! A rules file as a tree: every value with its place and as it was written. What it means is `raw.rs`'s matter.

use std::rc::Rc;

/// Which of the files that were read: the rules file itself first, then what it includes, in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u16);

impl FileId {
    /// The rules file itself.
    pub const MAIN: Self = Self(0);
}

/// A place in a file. Places are in the order of the files, and within each in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file.
    pub file: FileId,
    /// In bytes from the start of the file.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Position {
    /// The start of the rules file itself.
    pub const START: Self = Self::start_of(FileId::MAIN);

    /// The start of a file.
    pub const fn start_of(file: FileId) -> Self {
        Self { file, offset: 0, line: 1, column: 1 }
    }

    /// Of what is about a file as a whole.
    const fn nowhere_in(file: FileId) -> Self {
        Self { line: 0, column: 0, ..Self::start_of(file) }
    }
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// The byte after its last.
    pub end: usize,
}

impl Span {
    /// A file as a whole, without a line of it.
    pub const fn whole(file: FileId) -> Self {
        Self { start: Position::nowhere_in(file), end: 0 }
    }

    /// Whether it is a file as a whole.
    pub const fn is_whole(self) -> bool {
        self.start.line == 0
    }
}

/// A value.
#[derive(Debug)]
pub struct Node {
    /// Where it is.
    pub span: Span,
    /// Its tag, where it has one (`!paid`).
    pub tag: Option<Box<str>>,
    /// What it is.
    pub kind: Kind,
    /// How many values it is, aliases written out, itself included.
    pub weight: usize,
    /// How many levels are below it.
    pub height: usize,
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// A text, a number, `true`, nothing, …
    Scalar(Box<str>, Style),
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// A mapping in the order of the file, with what is there twice.
    Mapping(Vec<Entry>),
}

/// Whether null, booleans and numbers may be read from a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In quotes, or a block of text.
    Quoted,
}

/// One line of a mapping.
#[derive(Debug)]
pub struct Entry {
    /// Its key.
    pub key: Rc<Node>,
    /// Its value.
    pub value: Rc<Node>,
}

impl Node {
    /// The scalar, where it is one that is not null.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => None,
            Kind::Scalar(text, style) => Some(Scalar { span: self.span, text, style: *style }),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The value of a key, where this is a mapping that has it.
    pub fn value(&self, key: &str) -> Option<&Self> {
        let Kind::Mapping(entries) = &self.kind else { return None };
        let of_key = |entry: &&Entry| entry.key.scalar().is_some_and(|scalar| scalar.text == key);
        entries.iter().find(of_key).map(|entry| &*entry.value)
    }

    /// Whether it is nothing, `~` or `null`.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(text, Style::Plain) => matches!(&**text, "" | "~" | "null" | "Null" | "NULL"),
            Kind::Scalar(_, Style::Quoted) | Kind::Sequence(_) | Kind::Mapping(_) => false,
        }
    }

    /// Whether something was said of it that makes what else could be said of it noise: a tag, or `{{ x }}` without quotes.
    pub fn was_refused(&self) -> bool {
        self.tag.is_some() || self.looks_like_template()
    }

    /// Whether it is what YAML makes of `{{ x }}`.
    pub fn looks_like_template(&self) -> bool {
        matches!(&self.kind, Kind::Mapping(entries) if entries.len() == 1 && matches!(entries[0].key.kind, Kind::Mapping(_)))
    }

    /// For messages.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => "nothing",
            Kind::Scalar(..) => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }
}

/// A scalar as written.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<'t> {
    /// Where it is.
    pub span: Span,
    /// `007`, `1.10`, `true`.
    pub text: &'t str,
    /// How it was written.
    pub style: Style,
}
