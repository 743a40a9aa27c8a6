//! What a sink does with a request, or before there is one: well or badly.

use std::{io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

/// What the sink does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A well-formed answer; the connection stays open.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// The same, and the connection is closed right after, though nothing said so.
    ThenClose(Box<Reply>),
    /// Waits first.
    After(Duration, Box<Reply>),
    /// Waits until the gate is opened.
    When(watch::Receiver<bool>, Box<Reply>),
    /// Never answers; keeps the connection.
    Silence,
    /// Resets the connection.
    Reset,
    /// Closes its half without an answer.
    HalfClose,
    /// A good head, then a byte of the body per interval, for ever.
    Drip(Duration),
    /// A good head and a body without end, as fast as it goes.
    Endless,
    /// A chunked body whose second chunk has no valid size.
    WrongChunks,
    /// These bytes, then closed.
    Raw(Vec<u8>),
    /// These bytes, then the connection is reset.
    RawThenReset(Vec<u8>),
    /// These bytes, then nothing more; keeps the connection.
    RawThenSilence(Vec<u8>),
    /// A byte of a good head per interval.
    DripHead(Duration),
    /// A good head that announces so many bytes, and all of them.
    Huge(u64),
    /// Interim answers without end, as fast as it goes.
    Flood,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with_header(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Answer { status, headers: vec![(name, value.into())], body: Vec::new() }
    }

    pub fn with_body(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub fn then_close(self) -> Self {
        Self::ThenClose(Box::new(self))
    }

    pub fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }

    pub fn when(self, gate: &watch::Sender<bool>) -> Self {
        Self::When(gate.subscribe(), Box::new(self))
    }
}

/// What the sink does with a connection before there is a request.
#[derive(Debug, Clone, Copy)]
pub enum Manners {
    /// Resets it.
    Reset,
    /// Closes it.
    Close,
    /// Takes so many bytes, and resets it.
    ResetAfter(usize),
    /// Takes so many bytes, and closes it.
    CloseAfter(usize),
    /// Neither reads nor writes.
    Silence,
}

impl Manners {
    pub(super) async fn show(self, mut stream: TcpStream) -> io::Result<()> {
        match self {
            Self::Reset => stream.set_zero_linger(),
            Self::Close => Ok(()),
            Self::ResetAfter(length) => {
                stream.read_exact(&mut vec![0; length]).await?;
                stream.set_zero_linger()
            }
            Self::CloseAfter(length) => {
                stream.read_exact(&mut vec![0; length]).await?;
                // What is left unread would make the close a reset.
                let _ = timeout(Duration::from_millis(20), stream.read(&mut [0; 4096])).await;
                Ok(())
            }
            Self::Silence => {
                // Until the peer has gone, which can be seen without reading anything.
                while stream.ready(tokio::io::Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
                    sleep(Duration::from_millis(10)).await;
                }
                Ok(())
            }
        }
    }
}

/// What requests come over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    fn socket(&self) -> &TcpStream;

    fn certificate(&self) -> Option<Vec<u8>> {
        None
    }
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn certificate(&self) -> Option<Vec<u8>> {
        self.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|certificate| certificate.to_vec())
    }
}

impl Reply {
    /// Carries the reply out. Whether the connection can take another request.
    pub(super) async fn carry_out(self, stream: &mut dyn Wire) -> io::Result<bool> {
        let mut what = self;
        let mut stays = true;
        loop {
            what = match what {
                Reply::ThenClose(inner) => {
                    stays = false;
                    *inner
                }
                Reply::After(delay, inner) => {
                    tokio::select! {
                        () = sleep(delay) => *inner,
                        () = hung_up(stream) => return Ok(false),
                    }
                }
                Reply::When(mut gate, inner) => {
                    tokio::select! {
                        _ = gate.wait_for(|open| *open) => {}
                        () = hung_up(stream) => return Ok(false),
                    }
                    *inner
                }
                Reply::Answer { status, headers, body } => {
                    let mut bytes = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
                    headers.iter().for_each(|(name, value)| bytes.push_str(&format!("{name}: {value}\r\n")));
                    stream.write_all(&[bytes.as_bytes(), b"\r\n", &body].concat()).await?;
                    return Ok(stays);
                }
                Reply::Silence => return gone(stream).await,
                Reply::Reset => {
                    stream.socket().set_zero_linger()?;
                    return Ok(false);
                }
                Reply::HalfClose => {
                    stream.shutdown().await?;
                    return gone(stream).await;
                }
                Reply::Drip(interval) => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
                    loop {
                        stream.write_all(b".").await?;
                        sleep(interval).await;
                    }
                }
                Reply::Endless => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                    let chunk = [b"4000\r\n", &[b'.'; 0x4000][..], b"\r\n"].concat();
                    loop {
                        stream.write_all(&chunk).await?;
                    }
                }
                Reply::WrongChunks => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n").await?;
                    return Ok(false);
                }
                Reply::Raw(bytes) => {
                    stream.write_all(&bytes).await?;
                    return Ok(false);
                }
                Reply::RawThenReset(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.flush().await?;
                    stream.socket().set_zero_linger()?;
                    return Ok(false);
                }
                Reply::RawThenSilence(bytes) => {
                    stream.write_all(&bytes).await?;
                    return gone(stream).await;
                }
                Reply::DripHead(interval) => {
                    let mut head = b"HTTP/1.1 200 OK\r\nx-slow: ".iter();
                    loop {
                        stream.write_all(&[*head.next().unwrap_or(&b'.')]).await?;
                        sleep(interval).await;
                    }
                }
                Reply::Huge(length) => {
                    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await?;
                    for _ in 0..length / 0x4000 {
                        stream.write_all(&[b'.'; 0x4000]).await?;
                    }
                    return Ok(false);
                }
                Reply::Flood => loop {
                    stream.write_all(&b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(100)).await?;
                },
            }
        }
    }
}

/// Until the peer has closed.
async fn gone(stream: &mut dyn Wire) -> io::Result<bool> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(false)
}

/// When the peer has closed, without taking what it may have sent.
async fn hung_up(stream: &dyn Wire) {
    if matches!(stream.socket().peek(&mut [0]).await, Ok(1)) {
        std::future::pending::<()>().await;
    }
}
