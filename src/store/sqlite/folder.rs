//! The data folder: exclusive use, modes, what is in it before it is opened, and its size.

use super::{
    super::{Problem, StoreError},
    reserve,
    schema::{self, MigrateError},
};
use rusqlite::ffi;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where less than this is free, whatever fails is taken to fail for want of room.
const SCARCE: u64 = 256 << 10;

/// A disk, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    /// All of it.
    pub(super) size: u64,
    /// What we can still write to it.
    pub(super) free: u64,
}

/// A data folder in our exclusive use, until this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder where it is missing, and locks it. A folder that cannot be used is left as it is.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |error: io::Error| unusable(path, Problem::Io(Arc::new(error)));
        let database = path.join("hookgate.db");
        look(&database).map_err(|problem| unusable(path, problem))?;
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        }
        let lock = private(&path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(unusable(path, Problem::InUse)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        private(&database).map_err(io)?;
        // A mounted volume may belong to another user, with us in its group: then its mode is the operator's business.
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(0o700)) {
            tracing::debug!(%error, "the mode of the data folder stays as it is");
        }
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("hookgate.db")
    }

    /// Lets another process have the folder.
    pub(super) fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the data folder stays locked until this process ends");
        }
    }

    /// Bytes of all files in the folder but the reserve.
    pub(super) fn size(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name() != reserve::FILE {
                // A file can go away between the two calls.
                bytes += entry.metadata().map_or(0, |file| file.len());
            }
        }
        Ok(bytes)
    }

    /// The disk it is on.
    pub(super) fn disk(&self) -> io::Result<Disk> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(Disk { size: disk.f_blocks.saturating_mul(disk.f_frsize), free: disk.f_bavail.saturating_mul(disk.f_frsize) })
    }

    /// Whether it is for want of room that the engine failed. Not all of its errors say so.
    pub(super) fn is_full(&self, error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) || self.disk().is_ok_and(|disk| disk.free < SCARCE)
    }

    /// What an error of the system means while it opens the folder.
    pub(super) fn refused(&self, error: io::Error) -> StoreError {
        unusable(&self.path, Problem::Io(Arc::new(error)))
    }

    /// What it means that the schema cannot be used.
    pub(super) fn outdated(&self, error: MigrateError) -> StoreError {
        match error {
            MigrateError::Newer(found) => unusable(&self.path, Problem::Newer { found, known: schema::VERSION }),
            MigrateError::Engine(error) => self.unusable(error),
        }
    }

    /// What an error of the engine means while it opens the folder.
    pub(super) fn unusable(&self, error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, PermissionDenied};
        let problem = match error.sqlite_error_code() {
            Some(PermissionDenied) => Problem::Io(Arc::new(io::Error::new(io::ErrorKind::PermissionDenied, error))),
            Some(NotADatabase | DatabaseCorrupt) | None => Problem::Damaged(Arc::new(error)),
            Some(_) => Problem::Io(Arc::new(io::Error::other(error))),
        };
        unusable(&self.path, problem)
    }
}

fn unusable(path: &Path, problem: Problem) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), problem }
}

/// Opens a file that only we can read, whatever the umask is.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Reads the head of a database file, and changes nothing: SQLite itself would begin by writing beside it.
fn look(database: &Path) -> Result<(), Problem> {
    let mut file = match File::open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Problem::Io(Arc::new(error))),
    };
    let io = |error: io::Error| Problem::Io(Arc::new(error));
    let length = file.metadata().map_err(io)?.len();
    if length == 0 {
        return Ok(());
    }
    let mut head = [0; 100];
    if length < 512 || file.read_exact(&mut head).is_err() || !head.starts_with(b"SQLite format 3\0") {
        return Err(damaged(ffi::SQLITE_NOTADB, "the file does not begin as a database does"));
    }
    let number = |at: usize| i64::from(u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    let (pages, found, application) = (number(28), number(60), number(68));
    if application != schema::APPLICATION_ID && found != 0 {
        return Err(damaged(ffi::SQLITE_NOTADB, "it is the database of another program"));
    }
    if found > schema::VERSION {
        return Err(Problem::Newer { found, known: schema::VERSION });
    }
    // While there is a log, the file may be shorter than its head says: the rest is in the log.
    let log = fs::metadata(database.with_extension("db-wal")).map_or(0, |log| log.len());
    let page = match u16::from_be_bytes([head[16], head[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let wanted = u64::try_from(pages).unwrap_or(0) * page;
    if log == 0 && length < wanted {
        return Err(damaged(ffi::SQLITE_CORRUPT, "the file is shorter than its head says"));
    }
    Ok(())
}

fn damaged(code: i32, what: &str) -> Problem {
    Problem::Damaged(Arc::new(rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(what.to_owned()))))
}
