//! Checks that a run's config is the one it was trained with, and records what `lethe resume --set` changed in it.

use super::checkpoint::Checkpoint;
use super::error::RunError;
use super::files::CHANGES;
use super::folder::{RunFolder, remove};
use crate::config::{Change, Config};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::{fs, io};

/// A line of `changes.jsonl`: what was changed at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The number of epochs that were done before.
    pub epoch: usize,
    /// The number of updates that were made before.
    pub updates: u64,
    /// The keys, with their old and new values.
    pub changes: Vec<Change>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<String> = self.changes.iter().map(Change::to_string).collect();
        write!(f, "changed after epoch {}: {}", self.epoch, changes.join(", "))
    }
}

impl RunFolder {
    /// Continues from a checkpoint with this config. The differences from the checkpoint's config are recorded, and replace what was recorded at or
    /// after the checkpoint.
    ///
    /// # Errors
    /// If the record cannot be read, or the folder cannot be written.
    pub fn change(&self, config: &Config, changed: &Changed) -> Result<(), RunError> {
        let own = Config::load_trained(&self.config(), &[]).map_err(|e| RunError::Config(e.into()))?;
        let before = self.changes()?;
        let of_now = (!changed.changes.is_empty()).then_some(changed);
        let after: Vec<&Changed> = before.iter().filter(|c| c.updates < changed.updates).chain(of_now).collect();
        let is_recorded = before.iter().eq(after.iter().copied());
        // The record of the old config is kept until the new config is written: wherever the program is killed, the record explains the config that
        // is there.
        if !is_recorded {
            self.replace_changes(before.iter().chain(of_now))?;
        }
        if !Change::between(&own, config).is_empty() {
            self.replace_config(config)?;
        }
        if is_recorded { Ok(()) } else { self.replace_changes(after.into_iter()) }
    }

    /// The changes so far, in order.
    ///
    /// # Errors
    /// If the record cannot be read; a broken line is named.
    pub fn changes(&self) -> Result<Vec<Changed>, RunError> {
        let path = self.file(CHANGES);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|source| RunError::Read { path: path.clone(), source })?,
        };
        let lines = (1..).zip(text.lines()).map(|(number, line)| {
            serde_json::from_str(line).map_err(|e| {
                let what = format!("line {number} is not a record of a change ({e}); remove that line from the file");
                RunError::Read { path: path.clone(), source: io::Error::new(io::ErrorKind::InvalidData, what) }
            })
        });
        lines.collect()
    }

    /// Replaces the record; without changes there is no file.
    fn replace_changes<'a>(&self, all: impl Iterator<Item = &'a Changed>) -> Result<(), RunError> {
        let lines: Vec<String> =
            all.map(|changed| serde_json::to_string(changed).expect("plain values are JSON") + "\n").collect();
        match lines.is_empty() {
            true => remove(&self.file(CHANGES)),
            false => self.replace(CHANGES, lines.concat().as_bytes()),
        }
    }

    /// Checks that the run's config is the one that a checkpoint was trained with, except for recorded later changes and keys on which results do not
    /// depend.
    ///
    /// # Errors
    /// If it is not; all differing keys are named.
    pub(super) fn expect_config(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let updates = checkpoint.number(Checkpoint::UPDATES)?;
        let own = Config::load_trained(&self.config(), &[]).map_err(|e| RunError::Config(e.into()))?;
        let mut changes = Change::between(&checkpoint.config()?, &own);
        changes.retain(|change| !change.is_immaterial());
        // Later checkpoints contain the changes recorded before them. The last of several records may be one whose config was never written.
        let since = self.changes()?.into_iter().filter(|c| c.updates >= updates).flat_map(|c| c.changes);
        let recorded: Vec<Change> = since.collect();
        let is_recorded = |change: &Change| recorded.iter().any(|c| c.key == change.key && c.to == change.to);
        if changes.iter().all(is_recorded) {
            return Ok(());
        }
        Err(RunError::ConfigChanged { config: self.config(), checkpoint: checkpoint.path.clone(), changes })
    }
}
