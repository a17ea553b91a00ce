//! Files that commands write.

use crate::error::Error;
use crate::run::write_atomically;
use std::path::{Path, PathBuf};

/// Writes a file in one piece, and the folders that it stands in where they are missing.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let done = folder.and_then(|()| write_atomically(path, &[bytes]));
    done.map_err(|error| Error::Write { path: path.to_owned(), error })?;
    Ok(path.to_owned())
}
