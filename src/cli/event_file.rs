//! The payload in a file, or on standard input.

use super::exit::UsageError;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Far above what a gateway takes, so that its limit can be tried.
const LIMIT: u64 = 16 << 20;

/// The bytes of the file; `-` is standard input.
///
/// # Errors
/// It cannot be read, or is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, UsageError> {
    let bytes = if path == Path::new("-") { limited(io::stdin().lock()) } else { File::open(path).and_then(limited) };
    let bytes = bytes.map_err(|cause| UsageError::EventFile { path: path.to_owned(), cause })?;
    if bytes.len() as u64 > LIMIT { Err(UsageError::EventTooLarge { path: path.to_owned(), limit: LIMIT }) } else { Ok(bytes) }
}

fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
