//! The texts of the rules files: read within their bounds, and shown line by line with what is secret masked.

use super::{
    diagnostics::{Code, Diagnostic, Severity},
    problem::Problem,
    tree::{FileId, Position, Span},
};
use std::ops::Range;

/// How much of a line is shown before and after the marker's start, in bytes.
const WINDOW: usize = 120;
const MASK: &str = "***";

/// The texts of all files that were read: the rules file itself first.
#[derive(Default)]
pub struct Texts {
    all: Vec<Text>,
}

impl Texts {
    /// The rules file alone.
    #[cfg(test)]
    pub fn new(main: Text) -> Self {
        Self { all: vec![main] }
    }

    /// Which file the next one is.
    pub fn next(&self) -> FileId {
        FileId(u16::try_from(self.all.len()).expect("far fewer files are read"))
    }

    /// Adds the next one.
    pub fn push(&mut self, text: Text) -> FileId {
        let file = self.next();
        self.all.push(text);
        file
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> usize {
        self.all.iter().map(|text| text.text.len()).sum()
    }

    /// The text of a file.
    pub fn of(&self, file: FileId) -> &Text {
        &self.all[usize::from(file.0)]
    }

    /// Where it is, for a message that stands in that file: `line 3`, or `line 3 of rules.d/shop.yaml`.
    pub fn place(&self, position: Position, seen_from: FileId) -> String {
        let line = format!("line {}", position.line);
        if position.file == seen_from { line } else { format!("{line} of {}", self.of(position.file).file) }
    }

    /// All of them, as they may be shown.
    pub fn masked(&self) -> Vec<Shown> {
        self.all.iter().map(|text| Shown { path: text.file.clone(), text: text.masked() }).collect()
    }

    /// The problem with its line.
    pub fn diagnose(&self, problem: Problem) -> Diagnostic {
        self.of(problem.span.start.file).diagnose(problem)
    }
}

/// A file of rules as it may be shown: with `***` in place of what is secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// As the user named the file.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The text of one file.
pub struct Text {
    /// As the user named the file.
    pub file: String,
    /// All of it.
    pub text: String,
    masks: Vec<Range<usize>>,
}

impl Text {
    /// A text that is already there.
    pub fn new(file: String, text: String) -> Self {
        Self { file, text, masks: Vec::new() }
    }

    /// Hides these ranges from now on.
    pub fn mask(&mut self, mut masks: Vec<Range<usize>>) {
        masks.sort_by_key(|mask| mask.start);
        self.masks = Vec::with_capacity(masks.len());
        for mask in masks.into_iter().filter(|mask| !mask.is_empty()) {
            match self.masks.last_mut() {
                Some(last) if mask.start < last.end => last.end = last.end.max(mask.end),
                _ => self.masks.push(mask),
            }
        }
    }

    /// Whether a part of the span is hidden.
    pub fn hides(&self, span: Span) -> bool {
        self.masks_from(span.start.offset).first().is_some_and(|mask| mask.start < span.end.max(span.start.offset + 1))
    }

    /// What is before the offset, and what is shown with it.
    pub fn until(&self, offset: usize) -> &str {
        &self.text[..self.text.floor_char_boundary(offset.saturating_add(WINDOW))]
    }

    /// The problem with its line.
    pub fn diagnose(&self, problem: Problem) -> Diagnostic {
        let span = problem.span;
        if span.is_whole() {
            return Diagnostic { hint: problem.hint, ..self.note(problem.severity, problem.code, problem.message) };
        }
        let line = self.line_around(span.start.offset);
        let end = span.end.clamp(span.start.offset, line.end);
        let (shown, marker) = self.show(line, span.start.offset..end);
        Diagnostic {
            severity: problem.severity,
            code: problem.code,
            message: problem.message,
            file: self.file.clone(),
            line: span.start.line,
            column: span.start.column,
            length: self.text[span.start.offset..end].chars().count().max(1),
            source_line: Some(shown),
            hint: problem.hint,
            marker,
        }
    }

    /// The letter at that byte.
    pub fn letter(&self, file: FileId, offset: usize) -> Span {
        let (before, after) = self.text.split_at(offset);
        let lines = before.replace("\r\n", "\n");
        let column = lines.rsplit(['\n', '\r']).next().map_or(0, |line| line.chars().count()) + 1;
        let line = lines.matches(['\n', '\r']).count() + 1;
        Span { start: Position { file, offset, line, column }, end: offset + after.chars().next().map_or(0, char::len_utf8) }
    }

    /// A note on the whole file.
    pub fn note(&self, severity: Severity, code: Code, message: String) -> Diagnostic {
        Diagnostic { severity, ..Diagnostic::of_file(&self.file, code, message) }
    }

    /// All of it with what is hidden masked; every line keeps its number.
    pub fn masked(&self) -> String {
        let mut masked = String::with_capacity(self.text.len());
        let mut shown = 0;
        for mask in &self.masks {
            let end = mask.end.min(self.text.len());
            masked.push_str(&self.text[shown..mask.start]);
            masked.push_str(MASK);
            masked.extend(self.text[mask.start..end].chars().filter(|letter| *letter == '\n'));
            shown = end;
        }
        masked.push_str(&self.text[shown..]);
        masked
    }

    /// What is hidden, in order.
    #[cfg(test)]
    pub fn masks(&self) -> &[Range<usize>] {
        &self.masks
    }

    fn masks_from(&self, offset: usize) -> &[Range<usize>] {
        &self.masks[self.masks.partition_point(|mask| mask.end <= offset)..]
    }

