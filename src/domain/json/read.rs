//! The reader: one pass, no recursion. Faults that leave the structure whole are noted and passed over; after others
//! the rest of the nested value is skipped by counting brackets, and reading goes on with the next member of the top level.

use super::{
    MAX_DEPTH,
    flaw::{Fault, Flaw},
    node::{Node, Tag},
    text,
};

/// The values of the text, the outermost first, and its first flaw.
pub(super) fn read(text: &[u8]) -> (Vec<Node>, Option<Flaw>) {
    if text.len() > Node::MAX_TEXT {
        return (vec![Node::new(Tag::Word, 0, 0)], Some(Flaw { fault: Fault::TooLong, at: 0 }));
    }
    let mut reader = Reader { text, at: 0, nodes: Vec::with_capacity(text.len() / 8 + 4), open: [0; MAX_DEPTH], depth: 0, flaw: None };
    reader.document();
    if reader.nodes.is_empty() {
        reader.nodes.push(Node::new(Tag::Word, 0, 0));
    }
    // A fault of the encoding is looked for apart, since that is fastest over the whole text.
    let encoding = std::str::from_utf8(text).err().map(|error| Flaw { fault: Fault::Utf8, at: error.valid_up_to() });
    let flaw = [reader.flaw, encoding].into_iter().flatten().min_by_key(|flaw| flaw.at);
    (reader.nodes, flaw)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The nodes of the arrays and objects around the current place.
    open: [u32; MAX_DEPTH],
    depth: usize,
    flaw: Option<Flaw>,
}

/// What the grammar allows next.
#[derive(Clone, Copy)]
enum Expect {
    Value,
    /// A value or the end of the array.
    Element,
    Key,
    /// A key or the end of the object.
    Member,
    /// A comma or the end of the array or object.
    Separator,
    /// The end of the text.
    End,
}

