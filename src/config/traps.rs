//! What YAML allows and a rules file does not: tags, repeated keys, keys that are no text. And hints for YAML's own traps.

use super::{
    diagnostics::Code,
    problem::{Problem, Problems},
    text::{Text, quote},
    tree::{Kind, Node},
};
use std::collections::HashSet;

const TEMPLATE_HINT: &str = "`{{ … }}` has to be in quotes: without them YAML reads a mapping";

/// How the parser's own complaints start.
pub const NOT_YAML: &str = "not valid YAML: ";

/// Looks at every value of the tree.
pub fn inspect(node: &Node, text: &Text, problems: &mut Problems) {
    if let Some(tag) = &node.tag {
        problems.push(tagged(node, tag, text));
    }
    match &node.kind {
        Kind::Scalar(..) => {}
        Kind::Sequence(items) => items.iter().for_each(|item| inspect(item, text, problems)),
        Kind::Mapping(entries) => {
            let mut seen = HashSet::new();
            for entry in entries {
                match &entry.key.kind {
                    Kind::Scalar(key, _) if !seen.insert(&**key) => {
                        let shown = if text.hides(entry.key.span) { String::new() } else { format!(" {}", quote(key)) };
                        problems.error(Code::DuplicateKey, entry.key.span, format!("the key{shown} is here twice"));
                    }
                    Kind::Scalar(..) if entry.key.is_null() && !entry.value.is_null() => {
                        problems.error(Code::KeyNotText, entry.key.span, "a key is a text, found nothing before the `:`");
                    }
                    Kind::Scalar(..) => {}
                    Kind::Sequence(_) | Kind::Mapping(_) => {
                        let found =
                            Problem::error(Code::KeyNotText, entry.key.span, format!("a key is a text, found {}", entry.key.what()));
                        problems.push(found.maybe_help(node.looks_like_template().then(|| TEMPLATE_HINT.to_owned())));
                    }
                }
                if entry.key.tag.is_some() {
                    inspect(&entry.key, text, problems);
                }
                inspect(&entry.value, text, problems);
            }
        }
    }
}

fn tagged(node: &Node, tag: &str, text: &Text) -> Problem {
    if text.hides(node.span) {
        let hint = "a text that starts with `!` has to be in quotes";
        return Problem::error(Code::YamlTag, node.span, "a YAML tag has no meaning here").help(hint);
    }
    let word = tag.trim_start_matches('!');
    let hint = if tag.starts_with("!!") || word.is_empty() {
        "leave it out; a text that starts with `!` has to be in quotes".to_owned()
    } else {
        format!("for \"anything but this\" write `{{ not: {word} }}`; a text that starts with `!` has to be in quotes")
    };
    Problem::error(Code::YamlTag, node.span, format!("{} is a YAML tag, which has no meaning here", quote(tag))).help(hint)
}

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
    let hint = hint_of(line, &problem.message).or_else(|| hint_of(before, &problem.message));
    problem.maybe_help(hint.map(str::to_owned))
}

fn hint_of(line: &str, message: &str) -> Option<&'static str> {
    let bare = |start: &str| {
        let is_opened = |before: &str| before.trim_end().ends_with([':', ',', '[', '{', '-']);
        line.match_indices(start).any(|(found, _)| is_opened(&line[..found]))
    };
    let indent = &line[..line.len() - line.trim_start().len()];
    if indent.contains('\t') || ["tabs", "a tab", "tab cannot"].iter().any(|word| message.contains(word)) {
        Some("YAML wants spaces, not tabs")
    } else if bare("{{") {
        Some(TEMPLATE_HINT)
    } else if bare("${") {
        Some("between braces or brackets a variable has to be in quotes: `{ secret: \"${NAME}\" }`")
    } else if bare("*") || message.contains("anchor") || message.contains("alias") {
        Some("a value that starts with `*` is a YAML alias; to match with a wildcard, put it in quotes: \"*@example.com\"")
    } else if bare("@") || bare("`") || bare("%") {
        Some("a value that starts with `@`, `%` or a backtick has to be in quotes")
    } else if line.trim_start().contains(": ") && line.matches(": ").count() > 1 && !line.contains('{') {
        Some("a text with `: ` in it has to be in quotes")
    } else if message.contains("quoted scalar") {
        Some("a quote is opened and not closed")
    } else {
        None
    }
}
