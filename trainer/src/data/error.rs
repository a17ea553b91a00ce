//! What can be wrong with the files of a data set.

use std::path::{Path, PathBuf};

use super::form::ImageFlaw;
use crate::config::Problem;

/// Data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The files are nowhere.
    #[error("{dataset} not found: no {file} in {}; {advice}", list(looked))]
    NotFound {
        /// The data set.
        dataset: String,
        /// What is looked for.
        file: String,
        /// The folders looked in.
        looked: Vec<PathBuf>,
        /// Where to get the data, and how to say where it is.
        advice: String,
    },
    /// A part of a data set is missing where another one is.
    #[error("{}: no {file} beside {beside}; a data set needs {needed}", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        file: String,
        /// What is there.
        beside: String,
        /// What a data set consists of.
        needed: String,
    },
    /// A file cannot be read, or its compression is broken.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no image that can be used.
    #[error("{} {flaw}; replace the file, or remove it", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: ImageFlaw,
    },
    /// The config asks for what the data does not hold.
    #[error(transparent)]
    Config(#[from] Problem),
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
