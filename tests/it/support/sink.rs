//! The sink: a destination that records every request and answers by a script, well or badly.
//! It speaks raw TCP on a thread of its own, so that nothing in it is as well-behaved as a library would make it.

use hookgate::{
    domain::clock::{Clock, Instant},
    tasks,
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Notify, oneshot},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

mod reply;

use reply::Wire;
pub use reply::{Manners, Reply};

/// Longer than any story takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When it was read whole.
    pub at: Instant,
    /// Which connection it came on: 0, 1, …
    pub connection: usize,
    /// The certificate that the client showed, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// A running sink; it ends when it is dropped.
pub struct Sink {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

struct Shared {
    script: Box<Script>,
    tls: Option<TlsAcceptor>,
    manners: Option<Manners>,
    requests: Mutex<Vec<Request>>,
    changed: Notify,
    connections: AtomicUsize,
    open: AtomicUsize,
    in_hand: AtomicUsize,
    peak: AtomicUsize,
}

impl Sink {
    /// Answers by a script: the request's number (0, 1, …) and the request decide.
    pub fn scripted(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Box::new(script), None, None)
    }

    /// The same over TLS.
    pub fn over_tls(config: ServerConfig, script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Box::new(script), Some(TlsAcceptor::from(Arc::new(config))), None)
    }

    /// One that never comes to read a request.
    pub fn rude(manners: Manners) -> Self {
        Self::start(Box::new(|_, _| Reply::Silence), None, Some(manners))
    }

    fn start(script: Box<Script>, tls: Option<TlsAcceptor>, manners: Option<Manners>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            script,
            tls,
            manners,
            requests: Mutex::default(),
            changed: Notify::new(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            in_hand: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = oneshot::channel::<()>();
        let own = shared.clone();
        let run = move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    _ = accept(TcpListener::from_std(listener).unwrap(), own) => {}
                    _ = stopped => {}
                }
            });
        };
        drop(tasks::thread("sink", run).unwrap());
        Self { address, scheme, shared, _stop }
    }

    /// Always the same answer.
    pub fn always(reply: Reply) -> Self {
        Self::scripted(move |_, _| reply.clone())
    }

    /// One answer after the other; the last one from then on.
    pub fn in_turn(replies: impl Into<Vec<Reply>>) -> Self {
        let replies = replies.into();
        Self::scripted(move |number, _| replies[number.min(replies.len() - 1)].clone())
    }

    /// `http://127.0.0.1:port`, or `https`, and the path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far, in the order in which they were read.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were in hand at the same time.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// Waits until the requests fulfil the condition, and gives them.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        self.until(what, || condition(&self.shared.requests())).await;
        self.requests()
    }

    /// Waits until so many requests have been read and not answered yet.
    pub async fn wait_in_hand(&self, count: usize) {
        self.until("requests in hand", || self.shared.in_hand.load(Ordering::SeqCst) == count).await;
    }

    /// Waits until so many connections are open.
    pub async fn wait_open(&self, count: usize) {
        self.until("open connections", || self.shared.open.load(Ordering::SeqCst) == count).await;
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let fulfilled = async {
            loop {
                let changed = self.shared.changed.notified();
                if condition() {
                    return;
                }
                // The counts change a moment after the notice, so it is not the only thing that is waited for.
                let _ = timeout(Duration::from_millis(50), changed).await;
            }
        };
        if timeout(PATIENCE, fulfilled).await.is_err() {
            panic!("waited in vain for: {what}; {} requests came", self.shared.requests().len());
        }
    }
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = shared.clone();
        shared.open.fetch_add(1, Ordering::SeqCst);
        tasks::spawn(async move {
            // A peer that goes away in the middle is what many a story is about.
            let _ = meet(stream, number, &shared).await;
            shared.open.fetch_sub(1, Ordering::SeqCst);
            shared.changed.notify_waiters();
        });
    }
}

async fn meet(stream: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(manners) = shared.manners {
        return manners.show(stream).await;
    }
    match &shared.tls {
        Some(tls) => serve(Box::new(tls.accept(stream).await?), connection, shared).await,
        None => serve(Box::new(stream), connection, shared).await,
    }
}

async fn serve(mut stream: Box<dyn Wire>, connection: usize, shared: &Shared) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut *stream, &mut buffer, connection).await? {
        let in_hand = shared.in_hand.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(in_hand, Ordering::SeqCst);
        let number = {
            let mut requests = shared.requests();
            requests.push(request.clone());
            requests.len() - 1
        };
        shared.changed.notify_waiters();
        let outcome = (shared.script)(number, &request).carry_out(&mut *stream).await;
        shared.in_hand.fetch_sub(1, Ordering::SeqCst);
        if !outcome? {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request; `None` where the peer has closed. What is no HTTP at all is told so.
async fn read(stream: &mut dyn Wire, buffer: &mut Vec<u8>, connection: usize) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if buffer.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await?;
            return Ok(None);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ').map(str::to_owned);
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let body_end = end + 4 + length;
    while buffer.len() < body_end {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer[end + 4..body_end].to_vec();
    buffer.drain(..body_end);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    Ok(Some(Request { method, path, headers, body, at: Clock::system().instant(), connection, certificate: stream.certificate() }))
}
