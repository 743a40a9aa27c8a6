//! Ports of loopback for those who cannot ask for a free one: a proxy, and a gateway that comes back at its address.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddr, UnixListener},
    },
};

/// A port that no other test has, of this run or of another one, and that the system gives to nobody who asks for any.
#[derive(Debug)]
pub struct Port {
    pub address: SocketAddr,
    _claim: UnixListener,
}

impl Port {
    /// Below the ports that the system hands out; free now. It is given up when dropped.
    pub fn claim() -> Self {
        let tries = std::iter::repeat_with(|| Self::try_claim(fastrand::u16(10_000..30_000)));
        tries.take(1_000).flatten().next().expect("a free port")
    }

    /// A name in the abstract namespace is taken by one process only, ends with it and leaves no file.
    fn try_claim(port: u16) -> Option<Self> {
        let name = UnixAddr::from_abstract_name(format!("hookgate-test-port-{port}")).expect("it is short");
        let claim = UnixListener::bind_addr(&name).ok()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).is_ok().then_some(Self { address, _claim: claim })
    }
}
