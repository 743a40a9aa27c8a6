//! What reading a rules file makes of any bytes: a configuration or problems, each at a place that the file has, and no
//! secret in any of them.

#![no_main]

use hookgate::config::{Code, Config, Diagnostic, Loaded, Severity, Unset, load};
use libfuzzer_sys::fuzz_target;
use std::{collections::BTreeSet, fs, path::PathBuf, sync::LazyLock};

/// What is in every variable. No problem may show it.
const CONCEALED: &str = "concealed";

/// The most that is told of any file, in bytes.
const MOST_TOLD: usize = 2_000_000;

/// One file per process; `scripts/fuzz` puts it into memory and takes it away.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| std::env::temp_dir().join(format!("hookgate-rules-{}.yaml", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    fs::write(&*FILE, bytes).expect("the temporary folder takes a file");
    let variable = |name: &str| match name {
        "UNSET" => None,
        "LINES" => Some(format!("{CONCEALED}\n{CONCEALED}")),
        _ => Some(CONCEALED.to_owned()),
    };
    let [strict, lenient, dev] = [Unset::Error, Unset::Placeholder, Unset::Dev].map(|unset| load(&FILE, &variable, unset));
    let is_strict = strict.is_ok();
    for loaded in [&strict, &lenient, &dev] {
        match loaded {
            Ok(Loaded { config, warnings, .. }) => {
                assert!(warnings.iter().all(|one| one.severity == Severity::Warning));
                let is_whole = warnings.iter().all(|one| one.code != Code::UnsetVariable);
                // A key that is not set is none.
                inspect(config, usize::from(is_whole));
            }
            Err(error) => {
                assert!(error.problems.iter().any(|one| one.severity == Severity::Error), "a refusal says why");
                assert!(error.to_string().len() < MOST_TOLD, "nobody reads that much");
            }
        }
        let problems = loaded.as_ref().map_or_else(|error| &error.problems, |loaded| &loaded.warnings);
        problems.iter().for_each(|problem| look(problem, bytes));
    }
    assert!(!is_strict || lenient.is_ok(), "what is good with its variables is good without");
    hookgate::config::store_folder(&FILE).ok();
});

/// What a valid configuration has to have.
fn inspect(config: &Config, fewest: usize) {
    assert!(!config.sources.is_empty());
    let paths: BTreeSet<_> = config.sources.iter().map(|source| &source.receive.path).collect();
    assert_eq!(paths.len(), config.sources.len(), "each source has a path of its own");
    for source in &config.sources {
        let secrets = &source.provider.secrets;
        assert!((fewest..=3).contains(&secrets.len()) && secrets.iter().all(|secret| !secret.expose().is_empty()));
    }
    let known: BTreeSet<_> = config.destinations.iter().map(|destination| &destination.name).collect();
    assert_eq!(known.len(), config.destinations.len(), "each destination is there once");
    let names: BTreeSet<_> = config.rules.rules.iter().map(|rule| &rule.name).collect();
    assert_eq!(names.len(), config.rules.rules.len(), "each rule has a name of its own");
    for rule in config.rules.rules.iter() {
        use hookgate::route::Action;
        match &rule.action {
            Action::Send(to) | Action::Tap(to) => assert!(!to.is_empty() && to.iter().all(|name| known.contains(name))),
            Action::Drop => {}
        }
    }
    assert!(config.rules.unmatched.iter().all(|name| known.contains(name)));
    let secrets: Vec<_> = config.sources.iter().map(|source| format!("{:?}", source.provider)).collect();
    let headers: Vec<_> = config.destinations.iter().map(|destination| format!("{:?}", destination.settings.headers)).collect();
    assert!([secrets, headers].concat().iter().all(|shown| !shown.contains(CONCEALED)));
}

/// A problem points into the file, and shows nothing that it must not.
fn look(problem: &Diagnostic, bytes: &[u8]) {
    let shown = [problem.to_string(), problem.github(), problem.to_json()];
    assert!(shown.iter().all(|shown| !shown.contains(CONCEALED)), "{problem}");
    assert!(!problem.message.is_empty());
    assert!(problem.github().lines().count() == 1);
    assert_eq!(problem.line == 0, problem.column == 0);
    // An included file is somebody else's: what it has is not known here.
    if problem.file != FILE.display().to_string() {
        return;
    }
    if problem.line == 0 {
        assert_eq!(problem.source_line, None);
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n");
    let line = text.split(['\n', '\r']).nth(problem.line - 1).unwrap_or_else(|| panic!("there is no such line: {problem}"));
    assert!(problem.column <= line.chars().count() + 1, "there is no such column: {problem}");
    assert!(problem.length >= 1);
    let source_line = problem.source_line.as_ref().expect("a problem at a place shows its line");
    assert!(!source_line.chars().any(char::is_control), "{problem:?}");
}
