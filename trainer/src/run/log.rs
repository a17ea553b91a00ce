//! Append-only logs of JSON records, one per line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::RunError;

/// An open log.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Log, RunError> {
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|e| RunError::write(path, e))?;
        Ok(Log { file, path: path.to_owned() })
    }

    /// Appends a record with one write, so that a crash of the program loses no earlier line and leaves no part of one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&mut self, record: &impl Serialize) -> Result<(), RunError> {
        let error = |e: std::io::Error| RunError::write(&self.path, e);
        let mut line = serde_json::to_vec(record).map_err(|e| error(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(error)
    }

    /// Waits until all records are on the disk: a checkpoint that counts on them must not outlive them.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|e| RunError::write(&self.path, e))
    }
}
