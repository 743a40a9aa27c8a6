//! A proxy before the gateway, nginx or haproxy, with the settings that `docs/operations.md` gives and nothing else but
//! addresses, a log and a temporary folder.

use super::{skipped, until::until};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

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
}

impl Proxy {
    /// In front of that gateway. `None`: it is not installed here, which is said.
    pub async fn start(kind: Kind, gateway: SocketAddr) -> Option<Self> {
        let Some(program) = program(kind.name()) else {
            skipped::say(&format!("{0} is missing (apt-get install {0})", kind.name()));
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Whoever takes the port in between makes the proxy end, and another one is tried.
        for _ in 0..10 {
            let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            let settings = folder.path().join("settings");
            fs::write(&settings, configuration(kind, address, gateway, folder.path())).expect("the settings are written");
            let mut command = Command::new(&program);
            match kind {
                Kind::Nginx => command.arg("-p").arg(folder.path()).arg("-c").arg(&settings),
                Kind::Haproxy => command.args(["-db", "-f"]).arg(&settings),
            };
            let said = |name: &str| fs::File::options().create(true).append(true).open(folder.path().join(name)).expect("a file");
            command.stdin(Stdio::null()).stdout(said("stdout")).stderr(said("stderr"));
            let mut child = command.spawn().expect("it is there");
            let is_up = until("the proxy to listen", || {
                let ended = child.try_wait().expect("the child can be asked").is_some();
                async move { (ended || tokio::net::TcpStream::connect(address).await.is_ok()).then_some(!ended) }
            })
            .await;
            if is_up {
                return Some(Self { kind, child, address, folder });
            }
        }
        let said = fs::read_to_string(folder.path().join("stderr")).unwrap_or_default();
        panic!("{kind:?} does not start: {said}");
    }

    /// How many requests it has sent on to the gateway and has done with, by its log.
    pub fn forwarded(&self) -> usize {
        let log = match self.kind {
            Kind::Nginx => self.folder.path().join("access.log"),
            Kind::Haproxy => self.folder.path().join("stdout"),
        };
        let lines = fs::read_to_string(log).unwrap_or_default();
        lines
            .lines()
            .filter(|line| match self.kind {
                Kind::Nginx => line.starts_with("127.0.0.1:"),
                Kind::Haproxy => line.contains(" hookgate/hookgate "),
            })
            .count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
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
