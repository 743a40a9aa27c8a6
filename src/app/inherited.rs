//! The socket that a service manager holds open for the public listener: while one process ends and the next one starts,
//! connections wait in it, and none is refused.

use listenfd::ListenFd;
use std::{io, net::TcpListener};

/// Why what was passed cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// Not one.
    #[error("LISTEN_FDS passes {0} sockets; one is wanted, for the public listener (the admin listener opens its own)")]
    NotOne(usize),
    /// Not a socket that listens by TCP.
    #[error("what LISTEN_FDS passes is no TCP socket to listen on: {0}")]
    NoSocket(#[from] io::Error),
}

/// The socket, where one was passed as systemd does it. To be called before anything else looks at the environment, from which
/// it takes the variables, so that no process started later takes them for its own.
pub fn listener() -> Result<Option<TcpListener>, InheritedError> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => return Ok(None),
        1 => {}
        more => return Err(InheritedError::NotOne(more)),
    }
    let listener = passed.take_tcp_listener(0)?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}
