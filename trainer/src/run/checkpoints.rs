//! The checkpoints in a run's folder: the last one, the one before it, and those that are kept.

use super::checkpoint::Checkpoint;
use super::checkpoint_error::CheckpointError;
use super::error::RunError;
use super::folder::{RunFolder, remove};
use std::path::{Path, PathBuf};
use std::{fs, io};

pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
pub(super) const PREVIOUS: &str = "checkpoint-previous.safetensors";
/// The folder of those that are kept.
const CHECKPOINTS: &str = "checkpoints";

impl RunFolder {
    /// Replaces the checkpoint, and keeps the one that was there as the previous one.
    ///
    /// # Errors
    /// If it cannot be written; the last one stays then.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(checkpoint.save_keeping(&self.file(CHECKPOINT), &self.file(PREVIOUS))?)
    }

    /// Makes an earlier checkpoint the last one. The previous one stays: what is replaced is given up, and may be broken.
    ///
    /// # Errors
    /// If it cannot be written; the last one stays then.
    pub fn go_back(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(checkpoint.save(&self.file(CHECKPOINT))?)
    }

    /// Keeps a checkpoint of so many epochs beside the last one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, checkpoint: &Checkpoint, epochs: usize) -> Result<(), RunError> {
        let folder = self.file(CHECKPOINTS);
        fs::create_dir_all(&folder).map_err(|e| RunError::folder(&folder, e))?;
        Ok(checkpoint.save(&folder.join(format!("epoch-{epochs:03}.safetensors")))?)
    }

    /// Reads a checkpoint of the run, by default the last one, and makes sure that the run's config is still the one that it was trained with.
    ///
    /// # Errors
    /// If there is none, it is broken, or the config was changed by other means than `lethe resume --set`.
    pub fn load(&self, file: Option<&Path>) -> Result<Checkpoint, RunError> {
        let checkpoint = match file {
            Some(file) => Checkpoint::load(file).map_err(|source| self.explain(source)),
            None => self.last(),
        }?;
        self.expect_config(&checkpoint)?;
        Ok(checkpoint)
    }

    /// The last checkpoint: the previous one where a program was killed between the two renames that replace it.
    fn last(&self) -> Result<Checkpoint, RunError> {
        let files = [CHECKPOINT, PREVIOUS].map(|name| self.file(name));
        let Some(file) = files.iter().find(|file| file.exists()) else {
            return Err(RunError::NoCheckpoint(self.path().to_owned()));
        };
        Checkpoint::load(file).map_err(|source| self.explain(source))
    }

    /// The run that a file is a checkpoint of by its place: it stands in the run's folder, or among those that are kept.
    pub fn of_checkpoint(file: &Path) -> Option<RunFolder> {
        let folder = file.parent()?;
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let above = folder.parent().filter(|_| folder.ends_with(CHECKPOINTS));
        let above = above.map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
        [Some(folder), above].into_iter().flatten().find_map(|folder| RunFolder::open(folder).ok())
    }

    /// What is wrong with a checkpoint of the run, and which one is whole.
    pub fn explain(&self, source: CheckpointError) -> RunError {
        match source {
            CheckpointError::Read { .. } => source.into(),
            _ => RunError::BrokenCheckpoint {
                run: self.path().to_owned(),
                source: source.into(),
                whole: self.newest_whole(),
            },
        }
    }

    /// The newest checkpoint that is whole.
    fn newest_whole(&self) -> Option<PathBuf> {
        let files = [CHECKPOINT, PREVIOUS].map(|name| self.file(name));
        let all = files.into_iter().chain(self.kept().unwrap_or_default().into_iter().map(|(_, file)| file));
        let whole = all.filter_map(|file| {
            let updates = Checkpoint::load(&file).ok()?.number(Checkpoint::UPDATES).ok()?;
            Some((updates, file))
        });
        whole.max().map(|(_, file)| file)
    }

    /// Those that are kept, by their numbers of epochs.
    fn kept(&self) -> Result<Vec<(usize, PathBuf)>, RunError> {
        let folder = self.file(CHECKPOINTS);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| RunError::folder(&folder, e))?,
        };
        let epochs = |path: &Path| kept_epochs(path.file_name()?.to_str()?);
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        Ok(paths.filter_map(|path| Some((epochs(&path)?, path))).collect())
    }

    /// Removes the kept checkpoints that `gone` says of their number of epochs, and their folder if nothing else is in it.
    pub(super) fn forget_kept(&self, gone: impl Fn(usize) -> bool) -> Result<(), RunError> {
        self.kept()?.iter().filter(|(epochs, _)| gone(*epochs)).try_for_each(|(_, file)| remove(file))?;
        // Fails where it holds what is not the run's, which then stays.
        let _ = fs::remove_dir(self.file(CHECKPOINTS));
        Ok(())
    }

    /// Removes what killed programs left of those that are kept.
    pub(super) fn forget_partial_checkpoints(&self) -> Result<(), RunError> {
        self.forget_partial_in(CHECKPOINTS, |name| kept_epochs(name).is_some())
    }

    /// Whether an epoch of it was saved.
    pub fn has_checkpoint(&self) -> bool {
        [CHECKPOINT, PREVIOUS].iter().any(|name| self.file(name).is_file())
    }
}

/// The number of epochs in the name of one that is kept.
fn kept_epochs(name: &str) -> Option<usize> {
    name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?.parse().ok()
}
