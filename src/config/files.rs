//! The files that a configuration is made of, and whether there is something else in them by now.

use super::glob;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Tells one content of a file, or one failure to read it, from another.
type Mark = [u8; 32];

/// Every file that was read.
#[derive(Debug, Clone, Default)]
pub struct Files {
    marks: Marks,
    /// Those of certificates and their keys, which whoever uses them looks at.
    certificates: BTreeSet<PathBuf>,
    /// Of the rules files, one after the other.
    content: Sha256,
}

/// Files with what was in each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    files: BTreeMap<PathBuf, Mark>,
    /// Patterns, each with the folder where they look, and what they found.
    patterns: BTreeMap<(PathBuf, String), Mark>,
}

/// No file that is read is larger, so that a look at one ends.
const MAX_LOOK: u64 = 1 << 20;

impl Files {
    /// All that is in a file, which is noted.
    ///
    /// # Errors
    /// It cannot be read, is no regular file or larger than `limit`, 1 MiB at most.
    pub(super) fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let found = read(path, MAX_LOOK);
        self.note(path, &found);
        let bytes = found?;
        if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
    }

    /// The same of a file of rules.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub(super) fn read_rules(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.read(path, limit)?;
        self.content.update(&bytes);
        Ok(bytes)
    }

    /// The files that a pattern finds in a folder, which are noted: one that comes or goes is a change.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn find(&mut self, folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
        let found = glob::found(folder, pattern);
        self.marks.patterns.entry((folder.to_owned(), pattern.to_owned())).or_insert_with(|| mark_of_list(&found));
        found
    }

    /// What was found first counts: where a file changes while it is read twice, that is a change.
    fn note(&mut self, path: &Path, found: &io::Result<Vec<u8>>) {
        self.marks.files.entry(path.to_owned()).or_insert_with(|| mark(found));
    }

    /// Notes that a file has a certificate or its key.
    pub(super) fn note_certificate(&mut self, path: &Path) {
        self.certificates.insert(path.to_owned());
    }

    /// All of them, with what was in each when it was read.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// All of them: what may have to change before a refused configuration is good.
    pub fn of_refused(self) -> Marks {
        self.marks
    }

    /// Those that nobody else looks at, once the configuration is in force.
    pub fn of_taken(mut self) -> Marks {
        self.marks.files.retain(|path, _| !self.certificates.contains(path));
        self.marks
    }

    /// The first twelve digits of the rules files' SHA-256, as `cat FILES | sha256sum` tells it. None of it is of secrets that
    /// the files only name.
    pub fn hash(&self) -> String {
        hex::encode(&self.content.clone().finalize()[..6])
    }
}

impl Marks {
    /// Whether a look has seen each of these files, and found in it the same.
    pub fn is_part_of(&self, look: &Self) -> bool {
        let is_same = |(path, mark): (&PathBuf, &Mark)| look.files.get(path) == Some(mark);
        let finds_same = |(place, mark): (&(PathBuf, String), &Mark)| look.patterns.get(place) == Some(mark);
        self.files.iter().all(is_same) && self.patterns.iter().all(finds_same)
    }

    /// The same files with what is in them now. Blocks on the file system; pipes and the like are not opened.
    #[must_use]
    pub fn look(&self) -> Self {
        let look = |path: &PathBuf| (path.clone(), mark(&read(path, MAX_LOOK)));
        let find = |place: &(PathBuf, String)| (place.clone(), mark_of_list(&glob::found(&place.0, &place.1)));
        Self { files: self.files.keys().map(look).collect(), patterns: self.patterns.keys().map(find).collect() }
    }
}

fn mark(found: &io::Result<Vec<u8>>) -> Mark {
    let digest = match found {
        Ok(bytes) => Sha256::new_with_prefix([0]).chain_update(bytes),
        Err(error) => Sha256::new_with_prefix([1]).chain_update(error.to_string()),
    };
    digest.finalize().into()
}

fn mark_of_list(found: &io::Result<Vec<PathBuf>>) -> Mark {
    let mut digest = Sha256::new();
    match found {
        Ok(paths) => paths.iter().for_each(|path| digest.update([path.as_os_str().as_encoded_bytes(), &[0]].concat())),
        Err(error) => digest.update(error.to_string()),
    }
    digest.finalize().into()
}

/// All that is in a regular file.
///
/// # Errors
/// It cannot be read, is no regular file or larger than `limit`.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe waits for whoever writes to it.
    let found = path.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other(if found.is_dir() { "it is a folder" } else { "it is not a file" }));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

