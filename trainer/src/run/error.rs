//! Errors of run folders.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint_error::CheckpointError;
use super::files::{CHECKPOINT, CLASSES, CONFIG, DATA, LOCK, is_run};
use crate::config::{Change, ConfigError};

/// A run folder that cannot be created, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder contains a run.
    #[error("{} already contains a run; choose another --out, or give --overwrite to replace it", .0.display())]
    Exists(PathBuf),
    /// The folder contains something else.
    #[error("{} is not empty and contains no run (no {CONFIG} beside {LOCK}); choose another --out", .0.display())]
    NotARun(PathBuf),
    /// Another program is writing the folder.
    #[error("{}: another program is writing this run; choose another --out, or wait", .0.display())]
    Busy(PathBuf),
    /// A file of the run cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A log has something else than records before its end.
    #[error(
        "{}, line {line}: expected a record, found something else; to resume would lose the lines after it: repair \
         the line, or move the file away and a new log is begun",
        path.display()
    )]
    BrokenLog {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A log does not have the records that a checkpoint counts on.
    #[error(
        "{}: records are missing or repeated ({found}), which no crash of the program leaves; restore the file, or move it away and a new \
         log is begun",
        path.display()
    )]
    LostRecords {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// The folder is not a run folder.
    #[error("{} is not a run folder: {}", .0.display(), instead(.0))]
    NoRun(PathBuf),
    /// The folder cannot be created or listed.
    #[error("cannot use the output folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The images differ from those that the run began with.
    #[error(
        "{}: the images are not those that the run began with (then {expected}; now {found}); give the folder of the \
         original images with --data-dir, start again, or, if the change is intended, remove {DATA} from the run \
         folder", path.display()
    )]
    OtherData {
        /// The run.
        path: PathBuf,
        /// What the run recorded about its images, where that differs.
        expected: String,
        /// What the images are now.
        found: String,
    },
    /// The classes differ from those that the run began with.
    #[error(
        "{} began with other classes than the data has now: {difference}; restore the names of the classes \
         ({CLASSES} in the run folder lists them), give the folder of the right data with --data-dir, or start again", path.display()
    )]
    OtherClasses {
        /// The run.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// The file with the names of the classes is not one.
    #[error(
        "{}: expected the names of the classes, a JSON list with one name for each class such as \
         [\"cat\", \"dog\"], found {found}; restore the file, or remove it: the checkpoint has the names too, and \
         `lethe resume` writes the file again",
        path.display()
    )]
    BrokenClasses {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A run without a checkpoint.
    #[error(
        "{}: there is no checkpoint: none was written yet, or the files were removed; start again with \
         `lethe train … --overwrite`", .0.display()
    )]
    NoCheckpoint(PathBuf),
    /// The last two checkpoints are missing, but others were kept.
    #[error("{} is missing; {}", run.join(CHECKPOINT).display(), way_out(run, Some(whole.as_path())))]
    MissingCheckpoint {
        /// The run.
        run: PathBuf,
        /// The newest intact one of the others.
        whole: PathBuf,
    },
    /// A run has no checkpoint of this name.
    #[error("there is no {}; {}", file.display(), way_to(name))]
    NoSuchCheckpoint {
        /// The name.
        name: String,
        /// The file that it would be.
        file: PathBuf,
    },
    /// There is neither a file nor a checkpoint of this name.
    #[error(
        "there is no checkpoint {}; expected a file, or `best`, `last` or `previous`; the run has {}",
        file.display(), listed(there)
    )]
    UnknownCheckpoint {
        /// What was named.
        file: PathBuf,
        /// The checkpoints of the run.
        there: Vec<String>,
    },
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
        /// The newest intact checkpoint of the run, if there is one.
        whole: Option<PathBuf>,
    },
    /// The run's config is not the one that its checkpoint was trained with.
    #[error(
        "{} is not the config that {} was trained with: {}; either the checkpoint belongs to another run, or the config \
         was edited: use a checkpoint of this run, or undo that (`lethe resume RUN --set KEY=VALUE` changes what can be \
         changed, with a record of it)",
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

/// What there is instead of a run, and which runs may be meant.
fn instead(path: &Path) -> String {
    match path.parent().filter(|_| path.is_file()) {
        Some(folder) if is_run(folder) => format!("it is a file of the run {}", folder.display()),
        Some(_) => "it is a file".to_owned(),
        None if !path.exists() => "there is no such folder".to_owned(),
        None if path.join("sweep.json").exists() => {
            format!("it is that of a sweep, whose runs are {}", path.join("*").join("*").display())
        }
        None => format!("it has no {CONFIG}"),
    }
}

/// How a run comes to have a checkpoint of this name.
fn way_to(name: &str) -> &'static str {
    match name {
        "best" => {
            "the best checkpoint is kept if the config says by which measure, such as `train.best = \"test_accuracy\"`"
        }
        "previous" => "a run has a previous checkpoint from its second one on",
        _ => "`--checkpoint previous` may be there, or the run has none yet",
    }
}

/// What to do about a broken checkpoint.
fn way_out(run: &Path, whole: Option<&Path>) -> String {
    match whole {
        Some(file) => format!(
            "the newest intact checkpoint of the run is {file}: `lethe resume {} --checkpoint {file}` resumes from \
             there, and eval, analyze and export take the same option",
            run.display(),
            file = file.display(),
        ),
        None => "the run has no intact checkpoint: start again with `lethe train … --overwrite`".to_owned(),
    }
}

fn listed(there: &[String]) -> String {
    if there.is_empty() { "none yet".to_owned() } else { crate::classes::listed(there) }
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
