//! The checkpoints in a run folder: the last one, the previous one, the best one, and those that are kept.

use super::checkpoint::Checkpoint;
use super::checkpoint_error::CheckpointError;
use super::error::RunError;
use super::files::{BEST, CHECKPOINT, CHECKPOINTS, METRICS, PREVIOUS};
use super::folder::{RunFolder, remove};
use crate::config::Keep;
use crate::words::count;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::{fs, io};

impl RunFolder {
    /// Replaces the last checkpoint, which becomes the previous one.
    ///
    /// # Errors
    /// If it cannot be written; then the last one is kept.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(checkpoint.save_keeping(&self.file(CHECKPOINT), &self.file(PREVIOUS))?)
    }

    /// Makes an earlier checkpoint the last one. The previous one is kept: the checkpoint that is replaced is given up, and may be broken.
    ///
    /// # Errors
    /// If it cannot be written; then the last one is kept.
    pub fn go_back(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(checkpoint.save(&self.file(CHECKPOINT))?)
    }

    /// Saves a checkpoint after this number of epochs among those that are kept, and then removes the oldest ones that are not.
    ///
    /// # Errors
    /// If it cannot be written, or an old one cannot be removed.
    pub fn keep(&self, checkpoint: &Checkpoint, epochs: usize, keep: Keep) -> Result<(), RunError> {
        if keep == Keep::None {
            return Ok(());
        }
        let folder = self.file(CHECKPOINTS);
        fs::create_dir_all(&folder).map_err(|e| RunError::folder(&folder, e))?;
        checkpoint.save(&folder.join(format!("epoch-{epochs:03}.safetensors")))?;
        let Keep::Last(count) = keep else { return Ok(()) };
        let mut kept = self.kept()?;
        kept.sort_unstable();
        let old = kept.len().saturating_sub(count);
        kept[..old].iter().try_for_each(|(_, file)| remove(file))
    }

    /// Replaces the best checkpoint.
    ///
    /// # Errors
    /// If it cannot be written; then the last one is kept.
    pub fn save_best(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        Ok(checkpoint.save(&self.file(BEST))?)
    }

    /// The best checkpoint, if there is one.
    ///
    /// # Errors
    /// If it is broken.
    pub fn best(&self) -> Result<Option<Checkpoint>, RunError> {
        let path = self.file(BEST);
        if !path.exists() {
            return Ok(None);
        }
        Checkpoint::load(&path).map(Some).map_err(|source| self.explain(source))
    }

    /// Removes the best checkpoint.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget_best(&self) -> Result<(), RunError> {
        remove(&self.file(BEST))
    }

    /// The file that `file` means: one of the names `best`, `last` and `previous`, unless there is a file of that name, or the file itself.
    fn meant(&self, file: &Path) -> Result<PathBuf, RunError> {
        let named = match file.to_str().filter(|_| !file.exists()) {
            Some("best") => self.file(BEST),
            Some("last") => self.file(CHECKPOINT),
            Some("previous") => self.file(PREVIOUS),
            _ if file.exists() => return Ok(file.to_owned()),
            _ => return Err(RunError::UnknownCheckpoint { file: file.to_owned(), there: self.there() }),
        };
        let name = file.display().to_string();
        if named.exists() { Ok(named) } else { Err(RunError::NoSuchCheckpoint { name, file: named }) }
    }

    /// The checkpoints that there are, by the names and files that [`RunFolder::load`] takes.
    fn there(&self) -> Vec<String> {
        let named = [("best", BEST), ("last", CHECKPOINT), ("previous", PREVIOUS)];
        let named = named.into_iter().filter(|(_, file)| self.file(file).exists()).map(|(name, _)| name.to_owned());
        let mut kept = self.kept().unwrap_or_default();
        kept.sort_unstable();
        named.chain(kept.into_iter().map(|(_, file)| file.display().to_string())).collect()
    }

    /// Reads a checkpoint of the run: a file, one of the names `best`, `last` and `previous`, or by default the last one or, if that is missing, the one
    /// before ([`RunFolder::remark`] says so), and checks that the run's config is the one that it was trained with.
    ///
    /// # Errors
    /// If there is none, if it is broken, or if the config was changed other than by `lethe resume --set`.
    pub fn load(&self, file: Option<&Path>) -> Result<Checkpoint, RunError> {
        let checkpoint = match file {
            Some(file) => Checkpoint::load(&self.meant(file)?).map_err(|source| self.explain(source)),
            None => self.last(),
        }?;
        if checkpoint.number::<u64>(Checkpoint::UPDATES).is_err() {
            return Err(self.explain(CheckpointError::WeightsAlone { path: checkpoint.path }));
        }
        self.expect_config(&checkpoint)?;
        Ok(checkpoint)
    }

    /// The last checkpoint, or the previous one if a program was killed between the two renames that replace it.
    fn last(&self) -> Result<Checkpoint, RunError> {
        let files = [CHECKPOINT, PREVIOUS].map(|name| self.file(name));
        let Some(file) = files.iter().find(|file| file.exists()) else {
            let run = self.path().to_owned();
            return Err(match self.newest_whole() {
                Some(whole) => RunError::MissingCheckpoint { run, whole },
                None => RunError::NoCheckpoint(run),
            });
        };
        Checkpoint::load(file).map_err(|source| self.explain(source))
    }

    /// If this checkpoint was loaded in place of the last one, which is missing: which one it is, in words.
    pub fn remark(&self, loaded: &Checkpoint) -> Option<String> {
        let last = self.file(CHECKPOINT);
        if loaded.path != self.file(PREVIOUS) || last.exists() {
            return None;
        }
        let updates = loaded.number(Checkpoint::UPDATES).unwrap_or_default();
        let epochs = self.epochs_after(updates).map(|epochs| format!("{} and ", count(epochs, "epoch")));
        Some(format!(
            "{} is missing; the checkpoint before it is used, {}, after {}{}",
            last.display(),
            loaded.path.display(),
            epochs.unwrap_or_default(),
            count(updates, "update")
        ))
    }

    /// The number of epochs done after this number of updates, if the log of metrics says it.
    fn epochs_after(&self, updates: u64) -> Option<usize> {
        #[derive(Deserialize)]
        struct Line {
            update: u64,
            epoch: usize,
        }
        let text = fs::read_to_string(self.file(METRICS)).ok()?;
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        lines.find(|line| line.update + 1 == updates).map(|line| line.epoch + 1)
    }

    /// The run that a checkpoint file belongs to by its location: in the run folder, or among the kept ones.
    pub fn of_checkpoint(file: &Path) -> Option<RunFolder> {
        let folder = file.parent()?;
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let above = folder.parent().filter(|_| folder.ends_with(CHECKPOINTS));
        let above = above.map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
        [Some(folder), above].into_iter().flatten().find_map(|folder| RunFolder::open(folder).ok())
    }

    /// The error of a broken checkpoint of the run, with the newest one that is intact.
    pub fn explain(&self, source: CheckpointError) -> RunError {
        match source {
            CheckpointError::Read { .. } => source.into(),
            // No checkpoint of a run has another ending: nothing is broken, and a wrong file was named.
            CheckpointError::Foreign { ref path, .. } if path.extension() != Some("safetensors".as_ref()) => {
                source.into()
            }
            _ => RunError::BrokenCheckpoint {
                run: self.path().to_owned(),
                source: source.into(),
                whole: self.newest_whole(),
            },
        }
    }

    /// The newest intact checkpoint.
    fn newest_whole(&self) -> Option<PathBuf> {
        let files = [CHECKPOINT, PREVIOUS, BEST].map(|name| self.file(name));
        let all = files.into_iter().chain(self.kept().unwrap_or_default().into_iter().map(|(_, file)| file));
        let whole = all.filter_map(|file| {
            let updates = Checkpoint::load(&file).ok()?.number::<u64>(Checkpoint::UPDATES).ok()?;
            Some((updates, file))
        });
        whole.max().map(|(_, file)| file)
    }

    /// The kept checkpoints, by their number of epochs.
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

    /// Removes the kept checkpoints for whose number of epochs `gone` is true, and their folder if it is then empty.
    pub(super) fn forget_kept(&self, gone: impl Fn(usize) -> bool) -> Result<(), RunError> {
        self.kept()?.iter().filter(|(epochs, _)| gone(*epochs)).try_for_each(|(_, file)| remove(file))?;
        // Fails if it contains other files, which are kept.
        let _ = fs::remove_dir(self.file(CHECKPOINTS));
        Ok(())
    }

    /// Removes partial files of kept checkpoints that killed programs left.
    pub(super) fn forget_partial_checkpoints(&self) -> Result<(), RunError> {
        self.forget_partial_in(CHECKPOINTS, |name| kept_epochs(name).is_some())
    }

    /// Whether the run has its last checkpoint.
    pub fn has_last_checkpoint(&self) -> bool {
        self.file(CHECKPOINT).is_file()
    }

    /// Whether the run has a checkpoint.
    pub fn has_checkpoint(&self) -> bool {
        [CHECKPOINT, PREVIOUS].iter().any(|name| self.file(name).is_file())
    }
}

/// The number of epochs in the name of a kept checkpoint.
fn kept_epochs(name: &str) -> Option<usize> {
    name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?.parse().ok()
}
