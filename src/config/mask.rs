//! Which parts of the file are never shown: values under secret keys, a url's user-info and query.

use super::{
    hints, keys,
    problem::closest,
    tree::{Entry, Kind, Node, Style},
};
use std::ops::Range;

const SECRET_KEYS: [&str; 4] = ["secret", "auth", "headers", "admin_token"];
/// Outside of the rules a key that contains one of these is likely a secret one, misspelt or of another tool.
const SECRET_WORDS: [&str; 7] = ["secret", "token", "passw", "key", "credential", "bearer", "hmac"];

/// The masks of a whole tree.
pub fn of_tree(text: &str, root: &Node) -> Vec<Range<usize>> {
    let mut masks = Masks { text, found: Vec::new() };
    if let Kind::Mapping(entries) = &root.kind {
        for entry in entries {
            match (key_of(&entry.key), &entry.value.kind) {
                (Some("rules" | "tests"), _) => masks.entry(&entry.key, &entry.value, Place::Rules),
                (Some("sources"), Kind::Mapping(sources)) => masks.named(sources, Place::Settings),
                (Some("destinations"), Kind::Mapping(destinations)) => masks.named(destinations, Place::Destinations),
                (Some(_) | None, Kind::Scalar(..) | Kind::Sequence(_) | Kind::Mapping(_)) => {
                    masks.entry(&entry.key, &entry.value, Place::Settings);
                }
            }
        }
    }
    masks.found.extend(of_comments(text));
    masks.found
}

/// The masks of comments: a key that was commented out may still be one.
fn of_comments(text: &str) -> Vec<Range<usize>> {
    let mut alone = String::with_capacity(text.len());
    for line in text.split_inclusive(['\n', '\r']) {
        let starts = |found: &(usize, &str)| found.0 == 0 || line[..found.0].ends_with([' ', '\t']);
        let start = line.match_indices('#').find(starts).map_or(line.trim_end_matches(['\n', '\r']).len(), |(found, _)| found);
        let comment = line[start..].trim_start_matches('#');
        alone.extend(std::iter::repeat_n(' ', line.len() - comment.len()));
        alone.push_str(comment);
    }
    of_text(&alone)
}

/// The masks of a text that is no tree: by its words alone, so rather too much than too little.
pub fn of_text(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut hidden_below: Option<usize> = None;
    let mut start = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let content = line.trim_end();
        let indent = content.len() - content.trim_start_matches([' ', '\t', '-']).len();
        if hidden_below.is_some_and(|below| !content.is_empty() && indent <= below && starts_with_key(&content[indent..])) {
            hidden_below = None;
        }
        let first = if hidden_below.is_some() { Some(indent) } else { first_secret_key(content) };
        if let Some(first) = first {
            found.push(start + first..start + content.len());
            hidden_below = hidden_below.or(Some(indent));
        }
        found.extend(parts_of_urls(content).into_iter().map(|part| start + part.start..start + part.end));
        start += line.len();
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Settings,
    /// How a source's sender signs: which header, not what is in it.
    Signature,
    Destinations,
    Rules,
}

struct Masks<'t> {
    text: &'t str,
    found: Vec<Range<usize>>,
}

