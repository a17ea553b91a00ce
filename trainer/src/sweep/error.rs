//! What ends a sweep.

use crate::words::count;
use std::path::PathBuf;

/// A sweep that cannot begin, or whose runs did not all succeed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The config of a point is wrong.
    #[error("{point}: {problem}")]
    Point {
        /// The name of the point.
        point: String,
        /// What is wrong.
        problem: Box<crate::Error>,
    },
    /// The folder holds other runs than those of this command.
    #[error(
        "{} holds another sweep, of which this one is no extension: {}; choose another --out, or give the values it has and more of them",
        path.display(),
        differences.join("; ")
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// What differs.
        differences: Vec<String>,
    },
    /// The folder holds something else.
    #[error("{} is not empty and contains no sweep (no {}); choose another --out", path.display(), super::manifest::NAME)]
    NotASweep {
        /// The folder.
        path: PathBuf,
    },
    /// Another program is making the sweep.
    #[error("{}: another program is making this sweep; choose another --out, or wait", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Another program has made or extended the sweep while this one was being checked.
    #[error("{}: another program has changed this sweep while it was being checked; give the command again", path.display())]
    Changed {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be used.
    #[error("cannot use the sweep {}: {error}", path.display())]
    Folder {
        /// The folder, or its file.
        path: PathBuf,
        /// The system's error, or what a file has instead of a sweep.
        error: String,
    },
    /// Some runs failed.
    #[error("{failed} of {} failed; the lines above say why, and the same command tries them again", count(*runs, "run"))]
    Failed {
        /// The number of failed runs.
        failed: usize,
        /// The number of all runs.
        runs: usize,
    },
}

impl SweepError {
    /// As [`crate::Error::exit_status`].
    pub fn exit_status(&self) -> u8 {
        match self {
            SweepError::Point { problem, .. } => problem.exit_status(),
            SweepError::Other { .. } | SweepError::NotASweep { .. } => 2,
            _ => 1,
        }
    }
}
