//! From YAML to the tree, within bounds on depth and on what aliases expand to. Knows no key of the rules file.

use super::{
    diagnostics::Code,
    hints::NOT_YAML,
    problem::Problem,
    tree::{Entry, FileId, Kind, Node, Position, Span, Style},
};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::{collections::HashMap, rc::Rc};

const MAX_DEPTH: usize = 64;
/// How many values a file has at most.
pub const MAX_VALUES: usize = 100_000;

/// Reads the one document of the file's text.
pub fn read(text: &str, file: FileId) -> Result<Rc<Node>, Problem> {
    let offsets = Offsets::of(text, file);
    let mut builder = Builder { open: Vec::new(), anchors: HashMap::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let start = offsets.position(*error.marker());
            let span = Span { start, end: start.offset };
            Problem::error(Code::YamlSyntax, span, format!("{NOT_YAML}{}", error.info()))
        })?;
        let start = offsets.position(span.start);
        let end = offsets.position(span.end).offset.max(start.offset);
        let span = Span { start, end: end_of_quotes(&event, &text[start.offset..end]).map_or(end, |length| start.offset + length) };
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| empty(file))
}

fn empty(file: FileId) -> Problem {
    let start = Span { start: Position::start_of(file), end: 0 };
    if file == FileId::MAIN {
        return Problem::error(Code::EmptyFile, start, "the rules file is empty");
    }
    let hint = "a file that was cut off must not pass for one without rules: to have none in it, write `rules: []`";
    Problem::error(Code::EmptyFile, start, "an included file is empty").help(hint)
}

/// From the parser's count of characters to bytes, lines and columns. Its own lines are one too many at the end of a file.
struct Offsets {
    file: FileId,
    /// Where each character starts, unless all are one byte long.
    bytes: Option<Vec<usize>>,
    /// The first character of each line.
    lines: Vec<usize>,
    len: usize,
}

impl Offsets {
    fn of(text: &str, file: FileId) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        let mut lines = vec![0];
        let mut letters = text.chars().enumerate().peekable();
        while let Some((index, letter)) = letters.next() {
            let is_break = letter == '\n' || (letter == '\r' && letters.peek().is_none_or(|(_, next)| *next != '\n'));
            if is_break {
                lines.push(index + 1);
            }
        }
        Self { file, bytes, lines, len: text.len() }
    }

    fn position(&self, marker: Marker) -> Position {
        let index = marker.index().min(self.bytes.as_ref().map_or(self.len, Vec::len));
        let offset = self.bytes.as_ref().map_or(index, |bytes| bytes.get(index).copied().unwrap_or(self.len));
        let line = self.lines.partition_point(|start| *start <= index);
        Position { file: self.file, offset, line, column: index - self.lines[line - 1] + 1 }
    }
}

struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    anchor: usize,
    tag: Option<Box<str>>,
    kind: Kind,
    key: Option<Rc<Node>>,
    weight: usize,
    height: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Problem::error(Code::SeveralDocuments, span, "a second document starts here; a rules file is one document"))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => Style::Quoted,
                };
                let kind = Kind::Scalar(text.into(), style);
                let span = if text_is_missing(&kind) && tag.is_none() && anchor == 0 { self.place_of_nothing(span) } else { span };
                let tag = tag.map(|tag| shown_tag(&tag));
                self.close(anchor, Node { span, tag, kind, weight: 1, height: 0 })
            }
            Event::SequenceStart(anchor, tag) => self.open(span, anchor, tag.map(|tag| shown_tag(&tag)), Kind::Sequence(Vec::new())),
            Event::MappingStart(anchor, tag) => self.open(span, anchor, tag.map(|tag| shown_tag(&tag)), Kind::Mapping(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { span: start, anchor, tag, kind, weight, height, .. }) => {
                    let span = Span { start: start.start, end: span.end.max(start.end) };
                    self.close(anchor, Node { span, tag, kind, weight, height })
                }
                None => Ok(()),
            },
        }
    }

    fn open(&mut self, span: Span, anchor: usize, tag: Option<Box<str>>, kind: Kind) -> Result<(), Problem> {
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.open.push(Open { span, anchor, tag, kind, key: None, weight: 1, height: 0 });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Problem> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Problem::error(Code::YamlSyntax, span, "an alias inside of what it stands for"));
        };
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let node = Rc::clone(node);
        self.put(node, span)
    }

    fn close(&mut self, anchor: usize, node: Node) -> Result<(), Problem> {
        let span = node.span;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.put(node, span)
    }

    /// Puts a whole value where it belongs. A collection is counted when its values are.
    fn put(&mut self, node: Rc<Node>, at: Span) -> Result<(), Problem> {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.weight += node.weight;
        parent.height = parent.height.max(node.height + 1);
        let weight = parent.weight;
        match &mut parent.kind {
            Kind::Sequence(items) => items.push(node),
            Kind::Mapping(entries) => match parent.key.take() {
                None => parent.key = Some(node),
                Some(key) => entries.push(Entry { key, value: node }),
            },
            Kind::Scalar(..) => {}
        }
        if weight > MAX_VALUES {
            let message = format!("more than {MAX_VALUES} values, those that aliases repeat included");
            return Err(Problem::error(Code::TooManyValues, at, message));
        }
        Ok(())
    }

    /// The parser places an absent value where the next thing stands: the key, or the list, is nearer.
    fn place_of_nothing(&self, span: Span) -> Span {
        match self.open.last() {
            Some(Open { key: Some(key), .. }) => key.span,
            Some(Open { kind: Kind::Sequence(_), span, .. }) => *span,
            Some(_) | None => span,
        }
    }
}

