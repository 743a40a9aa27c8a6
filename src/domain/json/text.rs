//! The inside of strings and numbers: where they end, whether they are strict, what they say.

use super::flaw::{Fault, Flaw};
use std::borrow::Cow;

/// A string as the reader finds it.
pub(super) struct Scanned {
    /// The byte after the closing quote; `None` where there is none.
    pub end: Option<usize>,
    /// Whether it has a backslash.
    pub escaped: bool,
    /// What is wrong in it.
    pub flaw: Option<Flaw>,
}

/// Scans a string from the byte after its opening quote.
pub(super) fn scan(text: &[u8], mut at: usize) -> Scanned {
    let mut scanned = Scanned { end: None, escaped: false, flaw: None };
    loop {
        at = special(text, at);
        let fault = match text.get(at) {
            Some(b'"') => {
                scanned.end = Some(at + 1);
                return scanned;
            }
            Some(b'\\') => {
                scanned.escaped = true;
                let (escape, length) = escape(&text[at..]);
                let begun = at;
                at += length;
                match escape {
                    Escape::Char(_) => continue,
                    Escape::Lone => Flaw { fault: Fault::Surrogate, at: begun },
                    Escape::None => Flaw { fault: Fault::Escape, at: begun },
                }
            }
            Some(_control) => {
                at += 1;
                Flaw { fault: Fault::Control, at: at - 1 }
            }
            None => return scanned,
        };
        scanned.flaw = scanned.flaw.or(Some(fault));
    }
}

/// The place of the next quote, backslash or control character, eight bytes at a time.
fn special(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, slash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash | control) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

enum Escape {
    Char(char),
    /// Half a surrogate pair.
    Lone,
    /// No escape: the backslash stands for itself.
    None,
}

/// The escape at the start of the text, and how many bytes it has.
fn escape(text: &[u8]) -> (Escape, usize) {
    let plain = match text.get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(text),
        Some(_) | None => return (Escape::None, 1),
    };
    (Escape::Char(plain), 2)
}

fn unicode(text: &[u8]) -> (Escape, usize) {
    let Some(high) = four_digits(text) else {
        return (Escape::None, 1);
    };
    if let Some(single) = char::from_u32(high) {
        return (Escape::Char(single), 6);
    }
    let low = four_digits(&text[6..]).filter(|low| high < 0xdc00 && (0xdc00..0xe000).contains(low));
    match low.and_then(|low| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))) {
        Some(pair) => (Escape::Char(pair), 12),
        None => (Escape::Lone, 6),
    }
}

/// The number of `\uXXXX`.
fn four_digits(text: &[u8]) -> Option<u32> {
    let digits = text.get(2..6).filter(|_| text.starts_with(b"\\u"))?;
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

/// The text; copied only where it is no UTF-8. (Looking for that first is faster than the standard's lossy form alone.)
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// What a string says, from what stands between its quotes.
pub(super) fn decode(inner: &[u8], escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return lossy(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(slash) = rest.iter().position(|byte| *byte == b'\\') {
        text.push_str(&lossy(&rest[..slash]));
        let (escape, length) = escape(&rest[slash..]);
        text.push(match escape {
            Escape::Char(char) => char,
            Escape::Lone => char::REPLACEMENT_CHARACTER,
            Escape::None => '\\',
        });
        rest = &rest[slash + length..];
    }
    text.push_str(&lossy(rest));
    Cow::Owned(text)
}

/// Whether the word is a number by the grammar of RFC 8259.
pub(super) fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        if length == 0 {
            return false;
        }
        rest = &exponent[length..];
    }
    rest.is_empty()
}

/// Whether a number is beyond what a 64-bit float holds. Only long ones and those with an exponent can be.
pub(super) fn is_huge(number: &[u8]) -> bool {
    let suspect = number.len() > 300 || number.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let value = || std::str::from_utf8(number).ok()?.parse::<f64>().ok();
    suspect && value().is_none_or(f64::is_infinite)
}