impl Masks<'_> {
    /// Sources or destinations: one that is called "auth" is not secret for its name.
    fn named(&mut self, entries: &[Entry], place: Place) {
        for entry in entries {
            match (&entry.value.kind, place) {
                (Kind::Mapping(inner), _) => inner.iter().for_each(|inner| self.entry(&inner.key, &inner.value, place)),
                (Kind::Scalar(..), Place::Destinations) => self.urls(&entry.value),
                // Where a source should be there is most likely its key.
                (Kind::Scalar(..) | Kind::Sequence(_), Place::Settings | Place::Signature) => self.hide(&entry.value),
                (Kind::Scalar(..) | Kind::Sequence(_), Place::Destinations | Place::Rules) => self.entry(&entry.key, &entry.value, place),
            }
            self.hide_within(&entry.key, place);
        }
    }

    fn entry(&mut self, key: &Node, value: &Node, place: Place) {
        let name = key_of(key).unwrap_or_default();
        if place != Place::Rules && has_value_in_it(name) {
            self.found.push(key.span.start.offset..key.span.end);
        }
        // Where `sign` has no keys it most likely has a secret.
        let is_unkeyed = name == "sign" && !matches!(value.kind, Kind::Mapping(_));
        if is_secret(name, place) || place == Place::Destinations && is_unkeyed {
            return self.hide(value);
        }
        let place = if name == "signature" && place == Place::Settings { Place::Signature } else { place };
        match &value.kind {
            Kind::Mapping(entries) => {
                for entry in entries {
                    if name == "sign" && place == Place::Destinations && entry.value.is_null() {
                        self.hide(&entry.key);
                    }
                    self.entry(&entry.key, &entry.value, place);
                }
            }
            Kind::Sequence(items) => items.iter().for_each(|item| self.entry(key, item, place)),
            Kind::Scalar(text, _) if name == "url" || text.contains("://") => self.urls(value),
            Kind::Scalar(..) => {}
        }
        if key_of(key).is_none() {
            self.hide_within(key, place);
        }
    }

    fn urls(&mut self, node: &Node) {
        let offset = node.span.start.offset;
        let written = &self.text[offset..node.span.end];
        let mut parts = parts_of_urls(written);
        // Known to be one, it may have a blank in it, or no scheme.
        let start = written.find("//").map_or(usize::from(written.starts_with(['"', '\''])), |found| found + 2);
        let end = written.trim_end_matches(['"', '\'']).len();
        let query = end_of_part(written, start, &['?']).clamp(start, end.max(start));
        parts.extend(written[start..query].rfind('@').map(|found| start..start + found));
        parts.extend((query < end).then_some(query + 1..end));
        self.found.extend(parts.into_iter().map(|part| offset + part.start..offset + part.end));
    }

    /// Hides every scalar below; keys too, unless they stand in a mapping where keys are wanted.
    fn hide(&mut self, node: &Node) {
        match &node.kind {
            // An absent value has the place of its key.
            Kind::Scalar(text, Style::Plain) if text.is_empty() && node.tag.is_none() => {}
            Kind::Scalar(..) => self.found.push(node.span.start.offset..node.span.end),
            Kind::Sequence(items) => items.iter().for_each(|item| self.hide(item)),
            Kind::Mapping(entries) => {
                for entry in entries {
                    if entry.value.is_null() || key_of(&entry.key).is_none() {
                        self.hide(&entry.key);
                    }
                    self.hide(&entry.value);
                }
            }
        }
    }

    fn hide_within(&mut self, node: &Node, place: Place) {
        match &node.kind {
            Kind::Scalar(..) => {}
            Kind::Sequence(items) => items.iter().for_each(|item| self.hide_within(item, place)),
            Kind::Mapping(entries) => entries.iter().for_each(|entry| self.entry(&entry.key, &entry.value, place)),
        }
    }
}

