//! What can go wrong with a run's folder.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint_error::CheckpointError;
use super::classes::FILE as CLASS_FILE;
use crate::config::{Change, ConfigError};

/// The file that holds a run's config.
pub(super) const CONFIG: &str = "config.toml";
/// The file that says what its images are.
pub(super) const DATA: &str = "data.txt";
/// Locked while a program writes the folder; empty, and left there.
pub(super) const LOCK: &str = "lock";

/// A folder that cannot be made, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A run stands there.
    #[error("{} holds a run already; choose another --out, or give --overwrite to replace it", .0.display())]
    Exists(PathBuf),
    /// Something else stands there.
    #[error("{} is not empty and holds no run (no {CONFIG} beside {LOCK}); choose another --out", .0.display())]
    NotARun(PathBuf),
    /// Another program is writing there.
    #[error("{}: another program trains there now; choose another --out, or wait", .0.display())]
    Busy(PathBuf),
    /// A log that is none.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A run was to be read, and there is none.
    #[error("{} is not a run folder: it has no {CONFIG}", .0.display())]
    NoRun(PathBuf),
    /// The folder cannot be made or listed.
    #[error("cannot use the output folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The images are not those that the run began with.
    #[error(
        "{}: the images are not those that the run began with (then {expected}; now {found}); say with --data-dir where those are, start again, or, where the change is meant, remove {DATA} from the run's folder", path.display()
    )]
    OtherData {
        /// The run.
        path: PathBuf,
        /// What the run notes of its images, where that differs.
        expected: String,
        /// What is there now.
        found: String,
    },
    /// The classes are not those that the run began with.
    #[error(
        "{} began with other classes than the data has now: {difference}; give the classes the names that they had ({CLASS_FILE} in the run's folder lists them), say with --data-dir where the images are, or start again", path.display()
    )]
    OtherClasses {
        /// The run.
        path: PathBuf,
        /// What is different.
        difference: String,
    },
    /// A run that ended before its first checkpoint.
    #[error("{}: no epoch was finished, there is no checkpoint yet; start again with `lethe train … --overwrite`", .0.display())]
    NoCheckpoint(PathBuf),
    /// The checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint of the run is broken.
    #[error("{source}; {}", way_out(run, whole.as_deref()))]
    BrokenCheckpoint {
        /// The run.
        run: PathBuf,
        /// What is wrong with it.
        source: Box<CheckpointError>,
        /// The newest of the run's that is whole, if there is one.
        whole: Option<PathBuf>,
    },
    /// The run's config is not that of its checkpoint.
    #[error(
        "{} is not the config that {} was trained with: {}; undo that; `lethe resume RUN --set KEY=VALUE` changes what can be changed, and records it",
        config.display(), checkpoint.display(), list(changes)
    )]
    ConfigChanged {
        /// The run's config.
        config: PathBuf,
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What differs.
        changes: Vec<Change>,
    },
    /// The run's config, or that of a checkpoint, cannot be read.
    #[error(transparent)]
    Config(Box<ConfigError>),
}

/// What to do about a broken checkpoint.
fn way_out(run: &Path, whole: Option<&Path>) -> String {
    match whole {
        Some(file) => format!(
            "the newest whole checkpoint of the run is {file}: `lethe resume {} --checkpoint {file}` goes on from there, and eval, analyze and export take the same option",
            run.display(),
            file = file.display(),
        ),
        None => "the run has no whole checkpoint: start again with `lethe train … --overwrite`".to_owned(),
    }
}

fn list(changes: &[Change]) -> String {
    changes.iter().map(Change::to_string).collect::<Vec<_>>().join(", ")
}

impl RunError {
    pub(super) fn write(path: &Path, source: io::Error) -> RunError {
        RunError::Write { path: path.to_owned(), source }
    }

    pub(super) fn folder(path: &Path, source: io::Error) -> RunError {
        RunError::Folder { path: path.to_owned(), source }
    }
}
