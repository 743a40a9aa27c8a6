//! The way to a destination's host: look up, check, connect to what was checked, shake hands. Every failure gets its right name.

use super::{SendError, Settings, connection::Io, guard::LinkLocal, tls::Tls};
use crate::domain::clock::{Clock, Instant};
use http::Uri;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};

/// Looking up, connecting and shaking hands take no longer than this together.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long the addresses of a host are used before they are looked up again.
const ADDRESSES_FRESH: Duration = Duration::from_secs(1);

/// Connects to one host and port.
pub(super) struct Dialer {
    host: Box<str>,
    port: u16,
    tls: Option<Tls>,
    link_local: LinkLocal,
    limit: Duration,
    clock: Clock,
    addresses: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Dialer {
    /// For the host of an absolute url, the destination's own or another that its attempts need; `None` where it has none.
    pub(super) fn new(url: &Uri, settings: &Settings, clock: Clock) -> Option<Self> {
        let secure = url.scheme_str() == Some("https");
        let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            host: host.into(),
            port: url.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            tls: secure.then(|| Tls::new(host, settings.tls.clone())),
            link_local: settings.link_local,
            limit: CONNECT_LIMIT.min(settings.timeout),
            clock,
            addresses: Mutex::new(None),
        })
    }

    /// A stream that is ready for a request.
    pub(super) async fn dial(&self) -> Result<Box<dyn Io>, SendError> {
        timeout(self.limit, self.reach()).await.unwrap_or(Err(SendError::Timeout(self.limit)))
    }

    async fn reach(&self) -> Result<Box<dyn Io>, SendError> {
        let start = self.clock.instant();
        let addresses = self.addresses().await?;
        let stream = self.connect(&self.checked(addresses)?, start).await?;
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.handshake(stream, &self.clock).await?)),
            None => Ok(Box::new(stream)),
        }
    }

    /// One look-up at a time, shared by all who wait for it: a name server that hangs takes one thread and not one per attempt.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, SendError> {
        let mut known = self.addresses.lock().await;
        if let Some((at, addresses)) = &*known
            && self.clock.instant().duration_since(*at) < ADDRESSES_FRESH
        {
            return Ok(addresses.clone());
        }
        let failed = |cause: &str| SendError::Dns { host: self.host.clone(), cause: cause.into() };
        let found = tokio::net::lookup_host((&*self.host, self.port)).await.map_err(|error| {
            let text = error.to_string();
            failed(text.strip_prefix("failed to lookup address information: ").unwrap_or(&text))
        })?;
        let addresses: Vec<_> = found.collect();
        if addresses.is_empty() {
            return Err(failed("the name is known and has no address"));
        }
        *known = Some((self.clock.instant(), addresses.clone()));
        Ok(addresses)
    }

    /// Those that may be dialled. A host may have both, as machines do that announce themselves in their own network.
    fn checked(&self, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, SendError> {
        let first = addresses.first().map(SocketAddr::ip);
        addresses.retain(|address| self.link_local.lets(address.ip()));
        match first {
            Some(address) if addresses.is_empty() => Err(SendError::Refused { host: self.host.clone(), address }),
            Some(_) | None => Ok(addresses),
        }
    }

    /// The first address that answers; each has an equal share of the time that is left.
    async fn connect(&self, addresses: &[SocketAddr], start: Instant) -> Result<TcpStream, SendError> {
        let mut last = SendError::Timeout(self.limit);
        for (place, address) in addresses.iter().enumerate() {
            let left = self.limit.saturating_sub(self.clock.instant().duration_since(start));
            let share = left / u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it the kernel holds small writes back; a socket that refuses it still works.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = SendError::Connect(format!("{address}: {}", reason(&error)).into()),
                Err(_) => {}
            }
        }
        Err(last)
    }
}

/// What went wrong, in lower case and without a number where the kind says it all.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        kind @ (io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::TimedOut) => kind.to_string(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks;
    use tokio::net::TcpListener;

    /// So long the addresses are not looked up.
    const KNOWN: Duration = Duration::from_secs(3600);

    fn dialer(found: &[&str], port: u16, link_local: LinkLocal) -> Dialer {
        let clock = Clock::system();
        let settings = Settings { link_local, ..Settings::to(format!("http://orders.internal:{port}/").parse().unwrap()) };
        let known = found.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect();
        let dialer = Dialer::new(&settings.url, &settings, clock.clone()).unwrap();
        Dialer { addresses: Mutex::new(Some((clock.instant() + KNOWN, known))), ..dialer }
    }

    #[tokio::test]
    async fn of_a_name_with_a_guarded_address_only_the_others_are_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialer = dialer(&["169.254.169.254", "fe80::1", "127.0.0.1"], port, LinkLocal::Refused);
        let accepted = tasks::spawn(async move { listener.accept().await.unwrap().1.ip() });
        assert!(dialer.dial().await.is_ok());
        assert_eq!(accepted.await.unwrap().to_string(), "127.0.0.1");
    }

    #[tokio::test]
    async fn a_name_that_comes_to_lead_to_a_guarded_address_is_refused_on_the_next_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialer = dialer(&["127.0.0.1"], listener.local_addr().unwrap().port(), LinkLocal::Refused);
        assert!(dialer.dial().await.is_ok());
        for (address, refused) in
            [("169.254.169.254", true), ("::ffff:169.254.169.254", true), ("fd00:ec2::254", true), ("127.0.0.1", false)]
        {
            let address: SocketAddr = SocketAddr::new(address.parse().unwrap(), dialer.port);
            *dialer.addresses.lock().await = Some((dialer.clock.instant() + KNOWN, vec![address]));
            let wanted = SendError::Refused { host: "orders.internal".into(), address: address.ip() };
            assert_eq!(dialer.dial().await.err(), refused.then_some(wanted), "{address}");
        }
    }

    #[tokio::test]
    async fn what_is_allowed_is_dialled() {
        let error = dialer(&["fe80::1"], 9, LinkLocal::Allowed).dial().await.err().expect("nobody is there");
        assert!(!matches!(error, SendError::Refused { .. }), "{error}");
    }
}
