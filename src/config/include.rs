//! `include`: which further files there are. Reading them is `trees.rs`'s matter.

use super::{
    diagnostics::Code,
    files::Files,
    keys::single,
    problem::{Problem, Problems},
    text::quote,
    tree::{Kind, Node, Scalar, Span},
    trees::MAX_INCLUDED,
};
use crate::route::pattern::Pattern;
use std::path::{Path, PathBuf};

/// A file to be read.
pub struct Include {
    /// Where it is.
    pub path: PathBuf,
    /// What names it.
    pub at: Span,
}

/// The files that the rules file includes, in order. `None`: some of them are not known, which is among the problems.
pub fn includes(main: &Node, folder: &Path, files: &mut Files, problems: &mut Problems) -> Option<Vec<Include>> {
    let Some(node) = main.value("include") else { return Some(Vec::new()) };
    let items = match &node.kind {
        Kind::Sequence(items) => items.iter().map(|item| &**item).collect(),
        Kind::Scalar(..) | Kind::Mapping(_) => vec![node],
    };
    if items.len() > MAX_INCLUDED {
        let message = format!("`include` has {} entries, and at most {MAX_INCLUDED} files are included", items.len());
        problems
            .push(Problem::error(Code::FileTooLarge, node.span, message).help("a pattern such as `rules.d/*.yaml` takes a whole folder"));
        return None;
    }
    let named = |item: &&Node| files_of(single("each of `include`", item, problems)?, folder, files, problems);
    let found: Vec<_> = items.iter().map(named).collect();
    found.into_iter().collect::<Option<Vec<_>>>().map(|found| found.into_iter().flatten().collect())
}

fn files_of(named: Scalar<'_>, folder: &Path, files: &mut Files, problems: &mut Problems) -> Option<Vec<Include>> {
    let (before, name) = named.text.split_at(named.text.rfind('/').map_or(0, |slash| slash + 1));
    let before = Pattern::parse(before);
    let wrong = |message: String, hint: &str| Problem::error(Code::InvalidValue, named.span, message).help(hint);
    let problem = if named.text.contains("${") {
        let hint = "write the path itself; variables work under `server`, `sources` and `destinations`";
        Some(Problem::error(Code::Interpolation, named.span, "variables are not put into `include`").help(hint))
    } else if name.is_empty() || named.text.contains('\0') {
        let message = format!("`include` wants files, found {}", quote(named.text));
        Some(wrong(message, "to include all files of a folder, write `rules.d/*.yaml`"))
    } else if before.exact().is_none() {
        let message = format!("`include` takes wildcards only in the name of a file, found {}", quote(named.text));
        Some(wrong(message, "write a pattern for each folder"))
    } else {
        None
    };
    if let Some(problem) = problem {
        problems.push(problem);
        return None;
    }
    let folder = folder.join(before.exact().unwrap_or_default());
    let one = |path| Include { path, at: named.span };
    if let Some(exact) = Pattern::parse(name).exact() {
        return Some(vec![one(folder.join(exact))]);
    }
    match files.find(&folder, name) {
        Ok(paths) => {
            if paths.is_empty() {
                let message = format!("{} matches no file", quote(named.text));
                let hint = "a name without wildcards has to be there";
                problems.push(Problem::warning(Code::IncludeMatchesNothing, named.span, message).help(hint));
            }
            Some(paths.into_iter().map(one).collect())
        }
        Err(cause) => {
            let message = format!("the folder of {} cannot be read: {cause}", quote(named.text));
            problems.push(
                Problem::error(Code::UnreadableFile, named.span, message).help("a relative path starts from the folder of the rules file"),
            );
            None
        }
    }
}