fn key_of(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(text, _) => Some(text),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

fn is_secret(key: &str, place: Place) -> bool {
    let is_like = || {
        let lower = key.to_lowercase();
        SECRET_WORDS.iter().any(|word| lower.contains(word)) || closest(&lower, SECRET_KEYS).is_some()
    };
    match place {
        Place::Settings | Place::Destinations => SECRET_KEYS.contains(&key) || is_like(),
        Place::Signature => !keys::SIGNATURE.names().any(|name| name == key) && is_like(),
        Place::Rules => SECRET_KEYS.contains(&key),
    }
}

/// Whether what YAML reads as a key alone is a secret one with its value: `secret:"…"`, without the space that it wants.
fn has_value_in_it(key: &str) -> bool {
    let name = hints::name_of(key);
    name.len() < key.len() && (is_secret(name, Place::Settings) || is_secret(key, Place::Settings))
}

fn parts_of_urls(text: &str) -> Vec<Range<usize>> {
    text.match_indices("://").flat_map(|(found, mark)| parts_of_url(text, found + mark.len())).collect()
}

/// User-info and query of the url whose authority starts there.
fn parts_of_url(text: &str, start: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let authority = end_of_part(text, start, &['/', '?', '#', '"', '\'', ' ', '\n', '\r']);
    if let Some(end) = text[start..authority].rfind('@') {
        parts.push(start..start + end);
    }
    let end = end_of_part(text, authority, &['"', '\'', ' ', '\n', '\r']);
    if let Some(query) = text[authority..end].find('?') {
        parts.push(authority + query + 1..end);
    }
    parts
}

/// The first of these letters that is in no `{{ … }}`; where one has no end, the end of its line.
fn end_of_part(text: &str, start: usize, ends: &[char]) -> usize {
    let from = |start: usize, ends: &[char]| text[start..].find(ends).map_or(text.len(), |found| start + found);
    let mut at = start;
    loop {
        let end = from(at, ends);
        let Some(opened) = text[at..end].find("{{").map(|found| at + found + 2) else { return end };
        let line = from(opened, &['\n', '\r']);
        let Some(closed) = text[opened..line].find("}}") else { return line };
        at = opened + closed + 2;
    }
}

/// Where the value of a secret key starts on the line.
fn first_secret_key(line: &str) -> Option<usize> {
    let mut start = 0;
    while let Some(colon) = line[start..].find(':').map(|found| start + found) {
        let before = line[..colon].trim_end_matches(['"', '\'', ' ']);
        let word = before.rfind(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '-')).map_or(before, |found| {
            let width = before[found..].chars().next().map_or(1, char::len_utf8);
            &before[found + width..]
        });
        if !word.is_empty() && is_secret(word, Place::Settings) {
            return Some(colon + 1);
        }
        start = colon + 1;
    }
    None
}

