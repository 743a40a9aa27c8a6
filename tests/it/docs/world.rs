//! What the commands and calls of the documentation are run against: a gateway with events in every state, and a shell.

use super::page::{Block, root};
use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{exchange, request, sample},
    sink::{Reply, Sink},
    until::until,
};
use hookgate::tasks;
use regex::Regex;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// The variables of rules.example.yaml and of the page of providers.
pub const VARIABLES: [(&str, &str); 6] = [
    ("OTTU_HMAC_KEY", "test-hmac-key"),
    ("OTTU_TEST_HMAC_KEY", "test-key-of-the-sandbox"),
    ("ERP_TOKEN", "t0ken"),
    ("OPS_CHAT_WEBHOOK_URL", "http://chat.internal/hook"),
    ("BILLING_SECRET", "secret of billing"),
    ("NEWS_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
];

/// Commands that no test can run, why, and the file of the repository that has to be there for them.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("docker ", "needs a daemon and downloads images", "Dockerfile"),
    ("scripts/run", "builds a release and serves on; .ci/run runs it with --once", "scripts/run"),
    ("scripts/test", "runs this very test", "scripts/test"),
    ("cargo build", "builds for minutes what is being tested", "Cargo.toml"),
    ("sqlite3 ", "is a tool of the operator's", "src/store/sqlite/folder.rs"),
];

/// A gateway whose destination `erp` answers 503, whose `ops-chat` answers 410, and a folder to run commands in.
pub struct World {
    gateway: Gateway,
    folder: TempDir,
    /// Delivered, retrying and dead, by destination.
    event: String,
    _sinks: [Sink; 3],
}

