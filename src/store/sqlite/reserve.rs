//! The reserve: a file that only takes room, given up when the disk fills, so that events go on being stored while somebody
//! is called. It is made, and made again, beside everything else; where it was given up a small file stays, which the next start
//! takes where it has no room to read what is stored.

use super::{
    folder::{self, Disk},
    shared::Shared,
};
use crate::tasks;
use rustix::{fs::FallocateFlags, io::Errno};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Its name in the data folder.
pub(super) const FILE: &str = "reserve";

/// On a small disk it is one part in so many.
const SHARE: u64 = 8;

/// Where there is no room for all of it at first, it is one part in so many of what is free.
const PART_OF_FREE: u64 = 4;

/// Less than this is of no use.
const LEAST: u64 = 64 << 10;

/// So much of it is left for a start: the index of the log takes 32 KiB.
const LAST: u64 = 48 << 10;

/// How often it is looked after.
const EVERY: Duration = Duration::from_secs(1);

/// It is made only where the disk did not fail for so long: what waits for room goes first.
const CALM: Duration = Duration::from_secs(3);

/// Written at once where the file system cannot allocate.
const CHUNK: usize = 1 << 20;

/// Room on the disk that is held for when there is no other.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    wanted: u64,
    bytes: AtomicU64,
    is_given_up: AtomicBool,
    /// How often it was given up; held while the file is changed, and never for long.
    given_up: Mutex<u64>,
}

/// What came of making it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It is there.
    First,
    /// It is there after it had been given up.
    Again,
    /// It was given up meanwhile, or the process ends.
    Not,
}

impl Reserve {
    /// What an earlier process left of it, in a data folder where so many bytes are wanted.
    pub(super) fn find(folder: &Path, wanted: u64) -> Self {
        let path = folder.join(FILE);
        let found = fs::metadata(&path).ok();
        // A file with holes, as a copy may be, holds no room.
        let held = |file: &fs::Metadata| if file.blocks().saturating_mul(512) < file.len() / 2 { None } else { Some(file.len()) };
        let is_given_up = found.as_ref().is_some_and(|file| file.len() <= LAST);
        let bytes = found.as_ref().and_then(held).filter(|_| !is_given_up).unwrap_or(0);
        Self { path, wanted, bytes: bytes.into(), is_given_up: is_given_up.into(), given_up: Mutex::new(0) }
    }