    /// The part of the line that is shown; a mask that it would cut belongs to it whole.
    fn line_around(&self, offset: usize) -> Range<usize> {
        let bytes = self.text.as_bytes();
        let is_break = |byte: &u8| *byte == b'\n' || *byte == b'\r';
        let floor = offset.saturating_sub(WINDOW);
        let ceiling = (offset + WINDOW).min(bytes.len());
        let mut start = bytes[floor..offset].iter().rposition(is_break).map_or(floor, |found| floor + found + 1);
        let mut end = bytes[offset..ceiling].iter().position(is_break).map_or(ceiling, |found| offset + found);
        while !self.text.is_char_boundary(start) {
            start += 1;
        }
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        start.min(offset)..end.max(offset)
    }

    /// The line with masks and without control characters, and where in it (in characters) the marker goes.
    fn show(&self, line: Range<usize>, marked: Range<usize>) -> (String, Range<usize>) {
        let cut = |place: usize| !self.text[..place].ends_with(['\n', '\r']) && place > 0;
        let mut shown = if cut(line.start) { "…".to_owned() } else { String::new() };
        let mut length = shown.chars().count();
        let mut marker: Option<Range<usize>> = None;
        let mut masks = self.masks_from(line.start).iter();
        let mut mask = masks.next();
        let mut offset = line.start;
        while offset < line.end {
            let (next, width) = match mask {
                Some(hidden) if hidden.start <= offset => {
                    shown.push_str(MASK);
                    let next = hidden.end;
                    mask = masks.next();
                    (next, MASK.len())
                }
                _ => {
                    let Some(letter) = self.text[offset..].chars().next() else { break };
                    shown.push(if letter == '\t' { ' ' } else { printable(letter) });
                    (offset + letter.len_utf8(), 1)
                }
            };
            let touches = offset < marked.end.max(marked.start + 1) && next > marked.start;
            if touches {
                let start = marker.map_or(length, |marker| marker.start);
                marker = Some(start..length + width);
            }
            length += width;
            offset = next;
        }
        shown.truncate(shown.trim_end().len());
        if !self.text[line.end..].is_empty() && !self.text[line.end..].starts_with(['\n', '\r']) {
            shown.push('…');
        }
        (shown, marker.unwrap_or(length..length + 1))
    }
}

/// The text in double quotes, cut where it is long, without control characters.
pub fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(60).map(printable).collect();
    if text.chars().nth(60).is_some() {
        quoted.push('…');
    }
    format!("\"{quoted}\"")
}

fn printable(letter: char) -> char {
    if letter.is_control() { '\u{fffd}' } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Position;

    fn shown(text: &str, masks: &[&str], marked: &str) -> (String, String) {
        let mut file = Text::new(String::new(), text.to_owned());
        let place = |part: &str| text.find(part).map(|start| start..start + part.len()).expect(part);
        file.mask(masks.iter().map(|mask| place(mask)).collect());
        let marked = place(marked);
        let start = Position { offset: marked.start, ..Position::START };
        let diagnostic = file.diagnose(Problem::error(Code::InvalidValue, Span { start, end: marked.end }, ""));
        let line = diagnostic.source_line.expect("it has a line");
        let under = line.chars().skip(diagnostic.marker.start).take(diagnostic.marker.len()).collect();
        (line, under)
    }

    #[test]
    fn the_marker_is_under_the_value_whatever_is_masked_before_it() {
        let expected = |line: &str, under: &str| (line.to_owned(), under.to_owned());
        assert_eq!(shown("x\n a: secret, b: é!\ny", &["secret"], "é!"), expected(" a: ***, b: é!", "é!"));
        assert_eq!(shown("a: secret, b: c", &["secret"], "secret"), expected("a: ***, b: c", "***"));
        assert_eq!(shown("a: secret, b: c", &["secret"], "cre"), expected("a: ***, b: c", "***"));
        assert_eq!(shown("a: one\n  two\nb: c", &["one\n  two"], "two"), expected("***", "***"));
        assert_eq!(shown("a: one\n  two\nb: c", &["one\n  two"], "a"), expected("a: ***", "a"));
        assert_eq!(shown("\ta:\u{1b}[31m b", &[], "b"), expected(" a:\u{fffd}[31m b", "b"));
        assert_eq!(shown("a: b\r\nc: d\r\n", &[], "d"), expected("c: d", "d"));
    }

    #[test]
    fn the_whole_text_is_shown_with_masks_and_every_line_in_its_place() {
        let mut file = Text::new(String::new(), "a: |\n  one\n  two\nb: three # four\n".to_owned());
        file.mask(vec![7..17, 20..25]);
        assert_eq!(file.masked(), "a: |\n  ***\n\nb: *** # four\n");
        file.mask(Vec::new());
        assert_eq!(file.masked(), file.text);
    }

    #[test]
    fn of_a_long_line_only_a_part_is_shown() {
        let text = format!("{}é{}here{}", "x".repeat(300), "y".repeat(WINDOW - 1), "z".repeat(300));
        let (line, under) = shown(&text, &[], "here");
        assert_eq!(under, "here");
        assert!(line.starts_with("…y") && line.ends_with("z…"), "{line}");
        assert!(line.chars().count() < 2 * WINDOW + 3);
        let (line, _) = shown(&text, &[&text[290..430]], "here");
        assert!(line.contains("***") && !line.contains('x'), "{line}");
    }
}
