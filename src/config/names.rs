//! Names of sources and destinations: each once, over all files. Twice in one file is a key twice, which is said elsewhere.

use super::{diagnostics::Code, problem::Problem, text::quote, tree::Scalar, values::Checks};
use std::collections::HashMap;

/// Says which names are in several files.
pub fn once<'t>(what: &str, names: impl IntoIterator<Item = Scalar<'t>>, checks: &mut Checks<'_>) {
    let mut seen: HashMap<&str, Scalar<'t>> = HashMap::new();
    for name in names {
        let first = *seen.entry(name.text).or_insert(name);
        if first.span.start.file != name.span.start.file {
            let place = checks.texts.place(first.span.start, name.span.start.file);
            let message = format!("the {what} {} is in {place} too", quote(name.text));
            checks.problems.push(Problem::error(Code::DuplicateName, name.span, message).help("names are unique over all files"));
        }
    }
}
