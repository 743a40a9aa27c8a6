//! What YAML allows and a rules file does not: tags, repeated keys, keys that are no text, characters that look like others.

use super::{
    diagnostics::Code,
    hints,
    problem::{Problem, Problems},
    text::{Text, quote},
    tree::{Kind, Node, Style},
};
use std::collections::HashSet;

/// Looks at every value of the tree.
pub fn inspect(node: &Node, text: &Text, problems: &mut Problems) {
    if let Some(tag) = &node.tag {
        problems.push(tagged(node, tag, text));
    }
    match &node.kind {
        Kind::Scalar(..) => problems.extend(look_alike(node)),
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
                        problems.push(found.maybe_help(node.looks_like_template().then(|| hints::TEMPLATE.to_owned())));
                    }
                }
                if entry.key.tag.is_some() || matches!(entry.key.kind, Kind::Scalar(..)) {
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
    // `! paid` and `!= paid` have the word behind the tag.
    let behind = node.scalar().filter(|_| matches!(tag, "!" | "!=")).map(|scalar| scalar.text);
    let word = behind.unwrap_or(tag.trim_start_matches('!'));
    let hint = if tag.starts_with("!!") || word.is_empty() {
        "leave it out; a text that starts with `!` has to be in quotes".to_owned()
    } else {
        format!("for \"anything but this\" write `{{ not: {word} }}`; a text that starts with `!` has to be in quotes")
    };
    Problem::error(Code::YamlTag, node.span, format!("{} is a YAML tag, which has no meaning here", quote(tag))).help(hint)
}

/// Plain text with a letter that the eye takes for a space or for a quote. Nothing of it is shown: it may be secret.
fn look_alike(node: &Node) -> Option<Problem> {
    let Kind::Scalar(text, Style::Plain) = &node.kind else { return None };
    let (message, hint) = if let Some(found) = text.chars().find(|letter| hints::is_invisible(*letter)) {
        (format!("a character stands here that looks like a space and is none (U+{:04X})", u32::from(found)), hints::INVISIBLE)
    } else if text.starts_with(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}']) {
        let hint = "write straight quotes: \" or '; a text that is meant to begin with a curly one stands in straight ones";
        ("a curly quote is a letter to YAML, not a quote".to_owned(), hint)
    } else {
        return None;
    };
    Some(Problem::error(Code::LookAlike, node.span, message).help(hint))
}
