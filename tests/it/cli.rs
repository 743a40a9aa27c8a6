//! The command line as its users meet it: the real binary, against a gateway that answers by a script.

use crate::support::scripted_admin::{CLOSE, ScriptedAdmin};
use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

mod explain;
mod operate;
mod send;
mod test;

const ID: &str = "evt_01h2xcejqtf2nbrexx3vqjhp41";
const COMMANDS: [&str; 13] =
    ["serve", "check", "test", "explain", "sample", "sign", "verify", "send", "events", "event", "retry", "destinations", "healthcheck"];
const ACCEPTED: &str = r#"{"status":"accepted","event":"evt_01h2xcejqtf2nbrexx3vqjhp41"}"#;
const EVENTS: &str = r#"{"events":[{"id":"evt_01h2xcejqtf2nbrexx3vqjhp41","source":"ottu","kind":"payment","state":"paid","result":"success","operation":null,
    "amount":"10.000","currency_code":"KWD","reference_number":"A\u001b[2J","received_at":"2026-11-22T22:27:53.123Z","status":"dead","answer":200,
    "rules":["paid"],"flags":[],"deliveries":[{"destination":"orders","status":"dead","attempts":2}]}],"next":null}"#;

/// A command line in a folder of its own, with an environment of its own.
struct Shell {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    /// One that knows where the gateway is.
    fn at(admin: &ScriptedAdmin) -> Self {
        Self::new().with("HOOKGATE_ADMIN", admin.url()).with("HOOKGATE_ADMIN_TOKEN", "s3cret")
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, content).expect("written");
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(arguments).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().expect("the binary runs"))
    }

    fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        child.stdin.take().expect("piped").write_all(input).expect("read");
        Ran::of(child.wait_with_output().expect("it ends"))
    }
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Ended with the code, said something like this on standard error, and nothing on standard output.
    #[track_caller]
    fn refused(&self, code: i32, said: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(said), "{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// Ended with 0, said nothing on standard error, and this on standard output.
    #[track_caller]
    fn printed(&self, out: &str) {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        assert_eq!(self.out, out);
    }
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/provider/ottu/samples/{name}.json"))).expect("a sample")
}

fn sample_names() -> Vec<String> {
    Shell::new().run(&["sample"]).out.lines().map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
}

/// Where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn the_help_of_every_command_ends_with_examples() {
    for command in COMMANDS.into_iter().map(|name| vec![name, "--help"]).chain([vec!["--help"], vec!["-h"], vec!["help", "send"]]) {
        let ran = Shell::new().run(&command);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command:?}");
        let (_, examples) = ran.out.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{command:?}: {}", ran.out));
        assert!(examples.lines().count() > 0, "{command:?}");
        assert!(examples.lines().all(|line| line.starts_with("  ") && line.contains("hookgate")), "{command:?}: {examples}");
    }
}

#[test]
fn a_command_line_that_cannot_be_followed_ends_with_2() {
    let shell = Shell::new();
    for wrong in [
        &[][..],
        &["no-such-command"],
        &["serve", "--no-such-option"],
        &["event"],
        &["event", "evt_short"],
        &["event", "../../metrics"],
        &["retry", ID, "Not A Name"],
        &["events", "--limit", "0"],
        &["events", "--format", "xml"],
        &["send"],
        &["explain"],
        &["explain", "payment.payed"],
        &["explain", "payment.paid", "--format", "xml"],
        &["explain", "payment.paid", "--set", "amount"],
        &["send", "--all", "payment.paid", "--to", "http://127.0.0.1:1/"],
        &["send", "--to", "http://127.0.0.1:1/", "--repeat", "0"],
        &["sign", "x.json"],
        &["check", "--format", "xml"],
    ] {
        let ran = shell.run(wrong);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{wrong:?}");
        assert!(!ran.err.is_empty(), "{wrong:?}");
    }
    assert!(shell.run(&["--version"]).out.starts_with("hookgate 0."));
}

