//! Writing one file of a data set.

use crate::error::Error;
use std::path::Path;

/// Writes a file, and creates its folders.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(path, bytes)).map_err(|error| Error::Write { path: path.to_owned(), error })
}
