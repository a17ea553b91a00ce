//! The folder of a run: its files, what is read from them and written into them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::files::{CONFIG, DATA, METRICS, SUMMARY, TIMING};
use super::log::Log;
use crate::config::Config;
use lethe_nn::atomic::{replaced_by, write_atomically};

/// The beginning of the line of the data's folder.
const FOLDER: &str = "folder: ";

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    pub(super) path: PathBuf,
    /// The lock, held by the one program that writes the run.
    pub(super) lock: Option<File>,
}

impl RunFolder {
    pub(super) fn replace_config(&self, config: &Config) -> Result<(), RunError> {
        self.replace(CONFIG, config.to_toml().as_bytes())
    }

    /// Opens the folder of an existing run, to read it.
    ///
    /// # Errors
    /// If there is no run.
    pub fn open(path: &Path) -> Result<RunFolder, RunError> {
        let run = RunFolder { path: path.to_owned(), lock: None };
        if run.config().is_file() { Ok(run) } else { Err(RunError::NoRun(path.to_owned())) }
    }

    /// Saves the checksums that identify the run's data, and the folder that it was read from.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_data(&self, fingerprint: &str, folder: Option<&Path>) -> Result<(), RunError> {
        let folder = folder.map_or_else(String::new, |folder| format!("{FOLDER}{}\n", folder.display()));
        self.replace(DATA, format!("{fingerprint}{folder}").as_bytes())
    }

    /// The folder that its data was read from, if it was in files and is noted.
    pub fn noted_folder(&self) -> Option<PathBuf> {
        let noted = fs::read_to_string(self.file(DATA)).ok()?;
        noted.lines().find_map(|line| line.strip_prefix(FOLDER)).map(PathBuf::from)
    }

    /// Checks that this is the data that the run began with, if it has saved its checksums. The folder may be another one.
    ///
    /// # Errors
    /// If it is not, or the file cannot be read.
    pub fn expect_data(&self, fingerprint: &str) -> Result<(), RunError> {
        let path = self.file(DATA);
        let noted = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            noted => noted.map_err(|source| RunError::Read { path, source })?,
        };
        let (folder, noted): (Vec<&str>, Vec<&str>) = noted.lines().partition(|line| line.starts_with(FOLDER));
        let now: Vec<&str> = fingerprint.lines().collect();
        if noted == now {
            return Ok(());
        }
        // Equal lines are not reported.
        let differing = |lines: &[&str], others: &[&str]| {
            let lines: Vec<&str> = lines.iter().copied().filter(|line| !others.contains(line)).collect();
            if lines.is_empty() { "no such part".to_owned() } else { lines.join(", ") }
        };
        let (then, found) = (differing(&noted, &now), differing(&now, &noted));
        let expected = [&[&*then][..], &folder].concat().join(", in the ");
        Err(RunError::OtherData { path: self.path.clone(), expected, found })
    }

    /// Removes partial files that killed programs left in one of the run's folders, of the files whose names are `ours`.
    pub(super) fn forget_partial_in(&self, folder: &str, ours: impl Fn(&str) -> bool) -> Result<(), RunError> {
        let folder = self.file(folder);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|e| RunError::folder(&folder, e))?,
        };
        let is_ours = |path: &PathBuf| path.file_name()?.to_str().and_then(replaced_by).map(&ours);
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        paths.filter(|path| is_ours(path) == Some(true)).try_for_each(|path| remove(&path))
    }

    /// Whether the test set was evaluated after this epoch, counted from 0.
    ///
    /// # Errors
    /// If the log of metrics cannot be read.
    pub fn is_evaluated(&self, epoch: usize) -> Result<bool, RunError> {
        #[derive(Deserialize)]
        struct Line {
            epoch: usize,
            #[serde(rename = "test_loss")]
            _test_loss: f64,
        }
        let path = self.file(METRICS);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            text => text.map_err(|source| RunError::Read { path, source })?,
        };
        // The evaluation is the last line of its epoch.
        let of_epoch = |line: &str| serde_json::from_str::<Line>(line).is_ok_and(|line| line.epoch == epoch);
        Ok(text.lines().next_back().is_some_and(of_epoch))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the run's config.
    pub fn config(&self) -> PathBuf {
        self.file(CONFIG)
    }

    /// Opens the log of metrics for appending.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn metrics(&self) -> Result<Log, RunError> {
        Log::open(&self.file(METRICS))
    }

    /// Opens the log of clock times for appending.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn timing(&self) -> Result<Log, RunError> {
        Log::open(&self.file(TIMING))
    }

    /// Replaces the summary.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn summarise(&self, summary: &impl Serialize) -> Result<(), RunError> {
        self.replace(SUMMARY, json(&self.file(SUMMARY), summary)?.as_bytes())
    }

    /// Removes the summary of a run that is resumed.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget_summary(&self) -> Result<(), RunError> {
        remove(&self.file(SUMMARY))
    }

    /// Whether the run is finished.
    pub fn is_finished(&self) -> bool {
        self.file(SUMMARY).is_file()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.file(name);
        write_atomically(&path, &[bytes]).map_err(|e| RunError::write(&path, e))
    }
}

/// The JSON text of a record for the file at `path`.
pub(super) fn json(path: &Path, record: &impl Serialize) -> Result<String, RunError> {
    let text = serde_json::to_string_pretty(record).map_err(|e| RunError::write(path, e.into()))?;
    Ok(text + "\n")
}

/// Removes a file if it exists.
pub(super) fn remove(file: &Path) -> Result<(), RunError> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(RunError::write(file, e)),
        _ => Ok(()),
    }
}
