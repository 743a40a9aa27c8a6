//! The public listener: sockets, limits on connections, and the orderly end. HTTP/1.1 only.

use super::{
    FrontDoor,
    connections::{Connection, Connections},
    memory::BodyMemory,
};
use crate::{domain::clock::Clock, tasks};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

/// The limits of the public listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections; beyond it the one that has waited longest without a complete head is closed.
    pub connections: usize,
    /// For a head, from its first byte (from acceptance on a new connection).
    pub head: Duration,
    /// For an idle connection.
    pub idle: Duration,
    /// Bytes for the first 64 KiB of all bodies that are being read or held.
    pub small_bodies: usize,
    /// Bytes for the rest of them.
    pub large_bodies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            head: Duration::from_secs(5),
            idle: Duration::from_secs(90),
            small_bodies: 16 << 20,
            large_bodies: 32 << 20,
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

const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// What is discarded of a request that was answered before it was whole, so that its sender can read the answer.
const LINGER_BYTES: u64 = 8 << 20;
const LINGER: Duration = Duration::from_secs(2);
const SWEEP: Duration = Duration::from_millis(250);

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
pub async fn serve(listener: TcpListener, door: Arc<FrontDoor>, limits: Limits, clock: Clock, mut stage: watch::Receiver<Stage>) {
    let connections = Arc::new(Connections::new(clock));
    let memory = BodyMemory::new(limits.small_bodies, limits.large_bodies);
    let sweeper = tasks::spawn(sweep(Arc::clone(&connections), limits.clone()));
    let stages = stage.clone();
    let take = |stream: TcpStream, peer: SocketAddr| {
        let connection = connections.enter();
        let (door, memory, connections, stage) = (Arc::clone(&door), memory.clone(), Arc::clone(&connections), stages.clone());
        tasks::spawn(async move {
            let entered = Entered { connections, connection };
            serve_connection(stream, peer.ip().to_canonical(), &door, &memory, &entered.connection, stage).await;
        });
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage == Stage::Closing) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                while connections.count() >= limits.connections && !connections.end_longest_waiting() {
                    connections.change().await;
                }
                take(stream, peer);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                connections.end_longest_waiting();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // Whoever the kernel has let in would be reset by the end of the listener, and its webhook lost.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, peer)) = listener.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            stream.into_iter().for_each(|stream| take(stream, peer));
        }
    }
    while connections.count() > 0 {
        connections.change().await;
    }
    sweeper.abort();
}

/// Takes the connection out of the list however its task ends.
struct Entered {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connections.leave(&self.connection);
    }
}

async fn sweep(connections: Arc<Connections>, limits: Limits) {
    loop {
        tokio::time::sleep(SWEEP).await;
        connections.end_overdue(limits.head, limits.idle);
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    door: &FrontDoor,
    memory: &BodyMemory,
    connection: &Arc<Connection>,
    mut stage: watch::Receiver<Stage>,
) {
    stream.set_nodelay(true).ok();
    let answered_early = AtomicBool::new(false);
    let drains = stage.clone();
    let service = service_fn(|request: http::Request<Incoming>| {
        let (answered_early, drains) = (&answered_early, &drains);
        Box::pin(async move {
            let Some(started) = connection.begin() else { return std::future::pending().await };
            let mut answer = door.answer(request, peer, started, memory).await;
            answered_early.store(answer.closes(), Ordering::Relaxed);
            if *drains.borrow() != Stage::Open {
                answer = answer.closing();
            }
            connection.finish();
            Ok::<http::Response<Full<Bytes>>, Infallible>(answer.into_response())
        })
    });
    let socket = Socket { stream, connection: Arc::clone(connection) };
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).header_read_timeout(None);
    let mut served = http.serve_connection(TokioIo::new(socket), service);
    let mut is_closing = false;
    {
        let mut ended = pin!(connection.ended());
        let mut closing = pin!(stage.wait_for(|stage| *stage == Stage::Closing));
        loop {
            tokio::select! {
                biased;
                end = poll_fn(|context| served.poll_without_shutdown(context)) => {
                    if let Err(error) = end {
                        tracing::debug!(%error, %peer, "connection ended");
                    }
                    break;
                }
                () = &mut ended => return,
                _ = &mut closing, if !is_closing => {
                    is_closing = true;
                    // A request that is on its way is answered, and its answer ends the connection.
                    if !connection.expects_a_head() {
                        Pin::new(&mut served).graceful_shutdown();
                    }
                }
            }
        }
    }
    let mut stream = served.into_parts().io.into_inner().stream;
    stream.shutdown().await.ok();
    if answered_early.load(Ordering::Relaxed) {
        let discarded = async { tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES), &mut tokio::io::sink()).await };
        tokio::time::timeout(LINGER, discarded).await.ok();
    }
}

/// A socket that tells when bytes come in.
struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.connection.bytes_came();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
