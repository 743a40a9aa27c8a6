//! A server that answers by a script and remembers what it was asked: the gateway, as the command line sees it.

use hookgate::tasks;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The code that makes the server close without an answer.
pub const CLOSE: u16 = 0;

/// What is answered to `METHOD /path`, whatever the query: each in its turn, the last of a path again and again.
pub type Script = &'static [(&'static str, u16, &'static str)];

pub struct ScriptedAdmin {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    is_over: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut line = || {
            let mut line = String::new();
            stream.read_line(&mut line).ok().filter(|read| *read > 0).map(|_| line.trim_end().to_owned())
        };
        let first = line()?;
        let mut headers = Vec::new();
        while let Some((name, value)) = line()?.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut seen = Self { line: first, headers, body: Vec::new() };
        let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        stream.take(length).read_to_end(&mut seen.body).ok()?;
        Some(seen)
    }
}

impl ScriptedAdmin {
    pub fn start(script: Script) -> Self {
        Self::serve(script, None)
    }

    /// With TLS, as `localhost`, by the authority of `tests/data/tls/localhost-ca.pem`.
    pub fn start_tls(script: Script) -> Self {
        let chain = CertificateDer::from_pem_slice(include_bytes!("../../data/tls/localhost.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../data/tls/localhost.key")).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
        let config = builder.expect("versions").with_no_client_auth().with_single_cert(vec![chain], key).expect("they fit");
        Self::serve(script, Some(Arc::new(config)))
    }

    fn serve(script: Script, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State { script, seen: Mutex::default(), is_over: AtomicBool::default(), tls });
        let shared = Arc::clone(&state);
        tasks::thread("scripted", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                shared.connection(stream);
            }
        })
        .expect("a thread");
        Self { address, state }
    }

    /// As `--admin` takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no panic").clone()
    }

    /// The only request.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

impl Drop for ScriptedAdmin {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn connection(&self, stream: TcpStream) {
        match &self.tls {
            None => self.exchange(stream),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).expect("a session");
                self.exchange(StreamOwned::new(session, stream));
            }
        }
    }

    fn exchange(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        let Some(seen) = Seen::read(&mut stream) else { return };
        let asked = seen.line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
        let mut log = self.seen.lock().expect("no panic");
        let turn = log.iter().filter(|before| before.line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ") == asked).count();
        log.push(seen);
        drop(log);
        let answers: Vec<_> = self.script.iter().filter(|(line, ..)| *line == asked).collect();
        let (code, body) = answers
            .get(turn)
            .or(answers.last())
            .map_or((404, r#"{"title":"not found","detail":"not in the script"}"#), |(_, code, body)| (*code, *body));
        if code != CLOSE {
            let head = format!("HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            drop(stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat()));
            drop(stream.get_mut().flush());
        }
    }
}
