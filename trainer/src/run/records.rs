//! The records of analyses in a run folder: files under `analysis/`.

use super::error::RunError;
use super::folder::{RunFolder, json, remove};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::{fs, io};

const ANALYSIS: &str = "analysis";
/// The analyses that are not made during training: `sharpness.json`, `forgetting-epoch-025-p2.json`, `landscape.svg`, `measures-288.json`.
const ANALYSES: [&str; 4] = ["forgetting", "landscape", "measures", "sharpness"];

impl RunFolder {
    /// Writes a record of an analysis, `analysis/NAME.json`, and returns its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&self, name: &str, record: &impl Serialize) -> Result<PathBuf, RunError> {
        let folder = self.file(ANALYSIS);
        fs::create_dir_all(&folder).map_err(|e| RunError::folder(&folder, e))?;
        let name = format!("{ANALYSIS}/{name}.json");
        self.replace(&name, json(&self.file(&name), record)?.as_bytes())?;
        Ok(self.file(&name))
    }

    /// Reads a record, if it exists.
    ///
    /// # Errors
    /// If it cannot be read, or is not such a record.
    pub fn read_record<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RunError> {
        read(&self.file(&format!("{ANALYSIS}/{name}.json")))
    }

    /// The records made during training, in the order of their epochs.
    ///
    /// # Errors
    /// If one cannot be read, or is not such a record.
    pub fn epoch_records<T: DeserializeOwned>(&self) -> Result<Vec<T>, RunError> {
        let mut files = self.records()?;
        files.retain(|file| epoch_of(name(file)).is_some());
        files.sort_by_key(|file| epoch_of(name(file)));
        let all = files.iter().map(|file| read(file)).collect::<Result<Vec<Option<T>>, _>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// Writes the record of an analysis made after this number of epochs; `suffix` distinguishes those of the same epoch.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record_epoch(&self, epochs: usize, suffix: &str, record: &impl Serialize) -> Result<PathBuf, RunError> {
        self.record(&epoch_name(epochs, suffix), record)
    }

    /// Whether that record exists.
    pub fn has_epoch_record(&self, epochs: usize, suffix: &str) -> bool {
        self.file(&format!("{ANALYSIS}/{}.json", epoch_name(epochs, suffix))).is_file()
    }

    /// Removes all records, and the folder if it is then empty.
    pub(super) fn forget_records(&self) -> Result<(), RunError> {
        self.records()?.iter().try_for_each(|file| remove(file))?;
        self.forget_partial_records(|name| is_of_analysis(name) || epoch_of(name).is_some())?;
        // Fails if it contains other files, which are kept.
        let _ = fs::remove_dir(self.file(ANALYSIS));
        Ok(())
    }

    /// Removes partial files of such records that killed programs left.
    pub(super) fn forget_partial_records(&self, ours: impl Fn(&str) -> bool) -> Result<(), RunError> {
        self.forget_partial_in(ANALYSIS, ours)
    }

    /// Removes the records of later epochs.
    pub(super) fn forget_records_after(&self, epochs: usize) -> Result<(), RunError> {
        let later = |file: &&PathBuf| epoch_of(name(file)).is_some_and(|e| e > epochs);
        self.records()?.iter().filter(later).try_for_each(|file| remove(file))
    }

    /// The records of analyses in the folder.
    fn records(&self) -> Result<Vec<PathBuf>, RunError> {
        let folder = self.file(ANALYSIS);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| RunError::folder(&folder, e))?,
        };
        let ours = |file: &PathBuf| is_of_analysis(name(file)) || epoch_of(name(file)).is_some();
        Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(ours).collect())
    }
}

/// The name of the record of an analysis made after this number of epochs.
fn epoch_name(epochs: usize, suffix: &str) -> String {
    format!("epoch-{epochs:03}{suffix}")
}

/// The contents of a JSON file, if it exists.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunError> {
    let failed = |source| RunError::Read { path: path.to_owned(), source };
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => serde_json::from_slice(&bytes.map_err(failed)?).map(Some).map_err(|e| failed(e.into())),
    }
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Whether an analysis gives such a name to its files: its own name, followed by epochs, sizes or a protocol.
fn is_of_analysis(name: &str) -> bool {
    let Some((stem, "json" | "png" | "svg")) = name.rsplit_once('.') else { return false };
    let mut parts = stem.split('-');
    let is_ours = parts.next().is_some_and(|first| ANALYSES.contains(&first));
    is_ours && parts.all(|part| ["epoch", "p2"].contains(&part) || part.parse::<usize>().is_ok())
}

/// The number of epochs in the name of a record made during training.
pub(super) fn epoch_of(name: &str) -> Option<usize> {
    let number = name.strip_prefix("epoch-")?.strip_suffix(".json")?;
    number.strip_suffix("-p2").unwrap_or(number).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::run::Existing;

    #[test]
    fn records_of_later_epochs_go_with_the_logs_and_the_folder_with_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        let paths = [1, 25, 1000].map(|epochs| run.record_epoch(epochs, "", &epochs).unwrap());
        run.record("sharpness", &0).unwrap();
        assert!(paths[1].ends_with("analysis/epoch-025.json"), "{}", paths[1].display());
        run.forget_after(25, 0).unwrap();
        assert_eq!(paths.each_ref().map(|p| p.exists()), [true, true, false]);
        drop(run);
        RunFolder::create(folder.path(), Existing::Overwrite, &config()).unwrap();
        assert!(!folder.path().join(ANALYSIS).exists());
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        let written: Vec<f64> =
            (1..2000).map(|i| 100.0 * f64::from(i) / 1037.0).chain([f64::MIN_POSITIVE, 1e300]).collect();
        run.record("measures", &written).unwrap();
        assert_eq!(run.read_record::<Vec<f64>>("measures").unwrap(), Some(written));
    }

    #[test]
    fn files_that_are_no_records_stay() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        for name in ["forgetting", "forgetting-epoch-025-p2", "measures-288"] {
            run.record(name, &0).unwrap();
        }
        let mine =
            ["mine.json", "forgetting-notes.json", "sharpness.txt"].map(|n| folder.path().join(ANALYSIS).join(n));
        mine.iter().for_each(|file| fs::write(file, "{}").unwrap());
        drop(run);
        RunFolder::create(folder.path(), Existing::Overwrite, &config()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join(ANALYSIS)).unwrap().count(), mine.len());
        assert!(mine.iter().all(|file| file.exists()));
    }
}
