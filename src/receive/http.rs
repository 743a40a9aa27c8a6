//! What is said on one connection: requests in, answers out, HTTP/1.1 only, and its end, which the peer can read.

use super::{
    FrontDoor, TrustedProxies,
    connections::Connection,
    memory::BodyMemory,
    request::{Arrival, Unreadable},
    senders::Senders,
    server::Stage,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::IpAddr,
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
    sync::watch,
};

/// What all connections share.
pub(super) struct Visit {
    pub(super) door: Arc<FrontDoor>,
    pub(super) memory: BodyMemory,
    pub(super) request_limit: Duration,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) senders: Senders,
    pub(super) stage: watch::Receiver<Stage>,
}

const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// A source's path has at most 1,024 characters.
const MAX_LINE: usize = 2 << 10;
/// What is discarded of a request that was answered before it was whole, so that its sender can read the answer.
const LINGER_BYTES: u64 = 8 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// Answers what comes from `peer` until one side ends the connection.
pub(super) async fn serve<S>(stream: S, peer: IpAddr, visit: &Visit, connection: &Arc<Connection>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answered_early = AtomicBool::new(false);
    let service = service_fn(|request: http::Request<Incoming>| {
        let answered_early = &answered_early;
        Box::pin(async move {
            let Some(started) = connection.begin() else { return std::future::pending().await };
            let caller = visit.trusted_proxies.caller(peer, request.headers());
            let arrival = Arrival { peer: caller, standing: visit.senders.standing(caller), started, limit: visit.request_limit };
            let mut answer = visit.door.answer(request, arrival, &visit.memory).await;
            if answer.is_to_a_sender() {
                visit.senders.note(caller);
            }
            answered_early.store(answer.closes(), Ordering::Relaxed);
            if *visit.stage.borrow() != Stage::Open {
                answer = answer.closing();
            }
            connection.finish();
            Ok::<http::Response<Full<Bytes>>, Infallible>(answer.into_response())
        })
    });
    let socket = Socket { stream, connection: Arc::clone(connection), line: Vec::new() };
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).header_read_timeout(None);
    let mut served = http.serve_connection(TokioIo::new(socket), service);
    let mut is_closing = false;
    let end = {
        let mut stage = visit.stage.clone();
        let mut ended = pin!(connection.ended());
        let mut closing = pin!(stage.wait_for(|stage| *stage == Stage::Closing));
        loop {
            tokio::select! {
                biased;
                end = poll_fn(|context| served.poll_without_shutdown(context)) => break end,
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
    };
    let parts = served.into_parts();
    let Socket { mut stream, line, .. } = parts.io.into_inner();
    let unreadable = end.err().and_then(|error| {
        tracing::debug!(%error, %peer, "connection ended");
        // What came while the request before it was busy is not in the socket's line, but may still lie unread.
        let line = if connection.expects_a_head() { &line[..] } else { &parts.read_buf };
        Unreadable::of(&error, line)
    });
    if let Some(unreadable) = &unreadable {
        visit.door.count_unreadable(unreadable, peer, connection.since());
    }
    let is_early = answered_early.load(Ordering::Relaxed) || unreadable.is_some();
    let farewell = async {
        stream.shutdown().await.ok();
        if is_early {
            tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES), &mut tokio::io::sink()).await.ok();
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(LINGER, farewell) => {}
        // A full house has no room for farewells.
        () = connection.ended() => {}
    }
}

/// A socket that tells when bytes come in.
struct Socket<S> {
    stream: S,
    connection: Arc<Connection>,
    /// The first line of the head that is being read: of one that cannot be read nothing else says whose it is.
    line: Vec<u8>,
}

impl<S> Socket<S> {
    fn bytes_came(&mut self, bytes: &[u8]) {
        if self.connection.bytes_came() {
            self.line.clear();
        }
        if self.connection.expects_a_head() && self.line.len() < MAX_LINE && !self.line.contains(&b'\n') {
            let start = if self.line.is_empty() { bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count() } else { 0 };
            let bytes = &bytes[start..];
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
            self.line.extend_from_slice(&bytes[..end.min(MAX_LINE)]);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.bytes_came(&buffer.filled()[before..]);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
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