impl Reader<'_> {
    fn document(&mut self) {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.note(Fault::ByteOrderMark);
            self.at = 3;
        }
        let mut expect = Expect::Value;
        loop {
            self.skip_space();
            let Some(byte) = self.text.get(self.at).copied() else {
                if !matches!(expect, Expect::End) {
                    self.note(Fault::Unfinished);
                }
                break;
            };
            expect = match expect {
                Expect::Value | Expect::Element => self.value(byte, expect),
                Expect::Key | Expect::Member => self.key(byte, expect),
                Expect::Separator => self.separator(byte),
                Expect::End => {
                    self.note(Fault::Trailing);
                    break;
                }
            };
        }
        while self.depth > 0 {
            self.close(self.text.len());
        }
    }

    fn value(&mut self, byte: u8, expect: Expect) -> Expect {
        match byte {
            b'"' => self.string(),
            b'{' => return self.open(Tag::Object, Expect::Member),
            b'[' => return self.open(Tag::Array, Expect::Element),
            b']' if matches!(expect, Expect::Element) => {
                self.at += 1;
                self.close(self.at);
            }
            b',' | b'}' if self.at_top_level() => {
                self.note(Fault::Syntax);
                self.nodes.push(Node::new(Tag::Word, self.at, self.at));
            }
            b',' | b'}' | b']' | b':' => return self.repair(expect),
            _word => self.word(),
        }
        self.after_value()
    }

    fn key(&mut self, byte: u8, expect: Expect) -> Expect {
        match byte {
            b'"' => {
                self.string();
                self.skip_space();
                match self.text.get(self.at) {
                    Some(b':') => self.at += 1,
                    Some(_) if !self.at_top_level() => return self.repair(Expect::Value),
                    Some(_) => self.note(Fault::Syntax),
                    None => {}
                }
                Expect::Value
            }
            b'}' => {
                if matches!(expect, Expect::Key) {
                    self.note(Fault::Syntax);
                }
                self.at += 1;
                self.close(self.at);
                self.after_value()
            }
            _other => self.repair(Expect::Key),
        }
    }

    fn separator(&mut self, byte: u8) -> Expect {
        let in_object = self.container() == Tag::Object;
        match byte {
            b',' => {
                self.at += 1;
                if in_object { Expect::Key } else { Expect::Value }
            }
            b'}' | b']' if in_object == (byte == b'}') => {
                self.at += 1;
                self.close(self.at);
                self.after_value()
            }
            b'"' if self.at_top_level() => {
                self.note(Fault::Syntax);
                Expect::Key
            }
            _other => self.repair(Expect::Separator),
        }
    }

    /// Goes on after something out of place: at the top level of an object past the one thing that is wrong, deeper down
    /// after the whole member of the top level, elsewhere nowhere.
    fn repair(&mut self, expect: Expect) -> Expect {
        self.note(Fault::Syntax);
        if self.depth == 0 || self.nodes[self.open[0] as usize].tag() != Tag::Object {
            self.at = self.text.len();
            return expect;
        }
        if self.depth > 1 {
            self.skip_brackets(self.depth - 1);
            while self.depth > 1 {
                self.close(self.at);
            }
            return Expect::Separator;
        }
        match self.text[self.at] {
            b'{' | b'[' => {
                self.at += 1;
                self.skip_brackets(1);
            }
            b'"' => self.at = text::scan(self.text, self.at + 1).end.unwrap_or(self.text.len()),
            _other => self.at += self.word_length().max(1),
        }
        expect
    }

    fn open(&mut self, tag: Tag, next: Expect) -> Expect {
        let node = self.nodes.len();
        self.nodes.push(Node::new(tag, self.at, 0));
        let begun = self.at;
        self.at += 1;
        if self.depth < MAX_DEPTH {
            self.open[self.depth] = node as u32;
            self.depth += 1;
            return next;
        }
        self.note_at(Fault::TooDeep, begun);
        self.skip_brackets(1);
        self.nodes[node].set_end(node + 1);
        self.nodes.push(Node::new(Tag::Close, self.at, 0));
        self.after_value()
    }

    /// Closes the innermost array or object, `end` being the byte after it.
    fn close(&mut self, end: usize) {
        self.depth -= 1;
        let closing = self.nodes.len();
        self.nodes[self.open[self.depth] as usize].set_end(closing);
        self.nodes.push(Node::new(Tag::Close, end, 0));
    }

    fn after_value(&self) -> Expect {
        if self.depth == 0 { Expect::End } else { Expect::Separator }
    }

    fn at_top_level(&self) -> bool {
        self.depth == 1 && self.container() == Tag::Object
    }

    fn container(&self) -> Tag {
        self.nodes[self.open[self.depth - 1] as usize].tag()
    }

    /// A string; one without an end is no value.
    fn string(&mut self) {
        let scanned = text::scan(self.text, self.at + 1);
        self.flaw = self.flaw.or(scanned.flaw);
        let Some(end) = scanned.end else {
            self.note(Fault::Unfinished);
            self.at = self.text.len();
            return;
        };
        let tag = if scanned.escaped { Tag::Escaped } else { Tag::Plain };
        self.nodes.push(Node::new(tag, self.at, end));
        self.at = end;
    }

    fn word(&mut self) {
        let end = self.at + self.word_length();
        let word = &self.text[self.at..end];
        let tag = match word {
            b"null" => Tag::Null,
            b"true" => Tag::True,
            b"false" => Tag::False,
            number if text::is_number(number) => Tag::Number,
            _other => Tag::Word,
        };
        if tag == Tag::Word {
            self.note(Fault::Word);
        } else if tag == Tag::Number && text::is_huge(word) {
            self.note(Fault::HugeNumber);
        }
        self.nodes.push(Node::new(tag, self.at, end));
        self.at = end;
    }

    fn word_length(&self) -> usize {
        let rest = &self.text[self.at..];
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'"' | b'[' | b']' | b'{' | b'}');
        rest.iter().position(is_end).unwrap_or(rest.len())
    }

    /// Goes past the end of so many brackets, of whatever kind.
    fn skip_brackets(&mut self, mut levels: usize) {
        while levels > 0 {
            let Some(byte) = self.text.get(self.at) else { return };
            self.at += 1;
            match byte {
                b'{' | b'[' => levels += 1,
                b'}' | b']' => levels -= 1,
                b'"' => self.at = text::scan(self.text, self.at).end.unwrap_or(self.text.len()),
                _other => {}
            }
        }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn note(&mut self, fault: Fault) {
        self.note_at(fault, self.at);
    }

    fn note_at(&mut self, fault: Fault, at: usize) {
        self.flaw = self.flaw.or(Some(Flaw { fault, at }));
    }
}
