//! TLS on the public listener, HTTP/1.1 only: its certificate and key, and how they are taken anew when their files change.
//! Reading files is not done here, but by whoever made this.

use crate::{
    domain::pem::{self, Mark, Pem, PemError},
    tasks,
};
use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_rustls::{
    Accept, TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, sign::SingleCertAndKey},
};

/// Where the certificate and its key are: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and after it those that lead to an authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Reads the files.
pub type Read = fn(&Files) -> io::Result<Pem>;

/// TLS with the files' latest good content. Clones share it.
#[derive(Clone)]
pub struct Tls {
    files: Files,
    read: Read,
    mark: Mark,
    in_force: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// With the content of the files, which `read` gives again later.
    ///
    /// # Errors
    /// Why it cannot be served.
    pub fn new(files: Files, read: Read, pem: &Pem) -> Result<Self, PemError> {
        let in_force = Arc::new(RwLock::new(Arc::new(config(pem)?)));
        Ok(Self { files, read, mark: pem::mark(Ok([&pem.cert, &pem.key])), in_force })
    }

    /// The handshake with a new connection. It has no limit of time of its own.
    pub(super) fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        let config = Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream)
    }

    /// Looks at the files for ever, and takes what changed in them. Two looks in a row have to agree, since a half-written
    /// file can be valid; what cannot be served leaves what is in force, and is said once.
    pub(super) async fn follow(self, every: Duration) {
        let (mut known, mut last) = (self.mark, self.mark);
        loop {
            sleep(every).await;
            let (files, read) = (self.files.clone(), self.read);
            let Ok(found) = tasks::blocking(move || read(&files)).await else { continue };
            let mark = pem::mark(found.as_ref().map(|pem| [&pem.cert, &pem.key]));
            let is_settled = std::mem::replace(&mut last, mark) == mark;
            if is_settled && mark != known {
                known = mark;
                self.take(found);
            }
        }
    }

    fn take(&self, found: io::Result<Pem>) {
        let (cert, key) = (self.files.cert.display(), self.files.key.display());
        match found.map(|pem| config(&pem)) {
            Ok(Ok(config)) => {
                *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!(%cert, %key, "the certificate has changed and is served from now on");
            }
            Ok(Err(error)) => {
                let file = if error.is_of_certificate() { &cert } else { &key };
                tracing::error!(%file, %error, "the changed certificate cannot be served; the one before stays");
            }
            Err(error) => tracing::error!(%cert, %key, %error, "the changed certificate cannot be read; the one before stays"),
        }
    }
}

/// The same files, whatever is in them now.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(formatter)
    }
}

fn config(pem: &Pem) -> Result<ServerConfig, PemError> {
    let identity = pem.identity()?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.expect("ring has suites for the default versions of TLS");
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const CERT: &[u8] = include_bytes!("../../tests/data/tls/localhost.pem");
    const KEY: &[u8] = include_bytes!("../../tests/data/tls/localhost.key");

    #[tokio::test(start_paused = true)]
    async fn a_change_is_taken_when_two_looks_in_a_row_agree() {
        const RENEWED: (&[u8], &[u8]) =
            (include_bytes!("../../tests/data/tls/renewed.pem"), include_bytes!("../../tests/data/tls/renewed.key"));
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        let read = |_: &Files| {
            let (cert, key) = if matches!(LOOKS.fetch_add(1, Ordering::SeqCst), 0 | 2) { (CERT, KEY) } else { RENEWED };
            Ok(Pem { cert: cert.to_vec(), key: key.to_vec() })
        };
        let files = Files { cert: "cert.pem".into(), key: "key.pem".into() };
        let tls = Tls::new(files, read, &Pem { cert: CERT.to_vec(), key: KEY.to_vec() }).expect("they fit");
        let in_force = || Arc::clone(&tls.in_force.read().expect("no panic"));
        let first = in_force();
        let follower = tasks::spawn(tls.clone().follow(Duration::from_secs(1)));
        while LOOKS.load(Ordering::SeqCst) < 4 {
            assert!(Arc::ptr_eq(&first, &in_force()), "each change was gone at the next look, or is new");
            sleep(Duration::from_millis(100)).await;
        }
        assert!(Arc::ptr_eq(&first, &in_force()));
        while Arc::ptr_eq(&first, &in_force()) {
            assert!(LOOKS.load(Ordering::SeqCst) <= 6, "two looks have agreed");
            sleep(Duration::from_millis(100)).await;
        }
        follower.abort();
    }

    #[test]
    fn the_key_is_not_shown() {
        let files = Files { cert: "cert.pem".into(), key: "key.pem".into() };
        let pem = Pem { cert: CERT.to_vec(), key: KEY.to_vec() };
        let tls = Tls::new(files, |_| Err(io::ErrorKind::NotFound.into()), &pem).expect("they fit");
        assert_eq!(format!("{tls:?}"), r#"Files { cert: "cert.pem", key: "key.pem" }"#);
    }
}
