//! An included file, as written, and what only all files together have to have.

use super::{
    super::{
        diagnostics::Code,
        keys::{self, Fields},
        problem::{Problem, Problems},
        tree::{Kind, Node, Position, Span},
    },
    is_version_known,
};

/// The keys of an included file. `None`: it is none, which was said.
pub(super) fn fields<'t>(root: &'t Node, problems: &mut Problems) -> Option<Fields<'t>> {
    let hint = "it has `sources`, `destinations`, `rules` or `tests`";
    if !matches!(root.kind, Kind::Mapping(_)) {
        let code = if root.is_null() { Code::EmptyFile } else { Code::NotAMapping };
        let message = format!("an included file wants keys with their values, found {}", root.what());
        problems.push(Problem::error(code, root.span, message).help(hint));
        return None;
    }
    let start = Span { start: Position::start_of(root.span.start.file), end: 0 };
    let fields = Fields::read("an included file", start, root, &keys::TOP, problems)?;
    if !fields.entry("version").is_none_or(|entry| is_version_known(entry, problems)) {
        return None;
    }
    for key in keys::TOP.names().filter(|key| !keys::INCLUDED.contains(key)) {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` stands in an included file");
            let hint = "it is said once for all files: move it to the rules file itself";
            problems.push(Problem::error(Code::MisplacedKey, entry.key.span, message).help(hint));
        }
    }
    Some(fields)
}

/// At least one source has to be in some file.
pub(super) fn require_sources(main: &Fields<'_>, included: &[Fields<'_>], problems: &mut Problems) {
    let said: Vec<_> = [main].into_iter().chain(included).filter_map(|fields| fields.node("sources")).collect();
    match said.first() {
        None => main.require("sources", problems),
        Some(first) if said.iter().all(|node| matches!(&node.kind, Kind::Mapping(entries) if entries.is_empty())) => {
            problems.error(Code::MissingKey, first.span, "`sources` is empty; at least one source is wanted");
        }
        Some(_) => {}
    }
}
