//! Stories that cannot be told on this machine. The test's harness hides what a passing test says, so it is also written to
//! the file that `HOOKGATE_TEST_SKIPPED` names, where there is one: `scripts/test` shows it at its end.

use std::{env, fs::File, io::Write};

/// Says that the running test is skipped, or a part of it, and why.
pub fn say(why: &str) {
    let line = format!("skipped: {}: {why}\n", std::thread::current().name().unwrap_or("a test"));
    eprint!("{line}");
    if let Some(path) = env::var_os("HOOKGATE_TEST_SKIPPED") {
        // One write for one line: others append at the same time.
        let written = File::options().create(true).append(true).open(&path).and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
