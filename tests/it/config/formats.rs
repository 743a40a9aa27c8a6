//! What `check` prints, in each of its formats, to the letter: scripts and editors rely on it.

use super::DATA;
use crate::support::gateway::hookgate;
use std::{fs, path::Path, process::Output};

/// What `check` prints of the rules file of that folder.
fn check(format: &str) -> Output {
    let folder = Path::new(DATA).join("formats");
    let mut command = hookgate();
    command.args(["check", "rules.yaml", "--format", format]).env("KEY", "hidden").current_dir(folder);
    command.output().expect("the binary starts")
}

#[test]
fn check_prints_text_json_and_annotations_as_expected() {
    let folder = Path::new(DATA).join("formats");
    for (format, expected) in [("text", "expected.txt"), ("json", "expected.json"), ("github", "expected.github")] {
        let output = check(format);
        let told = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "rules.yaml: 3 problems, 2 warnings\n");
        assert!(!told.contains("hidden"), "{told}");
        let expected = folder.join(expected);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, &told).expect("the expectation is written");
        }
        assert_eq!(told, fs::read_to_string(&expected).unwrap_or_default(), "UPDATE_GOLDEN=1 rewrites the expectations");
    }
}

#[test]
fn annotations_and_json_name_the_place_in_every_file() {
    let run = |format| String::from_utf8(check(format).stdout).expect("UTF-8");
    let document: serde_json::Value = serde_json::from_str(&run("json")).expect("one document");
    let found = ["problems", "warnings"].into_iter().flat_map(|key| document[key].as_array().expect("a list").clone());
    let places: Vec<_> =
        found.map(|one| format!("file={},line={},col={}", one["file"].as_str().expect("a text"), one["line"], one["column"])).collect();
    let github = run("github");
    assert_eq!(github.lines().count(), places.len());
    for (line, place) in github.lines().zip(places) {
        assert!(line.starts_with("::") && line.contains(&place), "{line} has no {place}");
    }
}
