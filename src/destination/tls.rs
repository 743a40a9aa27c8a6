//! TLS to a destination: the system's authorities, HTTP/1.1 only, and failures named by their cause.

use super::SendError;
use crate::tasks;
use std::{io, sync::Arc};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{CertificateError, ClientConfig, Error, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// Made at the first handshake of any destination, since reading hundreds of files takes its time.
static SYSTEM: OnceCell<TlsConnector> = OnceCell::const_new();

/// How handshakes with one host are made.
pub(super) struct Tls {
    name: Option<ServerName<'static>>,
    connector: Option<TlsConnector>,
}

impl Tls {
    /// With the host that certificates have to be for.
    pub(super) fn new(host: &str) -> Self {
        Self { name: ServerName::try_from(host.to_owned()).ok(), connector: None }
    }

    /// Trusting these authorities instead of the system's.
    #[cfg(test)]
    pub(super) fn trusting(host: &str, roots: RootCertStore) -> Self {
        Self { connector: Some(connector(roots).unwrap()), ..Self::new(host) }
    }

    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, SendError> {
        let name = self.name.clone().ok_or_else(|| SendError::Tls("no certificate can be for such a host name".into()))?;
        let connector = match &self.connector {
            Some(connector) => connector,
            None => SYSTEM.get_or_try_init(system).await?,
        };
        connector.connect(name, stream).await.map_err(|error| failure(&error))
    }
}

/// The TLS error inside an I/O error, if there is one.
pub(super) fn inside(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Its cause in words an operator can act on.
pub(super) fn cause(error: &Error) -> Box<str> {
    match error {
        Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".into(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "the certificate is not valid yet".into(),
            CertificateError::UnknownIssuer => "the certificate's issuer is not known here".into(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host".into()
            }
            CertificateError::Revoked => "the certificate was revoked".into(),
            other => format!("the certificate is not accepted: {other}").into(),
        },
        Error::InvalidMessage(_) => "the answer is not TLS".into(),
        Error::AlertReceived(alert) => format!("the destination refused: {alert:?}").into(),
        other => other.to_string().into(),
    }
}

fn failure(error: &io::Error) -> SendError {
    SendError::Tls(match (inside(error), error.kind()) {
        (Some(error), _) => cause(error),
        (None, io::ErrorKind::UnexpectedEof) => "closed during the handshake".into(),
        (None, kind) => format!("{kind} during the handshake").into(),
    })
}

async fn system() -> Result<TlsConnector, SendError> {
    let unusable = |cause: &str| SendError::Tls(cause.into());
    let found = tasks::blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|_| unusable("the system's certificate authorities could not be read"))?;
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        return Err(unusable("this system has no certificate authorities; install them (package ca-certificates) or set SSL_CERT_FILE"));
    }
    connector(roots).map_err(|error| unusable(&error.to_string()))
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
