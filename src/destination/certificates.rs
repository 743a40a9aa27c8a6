//! Authorities and a client certificate of a destination's own, from PEM files that are looked at again while it is called.
//! Reading files is not done here, but by whoever made this.

use super::{SendError, tls};
use crate::{
    domain::{
        clock::{Clock, Instant},
        pem::{self, Pem, PemError},
    },
    tasks,
};
use sha2::{Digest, Sha256};
use std::{fmt, io, mem, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_rustls::{
    TlsConnector,
    rustls::{RootCertStore, sign::CertifiedKey},
};

/// How often the files are looked at, at most; that is done when a connection is made.
const LOOK: Duration = Duration::from_secs(1);

/// Where the files are: one of them at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate with those that lead to an authority, and its private key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What is in the files. Not to be shown: one of them is a key.
pub struct Content {
    /// Of the authorities' file.
    pub ca: Option<Vec<u8>>,
    /// Of the client certificate's files.
    pub client: Option<Pem>,
}

/// Reads the files.
pub type Read = fn(&Files) -> io::Result<Content>;

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The authorities.
    Ca,
    /// The client certificate.
    Cert,
    /// Its key.
    Key,
}

/// The files with their latest good content. Clones share it.
#[derive(Clone)]
pub struct Certificates {
    files: Files,
    read: Read,
    state: Arc<Mutex<State>>,
}

struct State {
    parts: Parts,
    /// Made of the parts at the first handshake with them.
    connector: Option<TlsConnector>,
    mark: Mark,
    looked: Option<Instant>,
}

/// What handshakes are made with.
pub(super) struct Parts {
    pub roots: Option<Arc<RootCertStore>>,
    pub identity: Option<CertifiedKey>,
}

/// Tells one content of the files, or one failure to read them, from another.
type Mark = [u8; 32];

impl Certificates {
    /// With the content of the files, which `read` gives again later.
    ///
    /// # Errors
    /// Which of them cannot be used, and why.
    pub fn new(files: Files, read: Read, content: &Content) -> Result<Self, (Part, PemError)> {
        let state = State { parts: parts(content)?, connector: None, mark: mark(&Ok(content)), looked: None };
        Ok(Self { files, read, state: Arc::new(Mutex::new(state)) })
    }

    /// What a new connection is made with, by what is in the files now.
    pub(super) async fn connector(&self, clock: &Clock) -> Result<TlsConnector, SendError> {
        let mut state = self.state.lock().await;
        let now = clock.instant();
        if state.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK) {
            state.looked = Some(now);
            let (files, read) = (self.files.clone(), self.read);
            if let Ok(found) = tasks::blocking(move || read(&files)).await {
                self.take(&found, &mut state);
            }
        }
        if let Some(connector) = &state.connector {
            return Ok(connector.clone());
        }
        let connector = tls::connector(&state.parts).await?;
        state.connector = Some(connector.clone());
        Ok(connector)
    }

    /// Takes what has changed. What cannot be used leaves what is in force, and is said once.
    fn take(&self, found: &io::Result<Content>, state: &mut State) {
        let found = found.as_ref();
        let before = mem::replace(&mut state.mark, mark(&found));
        if before == state.mark {
            return;
        }
        match found.map(parts) {
            Ok(Ok(parts)) => {
                (state.parts, state.connector) = (parts, None);
                tracing::info!(files = %self.files, "the TLS files of a destination have changed and are used from now on");
            }
            Ok(Err((part, error))) => {
                let file = self.files.path(part).map_or_else(String::new, |path| path.display().to_string());
                tracing::error!(%file, %error, "the changed TLS files of a destination cannot be used; those before stay");
            }
            Err(error) => {
                tracing::error!(files = %self.files, %error, "the changed TLS files of a destination cannot be read; those before stay");
            }
        }
    }
}

impl Files {
    fn path(&self, part: Part) -> Option<&PathBuf> {
        match part {
            Part::Ca => self.ca.as_ref(),
            Part::Cert => self.client.as_ref().map(|(cert, _)| cert),
            Part::Key => self.client.as_ref().map(|(_, key)| key),
        }
    }
}

/// Their paths, separated by commas.
impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = [Part::Ca, Part::Cert, Part::Key].into_iter().filter_map(|part| self.path(part));
        let shown: Vec<_> = paths.map(|path| path.display().to_string()).collect();
        f.write_str(&shown.join(", "))
    }
}

/// The same files, whatever is in them now.
impl PartialEq for Certificates {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

impl Eq for Certificates {}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

fn parts(content: &Content) -> Result<Parts, (Part, PemError)> {
    let roots = content.ca.as_deref().map(pem::authorities).transpose().map_err(|error| (Part::Ca, error))?;
    let identity = content.client.as_ref().map(Pem::identity).transpose();
    let identity = identity.map_err(|error| (if error.is_of_certificate() { Part::Cert } else { Part::Key }, error))?;
    Ok(Parts { roots, identity })
}

fn mark(found: &Result<&Content, &io::Error>) -> Mark {
    let digest = match found {
        Ok(content) => {
            let client = content.client.as_ref().map(|pem| [&pem.cert, &pem.key]);
            let all = content.ca.iter().chain(client.into_iter().flatten());
            all.fold(Sha256::new_with_prefix([0]), |digest, bytes| digest.chain_update(Sha256::digest(bytes)))
        }
        Err(error) => Sha256::new_with_prefix([1]).chain_update(error.to_string()),
    };
    digest.finalize().into()
}
