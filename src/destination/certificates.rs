//! Authorities and a client certificate of a destination's own, from PEM files that are looked at again while it is called.
//! Reading files is not done here, but by whoever made this.

use super::{SendError, tls};
use crate::{
    domain::{
        clock::{Clock, Instant},
        pem::{self, Mark, Pem, PemError},
    },
    tasks,
};
use std::{fmt, io, mem, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinHandle, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{RootCertStore, sign::CertifiedKey},
};

/// How often the files are looked at, at most; that is done when a connection is made.
const LOOK: Duration = Duration::from_secs(1);

/// How long the connection that begins a look waits for it; then it is made with what is in force, like all others meanwhile.
const LOOK_WAIT: Duration = Duration::from_millis(500);

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
    /// A look that has begun: one at a time, however long a file system takes.
    look: Option<JoinHandle<io::Result<Content>>>,
}

/// What handshakes are made with.
pub(super) struct Parts {
    pub roots: Option<Arc<RootCertStore>>,
    pub identity: Option<CertifiedKey>,
}

impl Certificates {
    /// With the content of the files, which `read` gives again later.
    ///
    /// # Errors
    /// Which of them cannot be used, and why.
    pub fn new(files: Files, read: Read, content: &Content) -> Result<Self, (Part, PemError)> {
        let state = State { parts: parts(content)?, connector: None, mark: pem::mark(Ok(content.all())), looked: None, look: None };
        Ok(Self { files, read, state: Arc::new(Mutex::new(state)) })
    }

    /// What a new connection is made with, by what is in the files now.
    pub(super) async fn connector(&self, clock: &Clock) -> Result<TlsConnector, SendError> {
        let mut state = self.state.lock().await;
        let now = clock.instant();
        let begins = state.look.is_none() && state.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK);
        if begins {
            state.looked = Some(now);
            let (files, read) = (self.files.clone(), self.read);
            state.look = Some(tasks::blocking(move || read(&files)));
        }
        if let Some(look) = &mut state.look
            && (begins || look.is_finished())
            && let Ok(ended) = timeout(LOOK_WAIT, look).await
        {
            state.look = None;
            if let Ok(found) = ended {
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
        let before = mem::replace(&mut state.mark, pem::mark(found.map(Content::all)));
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

impl Content {
    fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.ca.iter().chain(self.client.iter().flat_map(|pem| [&pem.cert, &pem.key]))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Condvar,
        atomic::{AtomicUsize, Ordering},
    };

    #[tokio::test]
    async fn a_file_system_that_hangs_takes_one_thread_and_holds_up_no_connection() {
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        static HANGS: (std::sync::Mutex<bool>, Condvar) = (std::sync::Mutex::new(true), Condvar::new());
        let authority = include_bytes!("../../tests/data/tls/ca.pem");
        let content = Content { ca: Some(authority.to_vec()), client: None };
        let read = |_: &Files| {
            LOOKS.fetch_add(1, Ordering::SeqCst);
            drop(HANGS.1.wait_while(HANGS.0.lock().unwrap(), |hangs| *hangs));
            Err(io::ErrorKind::NotFound.into())
        };
        let own = Certificates::new(Files { ca: Some("ca.pem".into()), client: None }, read, &content).unwrap();
        let clock = Clock::system();
        for _ in 0..4 {
            own.state.lock().await.looked = None;
            assert!(own.connector(&clock).await.is_ok());
        }
        assert_eq!(LOOKS.load(Ordering::SeqCst), 1);
        *HANGS.0.lock().unwrap() = false;
        HANGS.1.notify_all();
        while own.state.lock().await.look.is_some() {
            assert!(own.connector(&clock).await.is_ok(), "what is in force stays");
        }
    }
}
