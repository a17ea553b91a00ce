//! What can be wrong with the files of a data set.

use std::path::{Path, PathBuf};

/// Data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The files are nowhere.
    #[error("{dataset} not found: no {file} (or {file}.gz) in {}; {advice}", list(looked))]
    NotFound {
        /// The data set.
        dataset: String,
        /// The first of the files looked for.
        file: &'static str,
        /// The folders looked in.
        looked: Vec<PathBuf>,
        /// Where to get the data, and how to say where it is.
        advice: String,
    },
    /// One of the four files is missing where the first of them is.
    #[error("{}: no {file} (or {file}.gz) beside {beside}; a data set needs all four files", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// The missing file.
        file: &'static str,
        /// The file that is there.
        beside: &'static str,
    },
    /// A file cannot be read, or its compression is broken.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The part that is wrong.
        what: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl DataError {
    /// A malformed file.
    pub(super) fn malformed(path: &Path, what: &'static str, expected: String, found: String) -> DataError {
        DataError::Malformed { path: path.to_owned(), what, expected, found }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
