//! The public listener: who is let in, how many, and the orderly end. What is said on a connection is in `http.rs`.

use super::{
    FrontDoor, TrustedProxies,
    connections::{Connection, Connections},
    http::{self, Visit},
    memory::{BodyMemory, Standing},
    senders::Senders,
    tls::Tls,
};
use crate::{domain::clock::Clock, tasks};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

/// How the public listener treats its connections.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The limits.
    pub limits: Limits,
    /// Who is believed about whose request it is.
    pub trusted_proxies: TrustedProxies,
    /// TLS, or none: plain HTTP.
    pub tls: Option<Tls>,
}

/// The limits of the public listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections; beyond it the one that has waited longest without a complete head is closed.
    pub connections: usize,
    /// Connections of one address without a complete head; beyond it the one of them that has waited longest is closed.
    /// Trusted proxies and known senders may have more.
    pub waiting_per_address: usize,
    /// A connection that is younger is not closed to make room: its head may lie unread, and a reset loses the webhook for good.
    pub grace: Duration,
    /// For a head, from its first byte (from acceptance on a new connection, with its TLS handshake).
    pub head: Duration,
    /// For a whole request, from its first byte, less the time in which we do not read.
    pub request: Duration,
    /// For an idle connection.
    pub idle: Duration,
    /// Bytes for the first 64 KiB of all bodies that are being read or held.
    pub small_bodies: usize,
    /// Bytes for the rest of them.
    pub large_bodies: usize,
    /// Bytes for bodies of known senders, where those are spent.
    pub known_bodies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            waiting_per_address: 5_000,
            grace: Duration::from_millis(100),
            head: Duration::from_secs(5),
            request: Duration::from_secs(10),
            idle: Duration::from_secs(90),
            small_bodies: 16 << 20,
            large_bodies: 24 << 20,
            known_bodies: 8 << 20,
        }
    }
}

/// Whether the listener goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Accept and answer.
    Open,
    /// Answers end their connections, so that balancers go elsewhere; new connections are still accepted.
    Draining,
    /// No new connections; those that are open end with their current request.
    Closing,
}

const SWEEP: Duration = Duration::from_millis(250);
/// How often the files of TLS are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks for room where there is nobody to close.
const PAUSE: Duration = Duration::from_millis(50);
/// So often it is said that the system refuses.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Descriptors that are left to the store, the destinations and the rest; half of them where there are few.
const OTHER_DESCRIPTORS: usize = 1_024;

/// Binds the address.
///
/// # Errors
/// What the system says: in use, no permission, no such address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Accepts and answers until `stage` says `Closing` and the last connection has ended.
pub async fn serve(listener: TcpListener, door: Arc<FrontDoor>, settings: Settings, clock: Clock, mut stage: watch::Receiver<Stage>) {
    let Settings { limits, trusted_proxies, tls } = settings;
    let most = limits.connections.min(descriptors(limits.connections));
    let connections = Connections::new(clock.clone());
    let visit = Arc::new(Visit {
        door,
        memory: BodyMemory::new(limits.small_bodies, limits.large_bodies, limits.known_bodies),
        request_limit: limits.request,
        trusted_proxies,
        senders: Senders::new(clock.clone()),
        stage: stage.clone(),
    });
    let sweeper = tasks::spawn(sweep(Arc::clone(&connections), limits.clone(), clock.clone()));
    let follower = tls.clone().map(|tls| tasks::spawn(tls.follow(LOOK)));
    let take = |stream: TcpStream, peer: IpAddr| {
        let entered = Entered(connections.enter(peer));
        let (visit, tls) = (Arc::clone(&visit), tls.clone());
        tasks::spawn(async move {
            stream.set_nodelay(true).ok();
            match tls {
                None => http::serve(stream, peer, &visit, &entered.0).await,
                Some(tls) => Box::pin(serve_tls(tls, stream, peer, &visit, &entered.0)).await,
            }
        });
    };
    let mut said = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage == Stage::Closing) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = peer.ip().to_canonical();
                if !visit.trusted_proxies.contains(peer) && visit.senders.standing(peer) == Standing::Unknown {
                    connections.make_room_of(peer, limits.waiting_per_address, limits.grace);
                }
                while connections.count() >= most && !connections.end_longest_waiting(limits.grace) {
                    tokio::select! {
                        _ = timeout(PAUSE, connections.change()) => {}
                        // It was let in, so it is answered, and the stop waits for nobody.
                        _ = stage.wait_for(|stage| *stage == Stage::Closing) => break,
                    }
                }
                take(stream, peer);
            }
            Err(error) => {
                let now = clock.instant();
                if said.is_none_or(|said| now.saturating_duration_since(said) >= SAY_EVERY) {
                    said = Some(now);
                    tracing::warn!(%error, "cannot accept a connection");
                }
                match connections.end_longest_waiting(limits.grace) {
                    true => drop(timeout(PAUSE, connections.change()).await),
                    false => sleep(PAUSE).await,
                }
            }
        }
    }
    // Whoever the kernel has let in would be reset by the end of the listener, and its webhook lost.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, peer)) = listener.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            stream.into_iter().for_each(|stream| take(stream, peer.ip().to_canonical()));
        }
    }
    while connections.count() > 0 {
        connections.change().await;
    }
    sweeper.abort();
    follower.into_iter().for_each(|follower| follower.abort());
}

/// Takes the connection out of the list however its task ends.
struct Entered(Arc<Connection>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// How many connections the system's limit on descriptors leaves room for, after it was raised as far as it may be for so many.
fn descriptors(connections: usize) -> usize {
    let wanted = u64::try_from(connections + OTHER_DESCRIPTORS).unwrap_or(u64::MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (current, raised) = (current.unwrap_or(u64::MAX), wanted.min(maximum.unwrap_or(u64::MAX)));
    let is_raised = raised > current && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok();
    let limit = usize::try_from(if is_raised { raised } else { current }).unwrap_or(usize::MAX);
    limit - OTHER_DESCRIPTORS.min(limit / 2)
}

async fn sweep(connections: Arc<Connections>, limits: Limits, clock: Clock) {
    loop {
        sleep(SWEEP).await;
        connections.end_overdue(clock.instant(), limits.head, limits.idle);
    }
}

/// The handshake is a part of the wait for the first head.
async fn serve_tls(tls: Tls, stream: TcpStream, peer: IpAddr, visit: &Visit, connection: &Arc<Connection>) {
    let mut ended = pin!(connection.ended());
    let shaken = tokio::select! {
        biased;
        shaken = tls.accept(stream) => shaken,
        () = &mut ended => return,
    };
    match shaken {
        Ok(stream) => http::serve(stream, peer, visit, connection).await,
        Err(error) => tracing::debug!(%error, %peer, "no TLS with this peer"),
    }
}