impl World {
    /// With the sources of the rules file that is shown, beside its own.
    pub async fn start(shown: Option<&Block>) -> Self {
        let failing = |code| Sink::always(Reply::with_body(code, r#"{"error":"maintenance"}"#));
        let sinks = [Sink::always(Reply::status(200)), failing(503), failing(410)];
        let example = fs::read_to_string(root().join("rules.example.yaml")).expect("the example is there");
        let near = Regex::new("http://[a-z]+\\.internal/[a-z/]+").expect("an expression");
        let rules = example.replace("version: 1\n", "").replace("https://erp.internal/api/payments", &sinks[1].url("/"));
        let rules = rules.replace("\"${OPS_CHAT_WEBHOOK_URL}\"", &sinks[2].url("/"));
        let mut rules = near.replace_all(&rules, sinks[0].url("/")).into_owned();
        if let Some(shown) = shown {
            let (_, sources) = shown.text.split_once("\nsources:\n").unwrap_or_else(|| panic!("{}: no sources", shown.place));
            let (sources, _) = sources.split_once("\ndestinations:\n").unwrap_or_else(|| panic!("{}: nothing after", shown.place));
            rules = rules.replacen("\nsources:\n", &format!("\nsources:\n{sources}\n"), 1);
        }
        let home = Home::new(&rules);
        let (untested, _) = rules.split_once("\ntests:\n").expect("the example has tests");
        let next = format!("{untested}\n").replacen("    to: [orders, erp]\n", "    to: orders\n", 1);
        assert_ne!(next.trim_end(), untested.trim_end(), "the example sends refunds to orders and erp");
        home.write_file("rules.next.yaml", home.text(&next).as_bytes());
        let mut command = hookgate();
        command.args(["serve", "--config"]).arg(home.rules_file()).envs(VARIABLES);
        let gateway = Gateway::run(command, home).await;
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rules.example.yaml"), &example).expect("written");
        let own = format!("{example}\nserver: {{ listen: '127.0.0.1:0', admin: '127.0.0.1:0' }}\n");
        fs::write(folder.path().join("rules.yaml"), own).expect("written");
        for name in ["payment.paid", "operation.cancel"] {
            gateway.send(&sample(name)).await;
        }
        let event = gateway.send(&sample("operation.refund_rejected")).await.event();
        let world = Self { gateway, folder, event, _sinks: sinks };
        until("the first attempts", || async {
            let event = world.gateway.event(&world.event).await;
            let deliveries = event["deliveries"].as_array()?;
            let status = |name| deliveries.iter().find(|delivery| delivery["destination"] == name).map(|delivery| &delivery["status"]);
            (status("erp")? == "retrying" && status("ops-chat")? == "dead" && status("orders")? == "delivered").then_some(())
        })
        .await;
        world
    }

    /// The lines of its log.
    pub fn log(&self) -> Vec<String> {
        self.gateway.log()
    }

    /// Runs a block of commands, and compares what it prints with the block that shows it.
    pub async fn run(&self, block: &Block, shown: Option<&Block>) {
        let script = block.text.replace("\\\n", " ");
        let commands: Vec<_> = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let exempt = |line: &&&str| NOT_RUN.iter().find(|(start, _, _)| line.starts_with(start));
        if commands.iter().any(|line| exempt(&line).is_some()) {
            for line in &commands {
                let (_, _, file) = exempt(&line).unwrap_or_else(|| panic!("{}: {line} stands beside what is not run", block.place));
                assert!(root().join(file).is_file(), "{}: {file}", block.place);
            }
            return;
        }
        if let [serve] = commands[..]
            && let Some(arguments) = serve.strip_prefix("hookgate serve")
        {
            return self.serve(block, arguments).await;
        }
        let output = self.shell(script.clone()).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let wanted = block.note().strip_prefix("exit=").map_or(0, |code| code.parse().expect("a code"));
        assert_eq!(output.status.code(), Some(wanted), "{}:\n{}\n{out}{err}", block.place, block.text);
        match shown {
            Some(shown) if shown.is("json") => compare(shown, &serde_json::from_str(&out).expect(&shown.place)),
            Some(shown) => assert!(is_shown(&shown.text, &format!("{out}\n{err}")), "{}:\n{}\nis:\n{out}{err}", shown.place, shown.text),
            None => {}
        }
    }

    /// Makes a call, and compares the answer with the block that shows it.
    pub async fn call(&self, block: &Block, shown: &Block) {
        let (line, body) = block.text.split_once('\n').expect("a line");
        let (method, path) = line.split_once(' ').unwrap_or_else(|| panic!("{}: {line}", block.place));
        let (path, body) = (path.replace("$EVENT", &self.event), body.trim().as_bytes());
        let answer = if path.starts_with("/webhooks/") {
            exchange(self.gateway.public, &request(method, &path, &[], body)).await
        } else {
            self.gateway.call(method, &path, body).await
        };
        let code = if shown.note().is_empty() { 200 } else { shown.note().parse().expect("a code") };
        assert_eq!(answer.code, code, "{}: {}", shown.place, answer.text());
        compare(shown, &answer.json());
    }

    /// Starts it, waits until it is ready, and stops it.
    async fn serve(&self, block: &Block, arguments: &str) {
        let mut command = hookgate();
        command.arg("serve").args(arguments.split_whitespace()).current_dir(self.folder.path()).envs(VARIABLES);
        let gateway = Gateway::run(command, Home::new("")).await;
        gateway.terminate();
        assert!(gateway.ended().await.0.success(), "{}", block.place);
    }

    /// With the addresses of the page replaced by those of the gateway.
    async fn shell(&self, script: String) -> Output {
        let script = script.replace("127.0.0.1:8080", &self.gateway.public.to_string());
        let mut command = Command::new("sh");
        let binary = Path::new(env!("CARGO_BIN_EXE_hookgate")).parent().expect("a folder");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").expect("a PATH"));
        command.args(["-eu", "-c", &script.replace("127.0.0.1:9090", &self.gateway.admin.to_string())]);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).envs(VARIABLES).env("PATH", path);
        command.env("HOOKGATE_ADMIN", format!("http://{}", self.gateway.admin)).env("HOOKGATE_ADMIN_TOKEN", self.gateway.home.token());
        command.env_remove("HOOKGATE_CONFIG").env_remove("HOOKGATE_ENV").env("EVENT", &self.event);
        tasks::blocking(move || command.output()).await.expect("it does not panic").expect("there is a shell")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// `…` stands for any text of a line, and alone for any lines. Blanks and empty lines do not count: columns are as wide as
/// what is in them.
pub fn is_shown(shown: &str, found: &str) -> bool {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = |text: &str| text.lines().map(words).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let part = |line: &String| match line.as_str() {
        "…" => "(?:.*\n)*".to_owned(),
        line => regex::escape(line).replace('…', ".*") + "\n",
    };
    let pattern: String = lines(shown).iter().map(part).collect();
    let found: String = lines(found).iter().map(|line| format!("{line}\n")).collect();
    Regex::new(&format!("\\A{pattern}\\z")).expect("an expression").is_match(&found)
}

/// A problem has to be the very one that is shown, anything else has to have its shape.
fn compare(shown: &Block, found: &Value) {
    let wanted: Value = serde_json::from_str(&shown.text).unwrap_or_else(|error| panic!("{}: {error}", shown.place));
    if wanted.get("title").is_some() {
        assert_eq!(&wanted, found, "{}", shown.place);
    } else {
        assert!(has_shape(&wanted, found), "{}: {found:#}", shown.place);
    }
}

/// The same keys everywhere, and values of the same type; what is null in either may be anything.
fn has_shape(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len() && wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| has_shape(wanted, found)))
        }
        (Value::Array(wanted), Value::Array(found)) => wanted.iter().all(|wanted| found.iter().any(|found| has_shape(wanted, found))),
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) => true,
        _ => false,
    }
}