#[test]
fn samples_are_listed_one_per_line_and_printed_byte_for_byte() {
    let names = sample_names();
    assert_eq!(names.len(), 15);
    for name in names {
        let ran = Shell::new().run(&["sample", &name]);
        assert_eq!((ran.code, ran.out.as_bytes()), (0, sample(&name).as_slice()), "{name}");
    }
    Shell::new().run(&["sample", "payment.payed"]).refused(2, "there is no sample \"payment.payed\"; did you mean \"payment.paid\"?");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let admin = ScriptedAdmin::start(&[("GET /api/v1/events", 200, EVENTS)]);
    for arguments in [&["sample"][..], &["sample", "payment.paid"], &["events"], &["send", "--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Shell::at(&admin).command(arguments).stdout(writer).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output = Shell::new().command(&["sample"]).stdout(full).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write to standard output: no space left"), "{output:?}");
}

#[test]
fn signing_changes_nothing_but_the_signature() {
    let shell = Shell::new().with("KEY", "test-hmac-key").with("OTHER", "other-key");
    for name in sample_names() {
        let bytes = sample(&name);
        let file = shell.file("event.json", &bytes);
        let path = file.to_str().expect("UTF-8");
        let signed = shell.run(&["sign", path, "--secret-env", "KEY"]);
        assert_eq!((signed.code, signed.err.as_str()), (0, ""), "{name}");
        if name.ends_with(".unsigned") {
            assert_ne!(signed.out.as_bytes(), bytes, "{name}");
        } else {
            assert_eq!(signed.out.as_bytes(), bytes, "{name}");
        }
        let verified = shell.run_with_input(&["verify", "-", "--secret-env", "KEY"], signed.out.as_bytes());
        assert_eq!(verified.code, 0, "{name}: {}", verified.out);
        assert!(verified.out.starts_with("ok: the signature holds"), "{name}: {}", verified.out);
        let wrong = shell.run_with_input(&["verify", "-", "--secret-env", "OTHER"], signed.out.as_bytes());
        assert_eq!(wrong.code, 1, "{name}");
        assert!(wrong.out.starts_with("no: the signature is wrong"), "{name}: {}", wrong.out);
    }
}

#[test]
fn verify_says_why_a_payload_does_not_hold() {
    let shell = Shell::new().with("KEY", "test-hmac-key");
    for (payload, reason) in [
        (sample("operation.void.unsigned"), "no: the payload has no field `signature`\n"),
        (
            br#"{"state":"paid","signature":"00"}"#.to_vec(),
            "no: `signature` is a text of 2 characters, not a text of 64 hexadecimal characters\n\
             signed fields, in their order:\n  state = paid\nmessage: statepaid\n",
        ),
        (b"no json".to_vec(), "no: the payload is not a JSON object"),
    ] {
        let ran = shell.run_with_input(&["verify", "-", "--secret-env", "KEY"], &payload);
        assert_eq!(ran.code, 1);
        assert!(ran.out.starts_with(reason), "{}", ran.out);
    }
}

#[test]
fn sign_and_verify_need_a_file_and_a_secret() {
    let shell = Shell::new().with("KEY", "test-hmac-key").with("EMPTY", "");
    shell.file("event.json", "{}");
    for command in ["sign", "verify"] {
        shell.run(&[command, "none.json", "--secret-env", "KEY"]).refused(2, "cannot read the event file \"none.json\": no such file");
        shell
            .run(&[command, "event.json", "--secret-env", "EMPTY"])
            .refused(2, "the environment variable EMPTY, which `--secret-env` names");
        shell.run(&[command, "event.json", "--secret-env", "UNSET"]).refused(2, "variable UNSET");
        let leaked = shell.run(&[command, "event.json", "--secret-env", "pu9-MpX3yPR"]);
        leaked.refused(2, "the name of an environment variable");
        assert!(!leaked.err.contains("pu9"), "{}", leaked.err);
    }
    shell.file("list.json", "[]");
    shell.run(&["sign", "list.json", "--secret-env", "KEY"]).refused(2, "cannot sign \"list.json\": the");
}

#[test]
fn nobody_there_and_no_answer_both_end_with_4() {
    let closing = ScriptedAdmin::start(&[("POST /", CLOSE, ""), ("GET /api/v1/events", CLOSE, "")]);
    let shell = Shell::new();
    for address in [nowhere(), closing.url()] {
        shell.run(&["send", "operation.void.unsigned", "--to", &address]).refused(4, address.strip_prefix("http://").expect("http"));
        shell.run(&["events", "--admin", &address]).refused(4, address.strip_prefix("http://").expect("http"));
    }
    let nowhere = nowhere();
    for command in [&["event", ID][..], &["retry", ID], &["destinations"], &["healthcheck"]] {
        shell.run(&[command, &["--admin", &nowhere]].concat()).refused(4, "cannot reach 127.0.0.1:");
    }
    let tls = shell.run(&["send", "operation.void.unsigned", "--to", &closing.url().replace("http:", "https:")]);
    tls.refused(4, "no TLS with 127.0.0.1:");
}

