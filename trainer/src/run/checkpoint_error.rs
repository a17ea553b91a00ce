//! What can be wrong with a checkpoint or a file of weights.

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
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written; the one before it is still there.
    #[error("cannot write the checkpoint {}: {source}; the last one is kept", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is of another format.
    #[error("{} is {what}, no safetensors file: {advice}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The file is not safetensors, or cut off.
    #[error("{} is no whole safetensors file: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Its bytes are not those that were written.
    #[error(
        "{} is damaged: it was written with the checksum {written}, its bytes now have {found}",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The checksum that stands in it.
        written: String,
        /// That of its bytes.
        found: String,
    },
    /// Nothing says what its bytes should be.
    #[error(
        "{} holds no checksum, so it cannot be verified and is not used: if an older version of Lethe wrote it, train the run again; the weights of other programs are taken by `[init] from` alone", path.display()
    )]
    NoChecksum {
        /// The file.
        path: PathBuf,
    },
    /// A tensor is not what it should be.
    #[error("{}: tensor `{tensor}`: expected {expected}, found {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Its model tells other classes apart than the data has.
    #[error(
        "{}: the model was trained on other classes than the data has now: {difference}; give the classes the names that they had, say with --data-dir where the images are, or train a new run", path.display()
    )]
    Classes {
        /// The file.
        path: PathBuf,
        /// What is different.
        difference: String,
    },
    /// A note is missing or not what it should be.
    #[error("{}: note `{note}`: expected {expected}, found {found}", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// The note.
        note: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}
