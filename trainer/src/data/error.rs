//! Errors of data sets.

use std::path::{Path, PathBuf};

use super::form::ImageFlaw;
use crate::config::Problem;

/// Data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The files were not found.
    #[error("{dataset} not found: no {file} in {}; {advice}", list(looked))]
    NotFound {
        /// The data set.
        dataset: String,
        /// The file that was searched for.
        file: String,
        /// The folders that were searched.
        looked: Vec<PathBuf>,
        /// Where to get the data, and how to give its location.
        advice: String,
    },
    /// A file of a data set is missing beside others.
    #[error("{}: no {file} beside {beside}; a data set needs {needed}", folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        file: String,
        /// What was found.
        beside: String,
        /// What a data set needs.
        needed: String,
    },
    /// A file cannot be read, or its compression is broken.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is not a usable image.
    #[error("{} {flaw}; replace the file, or remove it", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: ImageFlaw,
    },
    /// Several files are not usable images.
    #[error("{count} of {all} images cannot be used:{}replace the files, or remove them", lines(first, *count))]
    Images {
        /// Their number.
        count: usize,
        /// The number of files that were inspected.
        all: usize,
        /// The first of them.
        first: Vec<DataError>,
    },
    /// The config asks for something that the data does not contain.
    #[error(transparent)]
    Config(#[from] Problem),
    /// A file does not have the expected contents.
    #[error("{}: {what}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The part that is wrong.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

impl DataError {
    /// The error for these bad files among `all`: the first by name are listed.
    pub(super) fn images(mut bad: Vec<(PathBuf, ImageFlaw)>, all: usize) -> DataError {
        bad.sort_by(|a, b| a.0.cmp(&b.0));
        let count = bad.len();
        let mut first = bad.into_iter().take(LISTED).map(|(path, flaw)| DataError::Image { path, flaw });
        match (count, first.next()) {
            (1, Some(only)) => only,
            (_, one) => DataError::Images { count, all, first: one.into_iter().chain(first).collect() },
        }
    }

    /// A malformed file.
    pub(super) fn malformed(path: &Path, what: &'static str, expected: String, found: String) -> DataError {
        DataError::Malformed { path: path.to_owned(), what, expected, found }
    }
}

/// The largest number of files that are listed, one per line.
const LISTED: usize = 10;

fn lines(first: &[DataError], count: usize) -> String {
    let line = |error: &DataError| match error {
        DataError::Image { path, flaw } => format!("{} {flaw}", path.display()),
        other => other.to_string(),
    };
    let more = count - first.len();
    let more = if more > 0 { vec![format!("and {more} more")] } else { Vec::new() };
    let lines: Vec<String> = first.iter().map(line).chain(more).collect();
    format!("\n  {}\n", lines.join("\n  "))
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
