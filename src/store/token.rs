//! The token of the admin API, where the rules file gives none: made at first start, kept in the data folder.

use crate::domain::secret::Secret;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use tokio_rustls::rustls::crypto::ring;

/// Its file in the data folder.
pub const TOKEN_FILE: &str = "admin-token";

/// Reads the token of a data folder.
///
/// # Errors
/// What the system says; an empty file is invalid data.
pub fn read(folder: &Path) -> io::Result<Secret> {
    let text = fs::read_to_string(folder.join(TOKEN_FILE))?;
    let token = text.trim();
    if token.is_empty() { Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")) } else { Ok(Secret::new(token)) }
}

/// Reads the token of a data folder that exists, or makes one: 256 random bits, readable by the owner only.
///
/// # Errors
/// What the system says.
pub fn read_or_make(folder: &Path) -> io::Result<Secret> {
    match read(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {}
        read => return read,
    }
    let mut random = [0; 32];
    ring::default_provider().secure_random.fill(&mut random).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let token = hex::encode(random);
    // Written beside it and renamed, so that a full disk leaves no half a token.
    let fresh = folder.join(format!("{TOKEN_FILE}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    fs::rename(&fresh, folder.join(TOKEN_FILE))?;
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_and_only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let made = read_or_make(folder.path()).unwrap();
        assert_eq!(made.expose().len(), 64);
        assert_eq!(read_or_make(folder.path()).unwrap(), made);
        assert_eq!(read(folder.path()).unwrap(), made);
        let mode = fs::metadata(folder.path().join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(read_or_make(tempfile::tempdir().unwrap().path()).unwrap(), made);
    }
}
