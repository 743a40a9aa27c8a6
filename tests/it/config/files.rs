//! Files that are no text, no file, or too much: each is one clear answer, and none makes reading wait.

use super::{SMALLEST, load_text, variable};
use crate::support::gateway::hookgate;
use hookgate::{
    config::{Code, Unset, load},
    domain::clock::Clock,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{fs, path::Path, time::Duration};

#[test]
fn a_file_that_cannot_be_read_as_text_is_one_clear_error() {
    let missing = load(Path::new("nowhere/rules.yaml"), &variable, Unset::Error).expect_err("it is not there");
    assert!(
        missing.to_string().starts_with("nowhere/rules.yaml: error[unreadable-file]: the rules file cannot be read: No such file"),
        "{missing}"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rules.yaml");
    let utf_16 = SMALLEST.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    for (bytes, code, place, says) in [
        (b"version: 1\nname: \xff\n".to_vec(), Code::NotUtf8, (2, 7), "Latin-1"),
        (b"\xef\xbb\xbfsecret: hidden\xe9\n".to_vec(), Code::NotUtf8, (1, 15), "secret:***"),
        (utf_16, Code::NotUtf8, (0, 0), "it looks like UTF-16"),
        (b"version: 1\r\nname: a\0b\n".to_vec(), Code::ControlCharacter, (2, 8), "U+0000"),
        (b"version: 1\nname: \x1b[31m\n".to_vec(), Code::ControlCharacter, (2, 7), "U+001B"),
        (vec![b'#'; (1 << 20) + 1], Code::FileTooLarge, (0, 0), "1 MiB"),
        (Vec::new(), Code::EmptyFile, (1, 1), "empty"),
        (b"# a\n\n# b\n".to_vec(), Code::EmptyFile, (1, 1), "empty"),
        ([b"[".to_vec(), b"1,".repeat(120_000), b"]".to_vec()].concat(), Code::TooManyValues, (1, 200_000), "100000"),
    ] {
        fs::write(&path, bytes).expect("the file is written");
        let error = load(&path, &variable, Unset::Error).expect_err(says);
        assert_eq!(error.problems.len(), 1, "{error}");
        let found = &error.problems[0];
        assert_eq!((found.code, (found.line, found.column)), (code, place), "{error}");
        assert!(error.to_string().contains(says) && !error.to_string().contains("hidden"), "{error}");
    }
    fs::write(&path, format!("\u{feff}{SMALLEST}").replace('\n', "\r\n")).expect("the file is written");
    assert!(load(&path, &variable, Unset::Error).is_ok(), "a byte order mark and foreign line ends are no mistake");
}

#[test]
fn a_folder_a_pipe_and_a_device_are_told_from_a_file_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipe = folder.path().join("pipe.yaml");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    for (path, says) in [(folder.path(), "it is a folder"), (&pipe, "it is not a file"), (Path::new("/dev/zero"), "it is not a file")] {
        let error = load(path, &variable, Unset::Error).expect_err(says);
        assert_eq!(error.problems[0].code, Code::UnreadableFile);
        assert!(error.to_string().contains(says), "{error}");
    }
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, format!("{SMALLEST}\ninclude: ['p*.yaml']\n")).expect("written");
    let error = load(&rules, &variable, Unset::Error).expect_err("a pipe is included");
    assert!(error.to_string().contains("pipe.yaml\" cannot be read: it is not a file"), "{error}");
}

/// A second is generous: the release build takes a few milliseconds.
#[test]
fn a_bomb_of_aliases_is_told_within_a_second() {
    let mut bomb = "version: 1\nx0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let before = format!("*x{}", level - 1);
        bomb += &format!("x{level}: &x{level} [{}]\n", [before.as_str(); 10].join(", "));
    }
    let clock = Clock::system();
    let start = clock.instant();
    let error = load_text(&bomb, Unset::Error).expect_err("it is a bomb");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let found = &error.problems[..];
    assert_eq!((found.len(), found[0].code, found[0].line), (1, Code::TooManyValues, 6), "{error}");
}

#[test]
fn check_says_the_same_of_a_missing_and_of_a_foreign_file() {
    for path in ["/dev/null", "tests", "nowhere.yaml"] {
        let output = hookgate().args(["check", path]).output().expect("the binary starts");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.starts_with(&format!("{path}: error[unreadable-file]: the rules file cannot be read: ")), "{told}");
    }
}
