//! The call that has the rules file read again, or only says what that would change.

use super::{
    Admin, Reply, Request, Uncomparable,
    api::{body, only, unavailable},
};
use crate::domain::problem::Problem;
use http::Method;
use serde_json::{Value, json};
use std::{ops::RangeInclusive, sync::Arc};

/// Events that a dry run looks at: where the call does not say, and as many as it may.
const LAST: usize = 1_000;
const BOUNDS: RangeInclusive<usize> = 1..=10_000;

const WANTED: &str = r#"`{"dry_run": true, "file": "rules.next.yaml", "last": 1000}`, of which nothing is needed"#;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    dry_run: bool,
    file: Option<String>,
    last: Option<usize>,
}

impl Admin {
    /// Answers `POST /-/reload`.
    pub(super) async fn reload(&self, request: &Request) -> Result<Reply, Problem> {
        only(request, Method::POST)?;
        let asked: Asked = body(request, WANTED)?.unwrap_or_default();
        let gateway = Arc::clone(&self.gateway);
        if !asked.dry_run {
            if asked.last.is_some() || asked.file.is_some() {
                return Err(bad("`file` and `last` are of a dry run: they go with `\"dry_run\": true`.".to_owned()));
            }
            return Ok(match gateway.reload().await {
                Ok(warnings) => Reply::json(200, &json!({ "status": "reloaded", "warnings": warnings })),
                Err(errors) => refused("The rules before it stay in force; `errors` says what is wrong.", &errors),
            });
        }
        let last = asked.last.unwrap_or(LAST);
        if !BOUNDS.contains(&last) {
            return Err(bad(format!("`last` is {last}; wanted is a whole number from {} to {}.", BOUNDS.start(), BOUNDS.end())));
        }
        if let Some(name) = asked.file.as_deref().filter(|name| !is_beside(name)) {
            return Err(bad(format!("`file` is {name:?}; wanted is the name of a .yaml or .yml file in the folder of the rules file.")));
        }
        match gateway.dry_run(asked.file, last).await {
            Ok(compared) => Ok(Reply::json(200, &compared)),
            Err(Uncomparable::Refused(errors)) => Ok(refused("A reload would refuse it; `errors` says what is wrong.", &errors)),
            Err(Uncomparable::Store(error)) => Err(unavailable(error)),
        }
    }
}

fn refused(detail: &'static str, errors: &[Value]) -> Reply {
    Reply::problem(&Problem::new(422, "Rules file refused", detail)).with_member("errors", &errors)
}

/// Whether it names a file of rules in the folder of the rules file. Any other file is none of the caller's business: an error
/// would show a line of it.
fn is_beside(name: &str) -> bool {
    let is_plain = !name.starts_with('.') && !name.contains(['/', '\0']);
    is_plain && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

fn bad(detail: String) -> Problem {
    Problem::new(400, "Bad request", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_files_beside_the_rules_file_are_read() {
        for good in ["rules.yaml", "rules.next.yml", "a b.yaml"] {
            assert!(is_beside(good), "{good}");
        }
        for bad in ["", "admin-token", "key.pem", "../x.yaml", "/etc/x.yaml", "a/b.yaml", ".yaml", "..", "x.yaml/", "x\0.yaml"] {
            assert!(!is_beside(bad), "{bad:?}");
        }
    }
}
