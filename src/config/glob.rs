//! Files by a pattern of their names.

use crate::route::pattern::Pattern;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The files of a folder whose names the pattern matches, by name. As in a shell, `*` does not match what is hidden by a dot:
/// an editor's file that is half written, a folder that a ConfigMap is exchanged by.
///
/// # Errors
/// The folder cannot be read.
pub fn found(folder: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let wanted = Pattern::parse(pattern);
    let is_wanted = |name: &str| wanted.matches(name) && (!name.starts_with('.') || pattern.starts_with('.'));
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(here)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    let mut found: Vec<_> = names.into_iter().filter(|name| is_wanted(&name.to_string_lossy())).map(|name| folder.join(name)).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_files_by_name_and_nothing_hidden() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["b.yaml", "a.yaml", "10.yaml", "9.yaml", ".hidden.yaml", "a.yml", "notes.txt", "c.yaml~"] {
            fs::write(folder.path().join(name), "").expect(name);
        }
        for (pattern, expected) in [
            ("*.yaml", &["10.yaml", "9.yaml", "a.yaml", "b.yaml"][..]),
            ("?.yaml", &["9.yaml", "a.yaml", "b.yaml"]),
            ("*.y*ml", &["10.yaml", "9.yaml", "a.yaml", "a.yml", "b.yaml"]),
            (".*", &[".hidden.yaml"]),
            ("*.json", &[]),
        ] {
            let paths = found(folder.path(), pattern).expect(pattern);
            let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            assert_eq!(names, expected, "{pattern}");
        }
        assert!(found(&folder.path().join("nowhere"), "*").is_err());
    }
}