/// The parser counts the blanks and the comment after a closing quote as part of the value.
fn end_of_quotes(event: &Event<'_>, written: &str) -> Option<usize> {
    let quote = match event {
        Event::Scalar(_, ScalarStyle::DoubleQuoted, ..) => b'"',
        Event::Scalar(_, ScalarStyle::SingleQuoted, ..) => b'\'',
        _ => return None,
    };
    let bytes = written.as_bytes();
    let mut at = bytes.iter().position(|byte| *byte == quote)? + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte != quote => at += 1,
            _ if quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
            _ => return Some(at + 1),
        }
    }
    None
}

fn text_is_missing(kind: &Kind) -> bool {
    matches!(kind, Kind::Scalar(text, Style::Plain) if text.is_empty())
}

fn too_deep(span: Span) -> Problem {
    Problem::error(Code::TooDeep, span, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn shown_tag(tag: &saphyr_parser::Tag) -> Box<str> {
    if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix).into() } else { format!("{}{}", tag.handle, tag.suffix).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalars<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
        match &node.kind {
            Kind::Scalar(..) => found.push(node),
            Kind::Sequence(items) => items.iter().for_each(|item| scalars(item, found)),
            Kind::Mapping(entries) => entries.iter().for_each(|entry| {
                scalars(&entry.key, found);
                scalars(&entry.value, found);
            }),
        }
    }

    #[test]
    fn every_value_knows_its_place_and_is_as_written() {
        let text = "é: 007  # note\nb: [ 1.10, \"q\\\"t\"  , 'it''s' ]\nc:\n  - !t x\n  - ~\n";
        let root = read(text, FileId::MAIN).expect("it is YAML");
        let mut found = Vec::new();
        scalars(&root, &mut found);
        let written: Vec<_> = found.iter().map(|node| &text[node.span.start.offset..node.span.end]).collect();
        assert_eq!(written, ["é", "007", "b", "1.10", "\"q\\\"t\"", "'it''s'", "c", "!t x", "~"]);
        let values: Vec<_> = found.iter().filter_map(|node| node.scalar()).map(|scalar| scalar.text).collect();
        assert_eq!(values, ["é", "007", "b", "1.10", "q\"t", "it's", "c", "x"]);
        assert_eq!((found[3].span.start.line, found[3].span.start.column), (2, 6));
    }

    #[test]
    fn aliases_are_bounded_in_depth_and_in_number() {
        let nested = |levels: usize| format!("{}x{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(64), FileId::MAIN).is_ok());
        assert_eq!(read(&nested(65), FileId::MAIN).expect_err("too deep").code, Code::TooDeep);
        let alias = |levels: usize| format!("- &a {}\n- {}*a{}", nested(40), "[".repeat(levels), "]".repeat(levels));
        assert!(read(&alias(23), FileId::MAIN).is_ok());
        assert_eq!(read(&alias(24), FileId::MAIN).expect_err("too deep").code, Code::TooDeep);
    }

    proptest! {
        #[test]
        fn every_span_lies_within_the_text(text in "([a-c:,\\-?!&*#|>'\"{}\\[\\]\r\n\t é—~]|: |\n  |- |&a |\\*a){0,40}") {
            let check = |span: Span| {
                text.is_char_boundary(span.start.offset) && text.is_char_boundary(span.end) && span.start.offset <= text.len()
            };
            match read(&text, FileId::MAIN) {
                Ok(root) => {
                    let mut found = Vec::new();
                    scalars(&root, &mut found);
                    for node in found {
                        prop_assert!(check(node.span) && node.span.start.offset <= node.span.end, "{:?}", node);
                        let line = text[..node.span.start.offset].replace("\r\n", "\n").matches(['\n', '\r']).count() + 1;
                        prop_assert_eq!(line, node.span.start.line);
                    }
                }
                Err(problem) => prop_assert!(check(problem.span), "{:?}", problem),
            }
        }
    }
}
