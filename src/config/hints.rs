//! What to do about a text that is no YAML: most of it is one of YAML's own traps, which shows in the line.

use super::problem::Problem;

/// For what YAML makes of `{{ x }}`.
pub const TEMPLATE: &str = "`{{ … }}` has to be in quotes: without them YAML reads a mapping";
const ALIAS: &str = "a value that starts with `*` is a YAML alias; to match with a wildcard, put it in quotes: \"*@example.com\"";
/// For a space that is none.
pub const INVISIBLE: &str = "write a plain space, or nothing; a text that is meant to have such a character stands in quotes";

/// How the parser's own complaints start.
pub const NOT_YAML: &str = "not valid YAML: ";

/// A syntax error with a hint, where its line shows one of YAML's traps.
pub fn explain(problem: Problem, text: &str) -> Problem {
    if !problem.message.starts_with(NOT_YAML) {
        return problem;
    }
    let offset = problem.span.start.offset.min(text.len());
    let start = text[..offset].rfind('\n').map_or(0, |found| found + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |found| offset + found);
    let line = &text[start..end];
    // The parser often stops where the next line begins, so the one before is looked at too.
    let before = text[..start].trim_end().rsplit('\n').next().unwrap_or_default();
    let of = |line| of_line(line, &problem.message);
    let hint = of(line).or_else(|| of(before)).or_else(|| of_message(&problem.message));
    problem.maybe_help(hint.map(str::to_owned))
}

/// A space to the eye, and a letter to YAML.
pub fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// What of a key is its name, where its value, or a letter that looks like a space, is glued to it.
pub fn name_of(key: &str) -> &str {
    let end = |letter: char| matches!(letter, ':' | '=' | '"' | '\'') || letter.is_whitespace() || is_invisible(letter);
    key.split(end).next().unwrap_or_default()
}

/// The key and the value of `key:value`, which YAML reads as one text.
pub fn glued(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    let is_value = !value.is_empty() && !value.starts_with([' ', '/', '\t']);
    (is_key && is_value).then_some((key, value))
}

/// Whether it stands there with no quote open before it.
fn is_outside_quotes(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(found, _)| line[..found].matches(['"', '\'']).count().is_multiple_of(2))
}

/// What the line shows, as far as it goes with the message.
fn of_line(line: &str, message: &str) -> Option<&'static str> {
    let bare = |start: &str| {
        let is_opened = |before: &str| before.trim_end().ends_with([':', ',', '[', '{', '-']);
        line.match_indices(start).any(|(found, _)| is_opened(&line[..found]))
    };
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let indent = &line[..line.len() - line.trim_start().len()];
    let first = line.trim_start().trim_start_matches("- ").split_whitespace().next().unwrap_or_default();
    if line.contains(is_invisible) {
        Some("the line has a character that looks like a space and is none, such as U+00A0: write plain spaces")
    } else if indent.contains('\t') || says(&["tabs", "a tab", "tab cannot"]) || says(&["YAML whitespace"]) && line.contains('\t') {
        Some("YAML wants spaces, not tabs")
    } else if bare("{{") || is_outside_quotes(line, "{{") {
        Some(TEMPLATE)
    } else if bare("${") {
        Some("between braces or brackets a variable has to be in quotes: `{ secret: \"${NAME}\" }`")
    } else if bare("*") {
        Some(ALIAS)
    } else if bare("@") || bare("`") || bare("%") {
        Some("a value that starts with `@`, `%` or a backtick has to be in quotes")
    } else if glued(first).is_some() {
        Some("a `:` wants a space behind it: `state: paid`, not `state:paid`")
    } else if line.trim_start().contains(": ") && line.matches(": ").count() > 1 && !line.contains('{') {
        Some("a text with `: ` in it has to be in quotes")
    } else {
        None
    }
}

/// What the parser's own words come to.
fn of_message(message: &str) -> Option<&'static str> {
    let hints: [(&[&str], &str); 7] = [
        (&["anchor", "alias"], ALIAS),
        (&["block scalar"], "a value that starts with `>` or `|` begins a block of text; to compare, write `{ gt: 500 }`"),
        (
            &["trailing content"],
            "the text goes on behind its closing quote: put all of it in quotes; within single quotes write `''` for one `'`",
        ),
        (&["quoted scalar"], "a quote is opened and not closed"),
        (&["flow sequence"], "a `[` is opened and not closed before the list ends; between values stands a `,`"),
        (&["flow mapping"], "a `{` is opened and not closed before the mapping ends; between its keys stands a `,`"),
        (
            &["block collection", "mapping values are not allowed", "block mapping", "block sequence"],
            "a line may begin too far in or out: keys that belong together begin in one column",
        ),
    ];
    hints.into_iter().find(|(words, _)| words.iter().any(|word| message.contains(word))).map(|(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_value_without_a_space_are_told_from_urls_and_times() {
        for (text, expected) in [
            ("state:paid", Some(("state", "paid"))),
            ("txn.state:refunded", Some(("txn.state", "refunded"))),
            ("to:[orders]", Some(("to", "[orders]"))),
            ("http://orders", None),
            ("state: paid", None),
            ("state:", None),
            (":paid", None),
            ("a b:c", None),
        ] {
            assert_eq!(glued(text), expected, "{text}");
        }
    }
}
