//! What makes a text no strict JSON.

use std::fmt;

/// The first fault of a text, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub fault: Fault,
    /// The byte at which it was noticed.
    pub at: usize,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Longer than can be read.
    TooLong,
    /// The bytes are no UTF-8.
    Utf8,
    /// A byte order mark before the text.
    ByteOrderMark,
    /// The text ends before its outermost value does.
    Unfinished,
    /// Something follows the outermost value.
    Trailing,
    /// Arrays and objects are nested too deep.
    TooDeep,
    /// A word that is no JSON value, such as `NaN`.
    Word,
    /// A number that no 64-bit float can hold.
    HugeNumber,
    /// A control character in a string that is not escaped.
    Control,
    /// A backslash followed by what is no escape.
    Escape,
    /// One half of a surrogate pair without the other.
    Surrogate,
    /// Anything else that is not where it belongs: a comma, a colon, a bracket, a key without quotes.
    Syntax,
}

impl Fault {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "a text that is too long",
            Self::Utf8 => "bytes that are not UTF-8",
            Self::ByteOrderMark => "a byte order mark",
            Self::Unfinished => "the end of the text in the middle of a value",
            Self::Trailing => "text after the value",
            Self::TooDeep => "more than 128 levels of brackets",
            Self::Word => "a word that is no JSON value",
            Self::HugeNumber => "a number out of range",
            Self::Control => "a control character in a string",
            Self::Escape => "a backslash that begins no escape",
            Self::Surrogate => "half a surrogate pair",
            Self::Syntax => "something out of place",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.fault.as_str(), self.at)
    }
}
