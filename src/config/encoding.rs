//! From a file's bytes to text: UTF-8 without control characters, as YAML wants it. For all else, what it looks like.

use super::{diagnostics::Code, problem::Problem, tree::Span};

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Why bytes are no text of a rules file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Two bytes for each letter.
    Utf16,
    /// No UTF-8 from that byte on.
    NotUtf8(usize),
    /// A character at that byte that YAML does not allow.
    Control(usize, char),
}

/// The text, and what is wrong with it: then it is there only to be shown. The byte order mark is not part of it.
pub fn decode(mut bytes: Vec<u8>) -> (String, Option<Flaw>) {
    // What is secret in it could not be masked, since its words are none here: so nothing of it is shown.
    if is_utf_16(&bytes) {
        return (String::new(), Some(Flaw::Utf16));
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let flaw = text.char_indices().find(|(_, letter)| is_forbidden(*letter)).map(|(at, letter)| Flaw::Control(at, letter));
            (text, flaw)
        }
        Err(error) => {
            let flaw = Flaw::NotUtf8(error.utf8_error().valid_up_to());
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(flaw))
        }
    }
}

impl Flaw {
    /// Where it is; `None`: all over.
    pub fn at(self) -> Option<usize> {
        match self {
            Self::Utf16 => None,
            Self::NotUtf8(at) | Self::Control(at, _) => Some(at),
        }
    }

    /// As it is said.
    pub fn problem(self, span: Span) -> Problem {
        let (code, message, hint) = match self {
            Self::Utf16 => (Code::NotUtf8, "the rules file is not UTF-8; it looks like UTF-16".to_owned(), "save it as UTF-8"),
            Self::NotUtf8(_) => (
                Code::NotUtf8,
                "the rules file is not UTF-8; the first wrong byte is here".to_owned(),
                "save it as UTF-8; where a letter such as é is one byte, the file is likely in Latin-1 or Windows-1252",
            ),
            Self::Control(_, letter) => (
                Code::ControlCharacter,
                format!("a control character (U+{:04X}) stands here, which YAML does not allow", u32::from(letter)),
                "take it out; between double quotes it can be written as `\\xNN`",
            ),
        };
        Problem::error(code, span, message).help(hint)
    }
}

/// Of a text in UTF-16 about every second byte is zero, where most of its letters are ASCII.
fn is_utf_16(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(512)];
    let zeros = start.iter().filter(|byte| **byte == 0).count();
    start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || start.len() > 3 && zeros * 3 > start.len()
}

fn is_forbidden(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_by_what_they_look_like() {
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for (bytes, flaw) in [
            (b"version: 1\n".to_vec(), None),
            ("é: \t\r\n".into(), None),
            (b"caf\xe9: 1".to_vec(), Some(Flaw::NotUtf8(3))),
            (b"\xef\xbb\xbfa\xff".to_vec(), Some(Flaw::NotUtf8(1))),
            (b"a: \x00".to_vec(), Some(Flaw::Control(3, '\0'))),
            (b"a: \x1b[31m".to_vec(), Some(Flaw::Control(3, '\u{1b}'))),
            (utf_16("version: 1\n"), Some(Flaw::Utf16)),
            ([&[0xff, 0xfe][..], &utf_16("é")].concat(), Some(Flaw::Utf16)),
        ] {
            assert_eq!(decode(bytes.clone()).1, flaw, "{:?}", &bytes[..bytes.len().min(20)]);
        }
        assert_eq!(decode("\u{feff}a".into()).0, "a");
    }
}
