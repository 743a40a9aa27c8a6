//! A proxy before the gateway, nginx or haproxy, with the settings that `docs/operations.md` gives and nothing else but
//! addresses, a log and a temporary folder.

use super::{
    port::Port,
    sender::{Connection, request},
    skipped,
    until::until,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Nginx, Self::Haproxy];

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }
}

/// A running proxy. It is killed when dropped.
pub struct Proxy {
    kind: Kind,
    child: Child,
    pub address: SocketAddr,
    folder: TempDir,
    _port: Port,
}

/// No source's path: the gateway answers 404.
const PROBE: &str = "/is-the-gateway-there";

impl Proxy {
    /// In front of that gateway. `None`: it is not installed here, which is said.
    pub async fn start(kind: Kind, gateway: SocketAddr) -> Option<Self> {
        let Some(program) = program(kind.name()) else {
            skipped::say(&format!("{0} is missing (apt-get install {0})", kind.name()));
            return None;
        };
        let port = Port::claim();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = folder.path().join("settings");
        fs::write(&settings, configuration(kind, port.address, gateway, folder.path())).expect("the settings are written");
        let mut command = Command::new(&program);
        match kind {
            Kind::Nginx => command.arg("-p").arg(folder.path()).arg("-c").arg(&settings),
            Kind::Haproxy => command.args(["-db", "-f"]).arg(&settings),
        };
        let said = |name: &str| fs::File::create(folder.path().join(name)).expect("a file");
        command.stdin(Stdio::null()).stdout(said("stdout")).stderr(said("stderr"));
        let child = command.spawn().expect("it is there");
        let mut proxy = Self { kind, child, address: port.address, folder, _port: port };
        until("the proxy to lead to the gateway", || {
            let ended = proxy.child.try_wait().expect("the child can be asked");
            assert!(ended.is_none(), "{kind:?} ended: {}", proxy.said("stderr"));
            let address = proxy.address;
            async move { leads_to_the_gateway(address).await.then_some(()) }
        })
        .await;
        until("its own log to say so", || async { (proxy.lines(PROBE) > 0).then_some(()) }).await;
        Some(proxy)
    }

    /// How many requests it has sent on to the gateway and has done with, by its log.
    pub fn forwarded(&self) -> usize {
        self.lines("") - self.lines(PROBE)
    }

    /// Lines of its log of requests that went on to the gateway and have that in them.
    fn lines(&self, part: &str) -> usize {
        let log = match self.kind {
            Kind::Nginx => self.said("access.log"),
            Kind::Haproxy => self.said("stdout"),
        };
        let went_on = |line: &str| match self.kind {
            Kind::Nginx => line.starts_with("127.0.0.1:"),
            Kind::Haproxy => line.contains(" hookgate/hookgate "),
        };
        log.lines().filter(|line| went_on(line) && line.contains(part)).count()
    }

    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether a request gets an answer that only the gateway gives.
async fn leads_to_the_gateway(proxy: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(proxy).await else { return false };
    let mut connection = Connection::over(stream);
    connection.send(&request("GET", PROBE, &[], b"")).await;
    connection.answer().await.is_some_and(|answer| answer.code == 404)
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.exists())
}

/// The block of the documentation in that language.
fn documented(language: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs/operations.md"].iter().collect();
    let page = fs::read_to_string(path).expect("the page is there");
    let block = page.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("docs/operations.md has no block of {language}")).to_owned()
}

fn configuration(kind: Kind, address: SocketAddr, gateway: SocketAddr, folder: &Path) -> String {
    let mut text = documented(kind.name());
    let tls = |file: &str| format!("{}/tests/data/tls/{file}", env!("CARGO_MANIFEST_DIR"));
    let replacements = match kind {
        Kind::Nginx => vec![
            ("127.0.0.1:8080", gateway.to_string()),
            ("listen 443 ssl;", format!("listen {address};")),
            ("/etc/nginx/tls/fullchain.pem", tls("localhost.pem")),
            ("/etc/nginx/tls/privkey.pem", tls("localhost.key")),
        ],
        Kind::Haproxy => {
            vec![("127.0.0.1:8080", gateway.to_string()), (":443 ssl crt /etc/haproxy/tls.pem alpn http/1.1", address.to_string())]
        }
    };
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "{from} is there once: {text}");
        text = text.replace(from, &to);
    }
    match kind {
        Kind::Haproxy => format!("global\n    log stdout format raw local0\n{text}"),
        Kind::Nginx => {
            let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {of};\n")).concat();
            format!(
                "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{ worker_connections 16384; }}\n\
                 http {{\n{places}log_format counted '$upstream_addr $status \"$request\"';\naccess_log {}/access.log counted;\n{text}}}\n",
                folder.display()
            )
        }
    }
}
