//! The gateway: the real binary, on free ports of loopback, with a rules file and a data folder of its own.

use super::{
    canary,
    sender::{self, Answer},
    until::until,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};
use tempfile::TempDir;

/// A running gateway. It is killed when dropped.
pub struct Gateway {
    child: Child,
    log: Log,
    reader: Option<JoinHandle<()>>,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub home: Home,
}

/// The folder of a gateway: its rules file and its data; survives a restart.
pub struct Home {
    folder: TempDir,
    data: PathBuf,
}

type Log = Arc<Mutex<Vec<String>>>;

/// At once, so that nobody who looks finds a part of it.
fn replace(path: &Path, content: &[u8]) {
    let name = path.file_name().expect("it has a name").to_string_lossy();
    let other = path.with_file_name(format!(".{name}.new"));
    fs::write(&other, content).expect("it is written");
    fs::rename(&other, path).expect("it is renamed");
}

impl Home {
    /// With the part of the rules file that stories differ in; `server` and `store` are added.
    pub fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self::made(folder, data, rules)
    }

    /// With its data in a folder that is somebody else's.
    pub fn with_data(data: PathBuf, rules: &str) -> Self {
        Self::made(tempfile::tempdir().expect("a temporary folder"), data, rules)
    }

    fn made(folder: TempDir, data: PathBuf, rules: &str) -> Self {
        let home = Self { folder, data };
        home.write(rules);
        home
    }

    /// Replaces the rules file.
    pub fn write(&self, rules: &str) {
        replace(&self.rules_file(), self.text(rules).as_bytes());
    }

    /// A whole rules file; its `server` has free ports, unless it says more.
    pub fn text(&self, rules: &str) -> String {
        let data = self.data();
        let server = if rules.starts_with("server:") { "" } else { "server: { listen: '127.0.0.1:0', admin: '127.0.0.1:0' }\n" };
        format!("version: 1\nstore: {{ path: '{}' }}\n{server}{rules}", data.display())
    }

    pub fn rules_file(&self) -> PathBuf {
        self.folder.path().join("rules.yaml")
    }

    /// Writes a file beside the rules file.
    pub fn write_file(&self, name: &str, content: &[u8]) {
        replace(&self.folder.path().join(name), content);
    }

    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn token(&self) -> String {
        fs::read_to_string(self.data().join("admin-token")).expect("the token was made").trim().to_owned()
    }
}

/// The binary, without what the environment of the tests says about gateways.
pub fn hookgate() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_hookgate")))
}

/// The same, run by another program.
pub fn hookgate_under(program: &str, arguments: &[&str]) -> Command {
    let mut command = clean(Command::new(program));
    command.args(arguments).arg(env!("CARGO_BIN_EXE_hookgate"));
    command
}