    /// How much it holds.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether the disk was full, and there is no room yet to make it again.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Acquire)
    }

    /// Gives it up; whether that made room.
    pub(super) fn give_up(&self) -> bool {
        let mut given_up = self.lock();
        *given_up += 1;
        self.bytes.store(0, Ordering::Release);
        let was_given_up = self.is_given_up.swap(true, Ordering::AcqRel);
        match cut(&self.path, LAST) {
            Ok(bytes) if bytes > 0 => {
                tracing::error!(bytes, "the disk is full: the reserve is given up, and events are stored in its room; make room");
                true
            }
            Ok(_) => {
                if !was_given_up {
                    tracing::error!("the disk is full, and there was no reserve to give up; make room");
                }
                false
            }
            Err(error) => {
                if !was_given_up {
                    tracing::error!(%error, "the disk is full, and the reserve cannot be given up; make room");
                }
                false
            }
        }
    }

    /// Gives up what is left of it.
    pub(super) fn give_up_last(&self) {
        if let Err(error) = cut(&self.path, 0) {
            tracing::warn!(%error, "the last of the reserve cannot be given up");
        }
    }

    /// Makes it, or more of it, if there is enough room beside it.
    fn tend(&self, disk: Disk, ended: &AtomicBool) -> io::Result<()> {
        let wanted = self.wanted.min(disk.size / SHARE);
        // Somebody may have removed it.
        if !self.path.exists() {
            self.bytes.store(0, Ordering::Release);
        }
        let held = self.bytes();
        if held >= wanted {
            return Ok(());
        }
        if (disk.free + held) / 2 >= wanted {
            match self.make(wanted, ended)? {
                Made::Again => tracing::info!(bytes = wanted, "there is room on the disk again: the reserve is back"),
                Made::First | Made::Not => {}
            }
        } else if held == 0 && !self.is_given_up() && disk.free / PART_OF_FREE >= LEAST {
            let bytes = disk.free / PART_OF_FREE;
            match self.make(bytes, ended)? {
                Made::First => tracing::warn!(bytes, wanted, free = disk.free, "the disk has no room for the whole reserve; make room"),
                Made::Again | Made::Not => {}
            }
        }
        Ok(())
    }

    fn make(&self, bytes: u64, ended: &AtomicBool) -> io::Result<Made> {
        let given_up = self.lock();
        let before = *given_up;
        let mut file = folder::private(&self.path)?;
        self.bytes.store(0, Ordering::Release);
        let allocated = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes);
        drop(given_up);
        match allocated {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                if !self.fill(&mut file, bytes, before, ended)? {
                    return Ok(Made::Not);
                }
            }
            Err(error) => return Err(self.take_back(error.into())),
        }
        if let Err(error) = file.sync_all() {
            return Err(self.take_back(error));
        }
        let given_up = self.lock();
        if *given_up != before {
            return Ok(Made::Not);
        }
        self.bytes.store(bytes, Ordering::Release);
        Ok(if self.is_given_up.swap(false, Ordering::AcqRel) { Made::Again } else { Made::First })
    }

    /// Writes what cannot be allocated: at random, since some file systems keep nothing of zeros.
    fn fill(&self, file: &mut File, bytes: u64, before: u64, ended: &AtomicBool) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        let mut left = bytes;
        while left > 0 {
            fastrand::fill(&mut chunk);
            let part = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let given_up = self.lock();
            if *given_up != before || ended.load(Ordering::Acquire) {
                return Ok(false);
            }
            if let Err(error) = file.write_all(&chunk[..part]) {
                drop(given_up);
                return Err(self.take_back(error));
            }
            left -= part as u64;
        }
        Ok(true)
    }

    /// What came to nothing leaves no file that looks as if the reserve had been given up.
    fn take_back(&self, error: io::Error) -> io::Error {
        let _unchanged = self.lock();
        let emptied = if self.is_given_up() { cut(&self.path, LAST).map(drop) } else { fs::remove_file(&self.path) };
        emptied.err().unwrap_or(error)
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves so much of the file, and gives how much that freed. The room is there for others once that is synced.
fn cut(path: &Path, left: u64) -> io::Result<u64> {
    let file = folder::private(path)?;
    let bytes = file.metadata()?.len();
    file.set_len(bytes.min(left))?;
    file.sync_all()?;
    Ok(bytes.saturating_sub(left))
}

/// The thread that looks after the reserve; dropping it ends it.
#[derive(Debug)]
pub(super) struct Tending {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tending {
    /// Begins, and makes the reserve where there is none. Without a thread to be had there is none.
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, shared) = (ended.clone(), shared.clone());
        let thread = tasks::thread("store-reserve", move || {
            let mut had_failed = false;
            while !theirs.load(Ordering::Acquire) {
                if shared.is_well_since(CALM) {
                    let tended = shared.folder.disk().and_then(|disk| shared.reserve.tend(disk, &theirs));
                    if let Err(error) = &tended
                        && !had_failed
                    {
                        tracing::warn!(%error, "the reserve cannot be made; tried again");
                    }
                    had_failed = tended.is_err();
                }
                thread::park_timeout(EVERY);
            }
        });
        if let Err(error) = &thread {
            tracing::warn!(%error, "no thread to make the reserve of the store; when the disk is full, requests wait");
        }
        Self { ended, thread: thread.ok() }
    }
}

impl Drop for Tending {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it leaves a reserve that the next start makes.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: u64 = 300_000;
    const ROOMY: Disk = Disk { size: 100 << 20, free: 50 << 20 };
    const NARROW: Disk = Disk { size: 100 << 20, free: 2 * WANTED - 1 };
    const FULL: Disk = Disk { size: 100 << 20, free: 0 };

