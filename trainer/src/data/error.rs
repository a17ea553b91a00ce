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
    /// Several files are no images that can be used, of all that were looked at.
    #[error("{count} of {all} images cannot be used:{}replace the files, or remove them", lines(first, *count))]
    Images {
        /// How many.
        count: usize,
        /// Files that were looked at.
        all: usize,
        /// The first of them.
        first: Vec<DataError>,
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
    /// What is wrong with some of so many images: the first by name are listed.
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

/// Files that are listed before they are only counted, a line each.
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
