//! Errors of checkpoints and files of weights.

use std::io;
use std::path::PathBuf;

/// A checkpoint, or a file of weights, that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file cannot be written; those that are there are kept.
    #[error("cannot write the checkpoint {}: {source}; no earlier checkpoint was changed", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There are no averages in it.
    #[error("{} has no averaged parameters: its run was trained without train.ema", path.display())]
    NoAverage {
        /// The file.
        path: PathBuf,
    },
    /// The file has a different format.
    #[error("{} is {what}, not a safetensors file: {advice}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The file is not in the safetensors format, or is truncated.
    #[error("{} is not a complete safetensors file: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Its bytes are not those that were written.
    #[error(
        "{} is damaged: it was written with the checksum {written}, but its bytes now have {found}",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The checksum stored in it.
        written: String,
        /// The checksum of its bytes.
        found: String,
    },
    /// It has no checksum.
    #[error(
        "{} contains no checksum, so it cannot be verified and is not used: if an older version of Lethe wrote it, \
         train the run again; to load weights of another program use `[init] from`", path.display()
    )]
    NoChecksum {
        /// The file.
        path: PathBuf,
    },
    /// It says nothing of a run.
    #[error(
        "{} contains weights alone, as an exported file does, and not how far a run had come: it is no checkpoint; \
         to start from its weights use `[init] from`", path.display()
    )]
    WeightsAlone {
        /// The file.
        path: PathBuf,
    },
    /// A tensor is missing or not as expected.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Its model was trained on other classes than the data has.
    #[error(
        "{}: the model was trained on other classes than the data has now: {difference}; restore the names of the \
         classes, give the folder of the right data with --data-dir, or train a new run", path.display()
    )]
    Classes {
        /// The file.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// A note is missing or not as expected.
    #[error("{}: note `{note}`: expected {expected}, found {found}", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// The note.
        note: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}