    fn tended(reserve: &Reserve, disk: Disk) -> (u64, bool) {
        reserve.tend(disk, &AtomicBool::new(false)).unwrap();
        (reserve.bytes(), reserve.is_given_up())
    }

    fn length(folder: &Path) -> Option<u64> {
        fs::metadata(folder.join(FILE)).ok().map(|file| file.len())
    }

    #[test]
    fn it_takes_real_blocks_and_is_found_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        assert_eq!((reserve.bytes(), reserve.is_given_up()), (0, false));
        assert_eq!(tended(&reserve, ROOMY), (WANTED, false));
        let file = fs::metadata(folder.path().join(FILE)).unwrap();
        assert!(file.len() == WANTED && file.blocks() * 512 >= WANTED, "{file:?}");
        assert_eq!(Reserve::find(folder.path(), WANTED).bytes(), WANTED);
    }

    #[test]
    fn it_is_made_again_only_where_as_much_is_free_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        tended(&reserve, ROOMY);
        assert!(reserve.give_up());
        assert!(!reserve.give_up(), "it is given up once");
        assert_eq!((length(folder.path()), reserve.bytes(), reserve.is_given_up()), (Some(LAST), 0, true));
        assert_eq!(tended(&reserve, FULL), (0, true));
        assert_eq!(tended(&reserve, NARROW), (0, true), "it would be full again at once");
        assert_eq!(tended(&reserve, ROOMY), (WANTED, false));
    }

    #[test]
    fn a_start_knows_that_it_was_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        tended(&reserve, ROOMY);
        reserve.give_up();
        let reserve = Reserve::find(folder.path(), WANTED);
        assert_eq!((reserve.bytes(), reserve.is_given_up()), (0, true));
        reserve.give_up_last();
        assert_eq!(length(folder.path()), Some(0));
        let reserve = Reserve::find(folder.path(), WANTED);
        assert!(reserve.is_given_up());
        assert_eq!(tended(&reserve, ROOMY), (WANTED, false));
    }

    #[test]
    fn with_little_room_it_takes_a_quarter_of_it_and_grows_later() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        assert_eq!(tended(&reserve, FULL), (0, false));
        assert_eq!(length(folder.path()), None, "an empty file would say that it was given up");
        assert_eq!(tended(&reserve, NARROW), (NARROW.free / 4, false));
        assert_eq!(tended(&reserve, Disk { free: NARROW.free / 4 * 3, ..NARROW }), (NARROW.free / 4, false));
        assert_eq!(tended(&reserve, ROOMY), (WANTED, false));
    }

    #[test]
    fn on_a_small_disk_it_is_an_eighth_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        assert_eq!(tended(&reserve, Disk { size: 1 << 20, free: 1 << 20 }), (1 << 17, false));
    }

    #[test]
    fn one_that_somebody_removed_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        tended(&reserve, ROOMY);
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert_eq!(tended(&reserve, ROOMY), (WANTED, false));
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(!reserve.give_up(), "there is nothing to give");
        assert!(reserve.is_given_up());
    }

    #[test]
    fn a_file_with_holes_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join(FILE)).unwrap().set_len(WANTED).unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        assert_eq!((reserve.bytes(), reserve.is_given_up()), (0, false));
        assert_eq!(tended(&reserve, ROOMY).0, WANTED);
        assert!(fs::metadata(folder.path().join(FILE)).unwrap().blocks() * 512 >= WANTED);
    }

    #[test]
    fn where_nothing_can_be_allocated_it_is_written_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::find(folder.path(), WANTED);
        let mut file = folder::private(&folder.path().join(FILE)).unwrap();
        let goes_on = AtomicBool::new(false);
        assert!(reserve.fill(&mut file, WANTED, 0, &goes_on).unwrap());
        assert_eq!(length(folder.path()), Some(WANTED));
        reserve.give_up();
        assert!(!reserve.fill(&mut file, WANTED, 0, &goes_on).unwrap());
        assert_eq!(length(folder.path()), Some(LAST));
    }
}
