//! That a run's config is the one it was trained with, and what `lethe resume --set` changed of it.

use super::checkpoint::Checkpoint;
use super::error::RunError;
use super::folder::RunFolder;
use super::log::Log;
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
    /// Changes the run's config and records what was changed, and when.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn change(&self, config: &Config, changed: &Changed) -> Result<(), RunError> {
        // The record first: a config that nothing explains is refused, a record that was not followed by its config is none of the run's.
        Log::open(&self.file(CHANGES))?.record(changed)?;
        self.replace_config(config)
    }

    /// What was changed so far, in order.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn changes(&self) -> Result<Vec<Changed>, RunError> {
        let path = self.file(CHANGES);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|source| RunError::Read { path: path.clone(), source })?,
        };
        let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        lines.map_err(|e| RunError::Read { path, source: e.into() })
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
        // Later checkpoints hold what was recorded before them.
        let since = self.changes()?.into_iter().filter(|c| c.updates >= updates).flat_map(|c| c.changes);
        let recorded: Vec<Change> = since.collect();
        let last = |key: &str| recorded.iter().rev().find(|change| change.key == key);
        if changes.iter().all(|change| last(&change.key).is_some_and(|c| c.to == change.to)) {
            return Ok(());
        }
        Err(RunError::ConfigChanged { config: self.config(), checkpoint: checkpoint.path.clone(), changes })
    }
}
