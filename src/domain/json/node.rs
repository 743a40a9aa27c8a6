//! One value of a document in eight bytes.

/// What a node stands for, in four bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    False,
    True,
    Number,
    /// A string without escapes.
    Plain,
    /// A string with escapes.
    Escaped,
    Word,
    Array,
    Object,
    /// The end of an array or object.
    Close,
}

impl Tag {
    const ALL: [Self; 10] =
        [Self::Null, Self::False, Self::True, Self::Number, Self::Plain, Self::Escaped, Self::Word, Self::Array, Self::Object, Self::Close];

    pub(super) fn is_container(self) -> bool {
        matches!(self, Self::Array | Self::Object)
    }
}

/// The tag and the first byte in one word; in the other the byte after the last,
/// or, for an array or object, the index of its closing node, whose start is the byte after the last.
#[derive(Clone, Copy)]
pub(super) struct Node {
    head: u32,
    end: u32,
}

impl Node {
    /// The longest text whose places fit.
    pub(super) const MAX_TEXT: usize = (1 << 28) - 1;

    pub(super) fn new(tag: Tag, start: usize, end: usize) -> Self {
        debug_assert!(start <= Self::MAX_TEXT && end <= Self::MAX_TEXT + 1, "longer texts are not read");
        Self { head: (tag as u32) << 28 | start as u32, end: end as u32 }
    }

    pub(super) fn tag(self) -> Tag {
        Tag::ALL[(self.head >> 28) as usize]
    }

    pub(super) fn start(self) -> usize {
        (self.head & Self::MAX_TEXT as u32) as usize
    }

    pub(super) fn end(self) -> usize {
        self.end as usize
    }

    pub(super) fn set_end(&mut self, end: usize) {
        self.end = end as u32;
    }
}
