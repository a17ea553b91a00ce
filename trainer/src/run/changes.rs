//! That a run's config is the one it was trained with, and what `lethe resume --set` changed of it.

use super::checkpoint::Checkpoint;
use super::error::RunError;
use super::folder::{RunFolder, remove};
use crate::config::{Change, Config};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::{fs, io};

pub(super) const CHANGES: &str = "changes.jsonl";

/// A line of `changes.jsonl`: what was changed at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The epochs that were gone through before.
    pub epoch: usize,
    /// The updates that were made before.
    pub updates: u64,
    /// The keys, with what they were and are.
    pub changes: Vec<Change>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<String> = self.changes.iter().map(Change::to_string).collect();
        write!(f, "changed after epoch {}: {}", self.epoch, changes.join(", "))
    }
}

impl RunFolder {
    /// Goes on from a checkpoint with this config. What differs between the checkpoint's config and it is recorded, and takes the place of what was recorded at or
    /// behind the checkpoint.
    ///
    /// # Errors
    /// If the record cannot be read, or the folder cannot be written.
    pub fn change(&self, config: &Config, changed: &Changed) -> Result<(), RunError> {
        let own = Config::load_trained(&self.config(), &[]).map_err(|e| RunError::Config(e.into()))?;
        let before = self.changes()?;
        let of_now = (!changed.changes.is_empty()).then_some(changed);
        let after: Vec<&Changed> = before.iter().filter(|c| c.updates < changed.updates).chain(of_now).collect();
        let is_recorded = before.iter().eq(after.iter().copied());
        // The record of the old config stays until the new one is there: wherever a program is killed, the config that it leaves is explained.
        if !is_recorded {
            self.replace_changes(before.iter().chain(of_now))?;
        }
        if !Change::between(&own, config).is_empty() {
            self.replace_config(config)?;
        }
        if is_recorded { Ok(()) } else { self.replace_changes(after.into_iter()) }
    }

    /// What was changed so far, in order.
    ///
    /// # Errors
    /// If the record cannot be read; a line that is broken is named.
    pub fn changes(&self) -> Result<Vec<Changed>, RunError> {
        let path = self.file(CHANGES);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|source| RunError::Read { path: path.clone(), source })?,
        };
        let lines = (1..).zip(text.lines()).map(|(number, line)| {
            serde_json::from_str(line).map_err(|e| {
                let what = format!("line {number} is no record of a change ({e}); remove that line from the file");
                RunError::Read { path: path.clone(), source: io::Error::new(io::ErrorKind::InvalidData, what) }
            })
        });
        lines.collect()
    }

    /// Writes the record anew, in one piece; none of nothing.
    fn replace_changes<'a>(&self, all: impl Iterator<Item = &'a Changed>) -> Result<(), RunError> {
        let lines: Vec<String> =
            all.map(|changed| serde_json::to_string(changed).expect("plain values are JSON") + "\n").collect();
        match lines.is_empty() {
            true => remove(&self.file(CHANGES)),
            false => self.replace(CHANGES, lines.concat().as_bytes()),
        }
    }

    /// Whether the run's config is the one that a checkpoint was trained with, but for what was changed since and recorded, and for keys that change no result.
    ///
    /// # Errors
    /// If it is not; all keys that differ are named.
    pub(super) fn expect_config(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let updates = checkpoint.number(Checkpoint::UPDATES)?;
        let own = Config::load_trained(&self.config(), &[]).map_err(|e| RunError::Config(e.into()))?;
        let mut changes = Change::between(&checkpoint.config()?, &own);
        changes.retain(|change| !change.is_immaterial());
        // Later checkpoints hold what was recorded before them. Of several records the last may be one that its config did not follow any more.
        let since = self.changes()?.into_iter().filter(|c| c.updates >= updates).flat_map(|c| c.changes);
        let recorded: Vec<Change> = since.collect();
        let is_recorded = |change: &Change| recorded.iter().any(|c| c.key == change.key && c.to == change.to);
        if changes.iter().all(is_recorded) {
            return Ok(());
        }
        Err(RunError::ConfigChanged { config: self.config(), checkpoint: checkpoint.path.clone(), changes })
    }
}