fn too_large(limit: u64) -> io::Error {
    let size = if limit.is_multiple_of(1 << 20) { format!("{} MiB", limit >> 20) } else { format!("{} KiB", limit >> 10) };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {size}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn a_file_has_changed_where_its_content_has_whatever_its_time_and_inode_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, two, file, link] = ["one", "two", "file", "link"].map(|name| folder.path().join(name));
        for path in [&one, &two, &file] {
            fs::write(path, "old").unwrap();
        }
        symlink(&one, &link).unwrap();
        let mut files = Files::default();
        assert_eq!(files.read(&file, 10).unwrap(), b"old");
        assert_eq!(files.read(&link, 10).unwrap(), b"old");
        let known = files.of_taken();
        assert_eq!(known.look(), known);

        let renamed = folder.path().join("renamed");
        let swap = |to: &Path| {
            symlink(to, &renamed).unwrap();
            fs::rename(&renamed, &link).unwrap();
        };
        swap(&two);
        fs::write(&renamed, "old").unwrap();
        fs::rename(&renamed, &file).unwrap();
        assert_eq!(known.look(), known, "other files with the same content");
        fs::write(&two, "new").unwrap();
        assert_ne!(known.look(), known, "through the link");
        swap(&one);
        assert_eq!(known.look(), known);
        fs::remove_file(&file).unwrap();
        assert_ne!(known.look(), known, "it is gone");
        assert_eq!(known.look(), known.look());
    }

    #[test]
    fn what_was_missing_and_what_was_too_large_is_seen_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let mut missing = Files::default();
        assert!(missing.read(&path, 10).is_err());
        let missing = missing.of_refused();
        assert_eq!(missing.look(), missing);
        fs::write(&path, "x".repeat(1_025)).unwrap();
        assert_ne!(missing.look(), missing);
        let mut large = Files::default();
        assert_eq!(large.read(&path, 1 << 10).unwrap_err().to_string(), "it is larger than 1 KiB");
        let large = large.of_refused();
        assert_eq!(large.look(), large);
        fs::write(&path, "good").unwrap();
        assert_ne!(large.look(), large);
    }

    #[test]
    fn a_file_that_a_pattern_finds_or_misses_from_now_on_is_a_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, two] = ["one.yaml", "two.yaml"].map(|name| folder.path().join(name));
        fs::write(&one, "").unwrap();
        let mut files = Files::default();
        assert_eq!(files.find(folder.path(), "*.yaml").unwrap(), std::slice::from_ref(&one));
        fs::write(folder.path().join("two.txt"), "").unwrap();
        let known = files.of_taken();
        assert_eq!(known.look(), known, "it is none of those");
        fs::write(&two, "").unwrap();
        assert_ne!(known.look(), known);
        fs::remove_file(&one).unwrap();
        fs::remove_file(&two).unwrap();
        assert_ne!(known.look(), known);
        fs::write(&one, "").unwrap();
        assert_eq!(known.look(), known);
    }

    #[test]
    fn what_is_read_is_part_of_a_look_only_where_that_look_has_seen_each_file_as_it_was_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let [main, named] = ["main", "named"].map(|name| folder.path().join(name));
        fs::write(&main, "old").unwrap();
        fs::write(&named, "old").unwrap();
        let read = |paths: &[&Path]| {
            let mut files = Files::default();
            paths.iter().for_each(|path| drop(files.read(path, 10).unwrap()));
            files
        };
        let look = read(&[&main]).marks().look();
        assert!(read(&[&main]).marks().is_part_of(&look));
        assert!(!read(&[&main, &named]).marks().is_part_of(&look), "no look has seen the file that it names");
        fs::write(&main, "new").unwrap();
        assert!(!read(&[&main]).marks().is_part_of(&look), "it changed after the look");
    }

    #[test]
    fn a_pipe_and_a_folder_are_never_opened_by_a_look() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
        assert!(made.success());
        let mut files = Files::default();
        for (path, what) in [(&*pipe, "it is not a file"), (folder.path(), "it is a folder")] {
            assert_eq!(files.read(path, 10).unwrap_err().to_string(), what);
        }
        let known = files.of_refused();
        assert_eq!(known.look(), known);
    }

    #[test]
    fn certificates_are_looked_at_by_others_once_they_are_in_force() {
        let folder = tempfile::tempdir().expect("a folder");
        let [key, cert] = ["key", "cert"].map(|name| folder.path().join(name));
        let mut files = Files::default();
        for path in [&key, &cert] {
            fs::write(path, "old").unwrap();
            files.read(path, 10).unwrap();
        }
        files.note_certificate(&cert);
        fs::write(&cert, "new").unwrap();
        let (refused, taken) = (files.clone().of_refused(), files.of_taken());
        assert_ne!(refused.look(), refused);
        assert_eq!(taken.look(), taken);
        fs::write(&key, "new").unwrap();
        assert_ne!(taken.look(), taken);
    }

    #[test]
    fn the_hash_is_of_the_rules_files_alone_and_as_sha256sum_tells_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let [main, more, secret] = ["main", "more", "secret"].map(|name| folder.path().join(name));
        for (path, text) in [(&main, "a"), (&more, "bc"), (&secret, "key")] {
            fs::write(path, text).unwrap();
        }
        let mut files = Files::default();
        files.read_rules(&main, 10).unwrap();
        files.read(&secret, 10).unwrap();
        files.read_rules(&more, 10).unwrap();
        assert_eq!(files.hash(), "ba7816bf8f01", "of abc");
    }
}