fn clean(mut command: Command) -> Command {
    for name in ["HOOKGATE_CONFIG", "HOOKGATE_ADMIN", "HOOKGATE_ADMIN_TOKEN", "HOOKGATE_ENV"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

impl Gateway {
    /// Starts with those rules and waits until it is ready.
    pub async fn start(rules: &str) -> Self {
        Self::start_in(Home::new(rules)).await
    }

    /// Starts in a folder that may have data of an earlier run.
    pub async fn start_in(home: Home) -> Self {
        let mut command = hookgate();
        command.args(["serve", "--config"]).arg(home.rules_file());
        Self::run(command, home).await
    }

    /// Runs a command that serves.
    pub async fn run(mut command: Command, home: Home) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Log::default();
        let (stderr, lines) = (child.stderr.take().expect("stderr is piped"), Arc::clone(&log));
        let reader = hookgate::tasks::thread("log of the gateway", move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        })
        .expect("a thread");
        let ready = until("the gateway to be ready", || {
            let ended = child.try_wait().expect("the child can be asked");
            let ready = log.lock().unwrap().iter().find(|line| line.contains("\"ready\"") || line.contains(" ready ")).cloned();
            assert!(ready.is_some() || ended.is_none(), "the gateway ended: {:#?}", log.lock().unwrap());
            async { ready }
        })
        .await;
        let address = |key: &str| -> SocketAddr {
            let json: Option<Value> = serde_json::from_str(&ready).ok();
            let text = match &json {
                Some(json) => json[key].as_str().expect("an address").to_owned(),
                None => ready.split(&format!("{key}=")).nth(1).expect("an address").split(' ').next().expect("a word").to_owned(),
            };
            text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        Self { public: address("listen"), admin: address("admin"), child, log, reader: Some(reader), home }
    }

    /// Posts an event to the source `ottu`.
    pub async fn send(&self, body: &[u8]) -> Answer {
        sender::post(self.public, "/webhooks/ottu", body).await
    }

    /// Calls the admin listener with the token.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, b"").await
    }

    /// Calls the admin listener with the token.
    pub async fn call(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let (host, token) = (self.admin.to_string(), format!("Bearer {}", self.home.token()));
        let headers = [("host", host.as_str()), ("authorization", token.as_str()), ("content-type", "application/json")];
        let answer = sender::exchange(self.admin, &sender::request(method, path, &headers, body)).await;
        if !path.starts_with("/dev/sink") {
            canary::check(&format!("{method} {path}"), &answer.text(), sender::KEY);
        }
        answer
    }

    /// An event as the API shows it.
    pub async fn event(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/v1/events/{id}")).await;
        assert_eq!(answer.code, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until the event has that status.
    pub async fn until_status(&self, id: &str, status: &str) -> Value {
        until(&format!("{id} to be {status}"), || async {
            let event = self.event(id).await;
            (event["status"] == status).then_some(event)
        })
        .await
    }

    /// The value of a metric with exactly these labels, as it is written.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {text}"))
    }

    /// The lines of the log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// How many files and connections it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// What it takes of the memory, and what it took at most, in MiB.
    pub fn memory(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process())).expect("it runs");
        let of = |name: &str| -> f64 {
            let kibibytes = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
            kibibytes.and_then(|text| text.parse().ok()).map(|kibibytes: f64| kibibytes / 1024.0).expect("the system tells it")
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to stop, orderly.
    pub fn terminate(&self) {
        signal(self.child.id(), Signal::TERM);
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        signal(self.child.id(), Signal::HUP);
    }

    /// Makes it crash.
    pub fn crash(&self) {
        signal(self.child.id(), Signal::ABORT);
    }

    /// Ends the program that traces it; it goes on without.
    pub fn end_tracer(&self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process())).expect("the gateway runs");
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).expect("the system tells it");
        signal(tracer.trim().parse().expect("a pid"), Signal::TERM);
    }

    /// Waits for its end.
    pub async fn ended(self) -> (ExitStatus, Vec<String>) {
        let (status, log, _home) = self.ended_in().await;
        (status, log)
    }

    /// Waits for its end, and gives back its folder.
    pub async fn ended_in(mut self) -> (ExitStatus, Vec<String>, Home) {
        let status = until("the gateway to end", || {
            let ended = self.child.try_wait().expect("the child can be asked");
            async move { ended }
        })
        .await;
        self.reader.take().expect("it is taken once").join().expect("the reader of the log ends with it");
        let log = self.log();
        (status, log, self.take_home())
    }

    /// Ends it as a power cut of the process would, and gives back its folder.
    pub fn kill(mut self) -> Home {
        self.child.kill().expect("the gateway runs");
        self.child.wait().expect("it was killed");
        self.take_home()
    }

    fn take_home(&mut self) -> Home {
        let empty = Home { folder: tempfile::tempdir().expect("a temporary folder"), data: PathBuf::new() };
        std::mem::replace(&mut self.home, empty)
    }
}

fn signal(process: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process).expect("a pid")).expect("not zero");
    rustix::process::kill_process(pid, signal).expect("it runs");
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        let is_read = self.reader.take().is_none_or(|reader| reader.join().is_ok());
        if is_read && !std::thread::panicking() {
            // `--dev` names its well-known key.
            let said = self.log().into_iter().filter(|line| !line.starts_with("hookgate --dev"));
            said.for_each(|line| canary::check("the log", &line, sender::KEY));
        }
    }
}
