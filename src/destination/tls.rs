//! TLS to a destination: HTTP/1.1 only, and failures named by their cause.

use super::{
    SendError,
    certificates::{Certificates, Parts},
};
use crate::{domain::clock::Clock, tasks};
use std::{io, sync::Arc};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, crypto::ring, pki_types::ServerName, sign::SingleCertAndKey,
    },
};

/// Made at the first handshake that needs them, since reading hundreds of files takes its time.
static SYSTEM_ROOTS: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();
static SYSTEM: OnceCell<TlsConnector> = OnceCell::const_new();

/// How handshakes with one host are made.
pub(super) struct Tls {
    name: Option<ServerName<'static>>,
    own: Option<Certificates>,
}

impl Tls {
    /// With the host that certificates have to be for, and files of one's own where there are some.
    pub(super) fn new(host: &str, own: Option<Certificates>) -> Self {
        Self { name: ServerName::try_from(host.to_owned()).ok(), own }
    }

    pub(super) async fn handshake(&self, stream: TcpStream, clock: &Clock) -> Result<TlsStream<TcpStream>, SendError> {
        let name = self.name.clone().ok_or_else(|| SendError::Tls("no certificate can be for such a host name".into()))?;
        let connector = match &self.own {
            Some(own) => own.connector(clock).await?,
            None => SYSTEM.get_or_try_init(async || connector(&Parts { roots: None, identity: None }).await).await?.clone(),
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
            CertificateError::UnknownIssuer => {
                "the certificate's issuer is not known here; where it is your own, name it in `tls: { ca: … }`".into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host".into()
            }
            CertificateError::Revoked => "the certificate was revoked".into(),
            other => format!("the certificate is not accepted: {other}").into(),
        },
        Error::InvalidMessage(_) => "the answer is not TLS".into(),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                "the destination wants a client certificate: name one in `tls: { cert: …, key: … }`".into()
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => format!("the destination does not accept the client certificate: {alert:?}").into(),
            other => format!("the destination refused: {other:?}").into(),
        },
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

/// With the system's authorities where the parts have none.
pub(super) async fn connector(parts: &Parts) -> Result<TlsConnector, SendError> {
    let roots = match &parts.roots {
        Some(roots) => Arc::clone(roots),
        None => SYSTEM_ROOTS.get_or_try_init(system_roots).await?.clone(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.expect("ring has suites for the default versions of TLS").with_root_certificates(roots);
    let mut config = match &parts.identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn system_roots() -> Result<Arc<RootCertStore>, SendError> {
    let unusable = |cause: &str| SendError::Tls(cause.into());
    let found = tasks::blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|_| unusable("the system's certificate authorities could not be read"))?;
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        return Err(unusable(
            "this system has no certificate authorities; install them (package ca-certificates), set SSL_CERT_FILE, or give the \
             destination its own: `tls: { ca: … }`",
        ));
    }
    Ok(Arc::new(roots))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
