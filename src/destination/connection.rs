//! One connection to a destination, worked by the attempt that holds it: there is no task behind it,
//! so an attempt that ends early takes its socket with it.

use super::{SendError, failure};
use crate::domain::clock::Instant;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::unconstrained,
};

/// The longest head of an answer, and how much of an answer's body is read.
const HEAD_LIMIT: usize = 64 << 10;
const BODY_LIMIT: usize = 64 << 10;

/// Interim answers (1xx) longer than this together are a flood.
const INTERIM_LIMIT: u64 = 2 * HEAD_LIMIT as u64;

/// A stream to a destination, plain or TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection that is ready for a request.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    heard: Arc<AtomicU64>,
    /// When it was made, where that matters.
    pub(super) born: Option<Instant>,
}

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    /// The `retry-after` field, as it came.
    pub retry_after: Option<Box<str>>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// The connection, where it can take another request.
    pub connection: Option<Connection>,
}

/// The exchange failed.
pub(super) struct Broken {
    pub error: SendError,
    /// Not one byte of an answer had come.
    pub unanswered: bool,
}

impl Connection {
    /// Over a stream that is ready.
    pub(super) async fn new(stream: Box<dyn Io>) -> Result<Self, SendError> {
        let heard = Arc::new(AtomicU64::new(0));
        let io = TokioIo::new(Counted { stream, heard: heard.clone() });
        let made = http1::Builder::new().max_buf_size(HEAD_LIMIT).handshake(io).await;
        let (sender, connection) = made.map_err(|error| SendError::Connect(error.to_string().into()))?;
        Ok(Self { sender, driver: Driver(Some(Box::new(connection))), heard, born: None })
    }

    /// Whether it can take a request, as far as is known here.
    pub(super) fn is_ready(&mut self) -> bool {
        self.driver.look();
        self.driver.0.is_some() && self.sender.is_ready()
    }

    /// Sends the request and reads the answer, its body up to the limit; so much of it is kept.
    pub(super) async fn exchange(mut self, request: Request<Full<Bytes>>, kept: usize) -> Result<Answer, Broken> {
        let before = self.heard.load(Ordering::Relaxed);
        let result = self.head(request, before).await;
        let mut response = result.map_err(|error| Broken { error, unanswered: self.heard.load(Ordering::Relaxed) == before })?;
        let (body, whole) = match read(&mut self.driver, response.body_mut(), kept).await {
            Ok(read) => read,
            Err(error) => return Err(Broken { error, unanswered: false }),
        };
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(Box::from);
        let status = response.status();
        drop(response);
        let connection = if whole && self.is_ready() { Some(self) } else { None };
        Ok(Answer { status, retry_after, body, connection })
    }

    async fn head(&mut self, request: Request<Full<Bytes>>, before: u64) -> Result<http::Response<Incoming>, SendError> {
        let mut sent = pin!(self.sender.try_send_request(request));
        let (driver, heard) = (&mut self.driver, &self.heard);
        let answered = poll_fn(|cx| {
            driver.work(cx);
            if let Poll::Ready(result) = quietly(sent.as_mut()) {
                return Poll::Ready(result.map_err(|mut failed| {
                    let unsent = failed.take_message().is_some();
                    failure::of_exchange(&failed.into_error(), unsent)
                }));
            }
            let flooded = heard.load(Ordering::Relaxed) - before > INTERIM_LIMIT;
            match &driver.0 {
                Some(_) if flooded => Poll::Ready(Err(SendError::Protocol("too many interim answers".into()))),
                Some(_) => Poll::Pending,
                None => Poll::Ready(Err(SendError::Protocol(failure::CLOSED.into()))),
            }
        });
        let response = answered.await?;
        if response.status().is_informational() {
            return Err(SendError::Protocol("the protocol was switched, which nobody asked for".into()));
        }
        Ok(response)
    }
}

/// The beginning of the body, and whether the whole of it was read.
async fn read(driver: &mut Driver, body: &mut Incoming, most: usize) -> Result<(Vec<u8>, bool), SendError> {
    let mut kept = Vec::new();
    let mut length = 0;
    while !body.is_end_stream() {
        let frame = poll_fn(|cx| {
            let mut frame = || Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(frame) = frame() {
                return Poll::Ready(frame);
            }
            driver.work(cx);
            match frame() {
                Poll::Pending if driver.0.is_none() => Poll::Ready(None),
                outcome => outcome,
            }
        });
        let Some(frame) = frame.await else { break };
        let frame = frame.map_err(|error| failure::of_exchange(&error, false))?;
        if let Some(data) = frame.data_ref() {
            length += data.len();
            kept.extend_from_slice(&data[..data.len().min(most - kept.len())]);
        }
        if length > BODY_LIMIT {
            return Ok((kept, false));
        }
    }
    Ok((kept, true))
}

type Driven = http1::Connection<TokioIo<Counted>, Full<Bytes>>;

/// hyper's side of the connection; empty once it has ended.
struct Driver(Option<Box<Driven>>);

impl Driver {
    /// Moves bytes as far as they go. How it ended is told through the request's own future.
    fn work(&mut self, cx: &mut Context) {
        if let Some(connection) = &mut self.0
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.0 = None;
        }
    }

    /// The same without waiting for more: notices that the other side has closed.
    fn look(&mut self) {
        if let Some(connection) = &mut self.0
            && quietly(Pin::new(connection)).is_ready()
        {
            self.0 = None;
        }
    }
}

/// Polls without asking to be woken. The request's future and the connection talk to each other inside this one task:
/// what the one waits for, the other does in the poll before, and a wake-up would only run the task a second time.
/// Out of tokio's budget, which would answer "pending" and count on that wake-up.
fn quietly<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    pin!(unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts the bytes that came in.
struct Counted {
    stream: Box<dyn Io>,
    heard: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.stream).poll_read(cx, buffer))?;
        self.heard.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context, parts: &[io::IoSlice]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