fn starts_with_key(text: &str) -> bool {
    let word = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-').count();
    let rest = &text[word..];
    word > 0 && (rest == ":" || rest.starts_with(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{text::Text, tree::FileId, yaml};

    fn shown(masks: Vec<Range<usize>>, text: &str) -> String {
        let mut shown = Text::new("rules.yaml".to_owned(), text.to_owned());
        shown.mask(masks);
        let mut result = text.to_owned();
        let mut hidden: Vec<_> = of_sorted(&shown, text);
        hidden.reverse();
        for mask in hidden {
            result.replace_range(mask, "***");
        }
        result
    }

    fn of_sorted(shown: &Text, text: &str) -> Vec<Range<usize>> {
        shown.masks().iter().map(|mask| mask.start..mask.end.min(text.len())).collect()
    }

    fn by_tree(text: &str) -> String {
        shown(of_tree(text, &yaml::read(text, FileId::MAIN).expect(text)), text)
    }

    #[test]
    fn values_under_secret_keys_are_hidden_wherever_they_stand() {
        for (text, masked) in [
            ("sources: { a: { secret: abc, path: /x } }", "sources: { a: { secret: ***, path: /x } }"),
            ("sources: { a: { \"secret\": [\"abc\", 'def'] } }", "sources: { a: { \"secret\": [***, ***] } }"),
            ("secret:\n  abc\nrest: 1", "secret:\n  ***\nrest: 1"),
            ("secret: |\n  abc\n  def\nrest: 1", "secret: |\n  ***rest: 1"),
            ("x: { headers: { a: b, c: \"d e\" } }", "x: { headers: { a: ***, c: *** } }"),
            ("destinations: { a: { sign: [abc, def] } }", "destinations: { a: { sign: [***, ***] } }"),
            ("destinations: { a: { sign: { scheme: b, secret: c } } }", "destinations: { a: { sign: { scheme: b, secret: *** } } }"),
            ("destinations: { a: { sign: { abc, secret: c } } }", "destinations: { a: { sign: { ***, secret: *** } } }"),
            ("rules: [ { when: { sign: abc } } ]", "rules: [ { when: { sign: abc } } ]"),
            ("x: { headers: { a, b: } }", "x: { headers: { ***, ***: } }"),
            ("server: { admin_token: tok }", "server: { admin_token: *** }"),
            ("x: { auth: { basic: { user: u, password: p } } }", "x: { auth: { basic: { user: ***, password: *** } } }"),
            ("k: &k abc\nsources: { a: { secret: *k } }", "k: ***\nsources: { a: { secret: *k } }"),
            ("sources: { a: { secert: abc, hmac_key: def } }", "sources: { a: { secert: ***, hmac_key: *** } }"),
            ("rules: [ { when: { token: abc } } ]", "rules: [ { when: { token: abc } } ]"),
            ("sources: { secret: abc, token: { path: /x } }", "sources: { secret: ***, token: { path: /x } }"),
            (
                "destinations: { auth: http://a, key: { url: b, method: c } }",
                "destinations: { auth: http://a, key: { url: b, method: c } }",
            ),
            ("a: { secret: 'x' # it's\n }", "a: { secret: *** # it's\n }"),
            ("a: { secret: !abc }", "a: { secret: *** }"),
            ("a: { { secret: abc }: d }", "a: { { secret: *** }: d }"),
        ] {
            assert_eq!(by_tree(text), masked);
        }
    }

    #[test]
    fn what_was_commented_out_is_hidden_as_if_it_were_not() {
        for (text, masked) in [
            ("a: { path: /x } # secret: abc\nb: 1", "a: { path: /x } # secret:***\nb: 1"),
            ("#secret: abc\nb: 1", "#secret:***\nb: 1"),
            ("a: 1\n  ## auth:\n  ##   bearer: abc\n  ## to: b\nc: d", "a: 1\n  ## auth:\n  ##   ***\n  ## to: b\nc: d"),
            ("a: http://x#secret:abc", "a: http://x#secret:abc"),
            ("# see http://u:p@h/x?k=v\na: b", "# see http://***@h/x?***\na: b"),
            ("a: b # sandbox has its own URL and key\n", "a: b # sandbox has its own URL and key\n"),
            ("# é secret: é\r\na: b", "# é secret:***\r\na: b"),
        ] {
            assert_eq!(by_tree(text), masked);
        }
    }

    #[test]
    fn user_info_and_query_of_urls_are_hidden() {
        for (text, masked) in [
            ("destinations: { a: http://u:p@h/x?k=v }", "destinations: { a: http://***@h/x?*** }"),
            ("destinations: { a: \"u:p@h/x?k=v\" }", "destinations: { a: \"***@h/x?***\" }"),
            ("x: { url: 'https://h/x?k=v@w#f' }", "x: { url: 'https://h/x?***' }"),
            ("x: { url: https://h/x }", "x: { url: https://h/x }"),
            ("x: { url: 'http://h x/?k=v' }", "x: { url: 'http://h x/?***' }"),
            ("x: { url: '//u:p@h/x' }", "x: { url: '//***@h/x' }"),
            ("x: { url: 'http://u:a/b@h/x' }", "x: { url: 'http://***@h/x' }"),
            ("sources: { o: { secret:\"abc\" } }", "sources: { o: { *** } }"),
            ("sources: { o: { secret:\u{a0}abc } }", "sources: { o: { *** } }"),
            ("sources: { o: { path:/x } }", "sources: { o: { path:/x } }"),
            ("x: { url: 'http://h/{{ a }}/b?x={{ c }}&k=v' }", "x: { url: 'http://h/{{ a }}/b?***' }"),
            ("x: { url: 'http://{{ a }}:p@h/?x={{ c&k=v' }", "x: { url: 'http://***@h/?*** }"),
        ] {
            assert_eq!(by_tree(text), masked);
        }
    }

    #[test]
    fn what_is_no_yaml_is_hidden_by_its_words() {
        for (text, masked) in [
            ("a: { secret: \"abc", "a: { secret:***"),
            ("a:\n  secret: [\n\"abc\",\n  def ],\nb: 1", "a:\n  secret:***\n***\n  ***\nb: 1"),
            ("headers:\n  a: b\n  c: d\nurl: http://u:p@h", "headers:\n  ***\n  ***\nurl: http://***@h"),
            ("- secret: é\n- b: 1", "- secret:***\n- b: 1"),
        ] {
            assert_eq!(shown(of_text(text), text), masked);
        }
    }
}
