//! A JSON text as a flat list of its values, each a range of the bytes: read once, nothing copied.
//! Reads what is not strict JSON too, as far as its top level can be read, and says what is wrong with it.

use bytes::Bytes;
use std::{borrow::Cow, fmt};

mod flaw;
mod node;
mod read;
mod text;
mod without;

#[cfg(test)]
mod tests;

use node::{Node, Tag};

pub use flaw::{Fault, Flaw};

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 128;

/// A payload, read.
#[derive(Clone)]
pub struct Document {
    text: Bytes,
    nodes: Vec<Node>,
    flaw: Option<Flaw>,
}

/// A value of a document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    document: &'a Document,
    at: usize,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words of RFC 8259")]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
    /// What stands in the place of a value and is none: `NaN`, `Infinity`, `01`, or nothing at all.
    Word,
}

impl Document {
    /// Reads the bytes; never fails, see [`Document::flaw`].
    /// Memory is at most eight bytes per byte of the text, however it is nested.
    pub fn read(text: Bytes) -> Self {
        let (nodes, flaw) = read::read(&text);
        Self { text, nodes, flaw }
    }

    /// The bytes received.
    pub fn bytes(&self) -> &Bytes {
        &self.text
    }

    /// The first thing that makes the text no strict JSON; `None` where it is.
    pub fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, at: 0 }
    }
}

/// Never the payload itself, which is nobody's business in a log.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("bytes", &self.text.len()).field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

impl<'a> Value<'a> {
    /// What it is.
    pub fn kind(self) -> Kind {
        match self.node().tag() {
            Tag::Null => Kind::Null,
            Tag::False | Tag::True => Kind::Bool,
            Tag::Number => Kind::Number,
            Tag::Plain | Tag::Escaped => Kind::String,
            Tag::Array => Kind::Array,
            Tag::Object => Kind::Object,
            Tag::Word | Tag::Close => Kind::Word,
        }
    }

    /// The members of an object in the order of the text, duplicates included; none for anything else.
    pub fn entries(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        self.members().map(|(key, value)| (key.string(), value))
    }

    /// The member of that name; of several the last, as most parsers take it.
    pub fn get(self, key: &str) -> Option<Self> {
        self.members().filter(|(name, _)| name.is_string(key)).map(|(_, value)| value).last()
    }

    /// The elements of an array in their order; none for anything else.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        let is_array = self.node().tag() == Tag::Array;
        self.children().filter(move |_| is_array)
    }

    /// The element of an array, counted from 0.
    pub fn index(self, place: usize) -> Option<Self> {
        self.elements().nth(place)
    }

    /// The text of a string; what is no Unicode in it is replaced by U+FFFD.
    pub fn text(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| self.string())
    }

    /// A string's text, a number as it is written, `true` or `false`; `None` for anything else.
    pub fn scalar_text(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::String => Some(self.string()),
            Kind::Number | Kind::Bool => Some(text::lossy(self.raw())),
            Kind::Null | Kind::Array | Kind::Object | Kind::Word => None,
        }
    }

    /// The bytes it is written in, quotes and brackets included.
    pub fn raw(self) -> &'a [u8] {
        let range = self.range();
        &self.document.text[range]
    }

    /// Where in the document it is written.
    pub fn range(self) -> std::ops::Range<usize> {
        let node = self.node();
        let end = match node.tag() {
            Tag::Array | Tag::Object => self.document.nodes[node.end()].start(),
            Tag::Null | Tag::False | Tag::True | Tag::Number | Tag::Plain | Tag::Escaped | Tag::Word | Tag::Close => node.end(),
        };
        node.start()..end
    }

    fn node(self) -> Node {
        self.document.nodes[self.at]
    }

    /// A string's text, be it a key or a value.
    fn string(self) -> Cow<'a, str> {
        text::decode(self.inner(), self.node().tag() == Tag::Escaped)
    }

    fn is_string(self, wanted: &str) -> bool {
        if self.node().tag() == Tag::Escaped { self.string() == wanted } else { self.inner() == wanted.as_bytes() }
    }

    /// What stands between the quotes.
    fn inner(self) -> &'a [u8] {
        let node = self.node();
        &self.document.text[node.start() + 1..node.end() - 1]
    }

    fn members(self) -> impl Iterator<Item = (Self, Self)> {
        let is_object = self.node().tag() == Tag::Object;
        let mut children = self.children();
        std::iter::from_fn(move || if is_object { Some((children.next()?, children.next()?)) } else { None })
    }

    /// What is in a container: elements, or keys and values in turn.
    fn children(self) -> impl Iterator<Item = Self> {
        let node = self.node();
        let end = if node.tag().is_container() { node.end() } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let child = (at < end).then_some(Self { document: self.document, at })?;
            let node = child.node();
            at = if node.tag().is_container() { node.end() + 1 } else { at + 1 };
            Some(child)
        })
    }
}

/// Only where it is and what it is.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.kind(), self.range())
    }
}
