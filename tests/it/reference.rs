//! The provider's signature and verdict against a reference in Python, over random payloads. `HOOKGATE_SEED` repeats a run.

use crate::provider::open;
use hookgate::{
    domain::{event::Verdict, secret::Secret},
    provider::{self, Check, OpenError, SignError, Unsigned},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Seek, Write},
    process::{Command, Stdio},
};

const KEY: &str = "test-hmac-key";
const PAYLOADS: usize = 10_000;

/// The same in every run that names it.
fn seed() -> u64 {
    let seed = std::env::var("HOOKGATE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("HOOKGATE_SEED is a number"));
    println!("to repeat this: HOOKGATE_SEED={seed}");
    seed
}

/// What the reference prints.
fn reference(arguments: &[&str], input: Stdio) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ottu/reference.py");
    let run = Command::new("python3").arg(script).args(arguments).env("PYTHONUTF8", "1").stdin(input).stderr(Stdio::inherit()).output();
    let output = run.expect("python3 can be run; scripts/setup installs it");
    assert!(output.status.success(), "the reference failed");
    String::from_utf8(output.stdout).expect("it prints words and digits")
}

/// What is said here of a body, in the words of the reference.
fn judge(body: &[u8]) -> &'static str {
    let opened = open("ottu", body.to_vec().into(), Unsigned::Reject);
    let holds = matches!(provider::ottu::verify(body, &[Secret::new(KEY)]).check, Check::Holds { .. });
    assert_eq!(opened.is_ok(), holds, "opening and verifying agree: {}", String::from_utf8_lossy(body));
    match opened.map(|event| event.verdict) {
        Ok(Verdict::Accepted) => "accepted",
        Ok(Verdict::Quarantined(_)) => "quarantined",
        Err(OpenError::Signature(_)) => "refused",
        Err(OpenError::Malformed) => "malformed",
    }
}

/// Every word is said, and not only of a few: else the payloads are not what they should be.
fn assert_various(said: &BTreeMap<&str, usize>) {
    assert!(said.keys().eq(&["accepted", "quarantined", "refused"]), "{said:?}");
    assert!(said.values().all(|count| *count > PAYLOADS / 20), "{said:?}");
}

#[test]
fn what_python_signs_merges_and_tampers_with_is_judged_here_as_python_judges_it() {
    let printed = reference(&["make", &seed().to_string(), &PAYLOADS.to_string()], Stdio::null());
    let mut said = BTreeMap::new();
    for line in printed.lines() {
        let (word, body) = line.split_once(' ').expect("a word and a body");
        let body = hex::decode(body).expect("hexadecimal digits");
        assert_eq!(judge(&body), word, "{}", String::from_utf8_lossy(&body));
        *said.entry(word).or_default() += 1;
    }
    assert_eq!(said.values().sum::<usize>(), PAYLOADS);
    assert_various(&said);
}

#[test]
fn what_is_signed_or_tampered_with_here_python_judges_as_it_is_judged_here() {
    let printed = reference(&["unsigned", &seed().to_string(), &PAYLOADS.to_string()], Stdio::null());
    let mut bodies = Vec::new();
    for (place, line) in printed.lines().enumerate() {
        let payload = hex::decode(line).expect("hexadecimal digits");
        match provider::ottu::sign(&payload, &Secret::new(KEY)) {
            Ok(signed) => bodies.push(signed),
            Err(SignError::NoText) => {}
            Err(SignError::NotAnObject) => panic!("it is an object: {}", String::from_utf8_lossy(&payload)),
        }
        if place % 4 == 0 {
            bodies.extend(provider::ottu::sign(&payload, &Secret::new("another key")));
        }
    }
    let mut file: File = tempfile::tempfile().expect("a temporary file");
    let lines: String = bodies.iter().map(|body| hex::encode(body) + "\n").collect();
    file.write_all(lines.as_bytes()).and_then(|()| file.rewind()).expect("the file takes the bodies");
    let words = reference(&["judge"], file.into());
    let mut said = BTreeMap::new();
    for (word, body) in words.lines().zip(&bodies) {
        assert_eq!(judge(body), word, "{}", String::from_utf8_lossy(body));
        *said.entry(word).or_default() += 1;
    }
    assert_eq!(said.values().sum::<usize>(), bodies.len());
    assert_various(&said);
}