#[test]
fn check_lists_every_problem_with_its_place() {
    let shell = Shell::new().with("OTTU_HMAC_KEY", "test-hmac-key");
    shell.file("rules.yaml", GOOD);
    shell.file("bad.yaml", GOOD.replace("to: orders", "to: order").replace("version: 1", "version: 1\ncolour: red"));
    let good = shell.run(&["check"]);
    assert_eq!((good.code, good.out.as_str()), (0, ""), "{}", good.err);
    assert!(good.err.contains("rules.yaml: no problems, no warnings"), "{}", good.err);
    let bad = shell.run(&["check", "bad.yaml"]);
    assert_eq!(bad.code, 78);
    assert!(bad.out.contains("bad.yaml:2") && bad.out.contains("\"orders\""), "{}", bad.out);
    assert!(bad.err.contains("bad.yaml: 2 problems"), "{}", bad.err);
    let json = shell.run(&["check", "bad.yaml", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((json.code, document["problems"].as_array().map(Vec::len)), (78, Some(2)), "{document}");
    let github = shell.run(&["check", "bad.yaml", "--format", "github"]);
    assert_eq!(github.code, 78);
    assert!(github.out.lines().filter(|line| line.starts_with("::error ")).count() == 2, "{}", github.out);
}

#[test]
fn unset_variables_are_problems_unless_they_are_allowed_and_warnings_can_be_denied() {
    let shell = Shell::new();
    shell.file("rules.yaml", GOOD);
    let unset = shell.run(&["check"]);
    assert_eq!(unset.code, 78);
    assert!(unset.out.contains("OTTU_HMAC_KEY"), "{}", unset.out);
    let allowed = shell.run(&["check", "--allow-unset"]);
    assert_eq!(allowed.code, 0, "{}", allowed.out);
    assert!(allowed.out.contains("OTTU_HMAC_KEY"), "{}", allowed.out);
    assert_eq!(shell.run(&["check", "--allow-unset", "--deny-warnings"]).code, 3);
}

#[test]
fn a_lint_is_a_warning_that_can_be_denied_and_allowed() {
    let shell = Shell::new().with("OTTU_HMAC_KEY", "test-hmac-key");
    shell.file("rules.yaml", GOOD.replace("paid }", "payed }"));
    let found = shell.run(&["check"]);
    assert_eq!(found.code, 0, "{}", found.err);
    assert!(found.out.contains("warning[unknown-value]") && found.out.contains("did you mean \"paid\"?"), "{}", found.out);
    assert!(found.err.contains("rules.yaml: no problems, 1 warning"), "{}", found.err);
    assert_eq!(shell.run(&["check", "--deny-warnings"]).code, 3);
    let github = shell.run(&["check", "--format", "github"]);
    assert!(github.out.starts_with("::warning file=rules.yaml,line=7,"), "{}", github.out);
    shell.file("rules.yaml", GOOD.replace("paid }, to: orders", "payed }, to: orders, allow: [unknown-value]"));
    let allowed = shell.run(&["check", "--deny-warnings"]);
    assert_eq!((allowed.code, allowed.out.as_str()), (0, ""), "{}", allowed.err);
}

#[test]
fn a_missing_rules_file_is_a_wrong_configuration() {
    let shell = Shell::new();
    for command in [&["check"][..], &["check", "none.yaml"], &["serve"], &["serve", "--config", "none.yaml"]] {
        let ran = shell.run(command);
        assert_eq!(ran.code, 78, "{command:?}: {}", ran.err);
        let file = if command.contains(&"none.yaml") { "none.yaml" } else { "rules.yaml" };
        assert!(ran.out.contains(file) || ran.err.contains(file), "{command:?}: {} {}", ran.out, ran.err);
    }
}

const GOOD: &str = "version: 1\n\
    sources:\n  ottu: { secret: \"${OTTU_HMAC_KEY}\" }\n\
    destinations:\n  orders: http://orders.internal/hooks\n\
    rules:\n  - { name: paid, when: { kind: payment, state: paid }, to: orders }\n";
