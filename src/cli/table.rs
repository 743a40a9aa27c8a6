//! Tables for people: aligned columns, colours for what is good or bad, and nothing that could move a terminal's cursor.

use super::streams::Colours;
use crate::domain::text::{clipped, is_unseen};
use serde_json::Value;
use std::fmt::Write;

/// How what the API answers is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// As the API answers
    Json,
}

/// Rows under a head.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// So many characters of a text are shown, since one long cell widens all rows.
const WIDEST: usize = 160;

/// One text of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    mood: Mood,
}

/// What a cell says about the state of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Plain,
    Good,
    Waiting,
    Bad,
}

impl Table {
    /// Without rows yet.
    pub fn new<const N: usize>(head: [&'static str; N]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, as long as the head.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.head.len(), "a row is as long as the head");
        self.rows.push(cells.to_vec());
    }

    /// The text, each line ended.
    pub fn render(&self, colours: Colours) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].text.chars().count());
            cells.chain([self.head[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        let head = self.head.iter().map(|name| (*name, "\x1b[1m"));
        line(&mut text, head, &widths, colours);
        for row in &self.rows {
            line(&mut text, row.iter().map(|cell| (cell.text.as_str(), cell.mood.escape())), &widths, colours);
        }
        text
    }
}

fn line<'a>(text: &mut String, cells: impl Iterator<Item = (&'a str, &'static str)>, widths: &[usize], colours: Colours) {
    let mut padding = 0;
    for ((cell, escape), width) in cells.zip(widths) {
        text.extend(std::iter::repeat_n(' ', padding));
        match colours {
            Colours::On if !escape.is_empty() => write!(text, "{escape}{cell}\x1b[0m").expect("a String takes all"),
            Colours::On | Colours::Off => text.push_str(cell),
        }
        padding = width - cell.chars().count() + 2;
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// The text with what would move the cursor shown, not sent: values of payloads and answers come from outside.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unseen(letter) { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

/// The JSON text, with the same in the escapes of JSON.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    for letter in format!("{value:#}\n").chars() {
        // Those in texts are escaped already; the others are between the members.
        if letter != '\n' && is_unseen(letter) {
            letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(text, "\\u{unit:04x}").expect("a String takes all"));
        } else {
            text.push(letter);
        }
    }
    text
}

impl Cell {
    /// A text; `-` where it is empty.
    pub fn text(text: &str) -> Self {
        Self { text: if text.is_empty() { "-".to_owned() } else { shown(&clipped(text, WIDEST)) }, mood: Mood::Plain }
    }

    /// As it is shown, without colours.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A member of a JSON object; `-` where it is absent, null or empty.
    pub fn of(object: &Value, member: &str) -> Self {
        Self::value(&object[member])
    }

    /// A JSON value: a text as it is, a list by its items, anything else as JSON.
    pub fn value(value: &Value) -> Self {
        match value {
            Value::Null => Self::text(""),
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::text(&items.iter().map(|item| Self::value(item).text).collect::<Vec<_>>().join(", ")),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => Self::text(&value.to_string()),
        }
    }

    /// A status of an event, a delivery, an attempt or a replay, coloured by what it means.
    pub fn status(object: &Value, member: &str) -> Self {
        let cell = Self::of(object, member);
        let mood = match cell.text.as_str() {
            "delivered" | "done" | "2xx" => Mood::Good,
            "waiting" | "retrying" | "parked" | "running" => Mood::Waiting,
            "dropped" | "discarded" | "cancelled" | "-" => Mood::Plain,
            _ => Mood::Bad,
        };
        Self { mood, ..cell }
    }
}

impl Mood {
    fn escape(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Waiting => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Table {
        let mut table = Table::new(["EVENT", "STATUS", "RULES"]);
        let event = json!({ "id": "evt_1", "status": "dead", "rules": ["paid", "all"] });
        table.row([Cell::of(&event, "id"), Cell::status(&event, "status"), Cell::of(&event, "rules")]);
        table.row([Cell::text("e"), Cell::status(&json!({}), "status"), Cell::text("")]);
        table
    }

    #[test]
    fn columns_are_aligned_and_no_line_ends_in_spaces() {
        assert_eq!(table().render(Colours::Off), "EVENT  STATUS  RULES\nevt_1  dead    paid, all\ne      -       -\n");
    }

    #[test]
    fn colours_change_no_column() {
        let coloured = table().render(Colours::On);
        assert!(coloured.contains("evt_1  \x1b[31mdead\x1b[0m    paid, all\n"), "{coloured:?}");
    }

    #[test]
    fn what_could_move_the_cursor_is_shown_instead() {
        assert_eq!(Cell::text("a\x1b[2J\nb").text, "a\\u{1b}[2J\\nb");
        assert_eq!(Cell::value(&json!(["x\ry"])).text, "x\\ry");
        assert_eq!(Cell::text("a\u{202e}b").text, "a\\u{202e}b");
        assert_eq!(super::json(&json!({ "id": "a\u{9b}31m\n\u{202e}" })), "{\n  \"id\": \"a\\u009b31m\\n\\u202e\"\n}\n");
    }

    #[test]
    fn a_long_text_does_not_widen_the_table_without_end() {
        assert_eq!(Cell::text(&"x".repeat(900_000)).text.chars().count(), WIDEST + 1);
    }
}
