//! `[train]`: how long, in what portions, and with what seed.

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[train]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// How often the training set is gone through.
    pub epochs: usize,
    /// The number of images of an update.
    pub batch: usize,
    /// The seed of initial weights, order, augmentation, dropout and random perturbations.
    #[serde(default)]
    pub seed: u64,
    /// The CPU threads; 0 for as many as the machine has. Results do not depend on it.
    #[serde(default)]
    pub threads: usize,
    /// The number of equal parts in which a batch is computed, to save memory; their gradients are averaged.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Measure the test set after every so many epochs, and after the last; 0 for the last only.
    #[serde(default = "one")]
    pub eval_every: usize,
    /// Write a checkpoint after every so many epochs, and after the last; 0 for the last only.
    #[serde(default = "one")]
    pub checkpoint_every: usize,
}

/// More threads than any machine has for one program.
pub const MOST_THREADS: usize = 1024;
const MOST_EPOCHS: usize = 1_000_000;

fn one() -> usize {
    1
}

impl TrainConfig {
    /// Whether something done `every` so many epochs is due after `epoch` (counted from 0).
    pub fn is_due(&self, every: usize, epoch: usize) -> bool {
        epoch + 1 == self.epochs || (every > 0 && (epoch + 1).is_multiple_of(every))
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let fit = (1..=MOST_EPOCHS).contains(&self.epochs);
        require(fit, "train.epochs", self.epochs, &format!("must be between 1 and {MOST_EPOCHS}"))?;
        require(
            self.threads <= MOST_THREADS,
            "train.threads",
            self.threads,
            &format!("must be at most {MOST_THREADS}"),
        )?;
        require(self.batch > 0, "train.batch", 0, "must be at least 1")?;
        require(self.accumulate > 0, "train.accumulate", 0, "must be at least 1")?;
        if !self.batch.is_multiple_of(self.accumulate) {
            let reason = format!("must be divisible by train.accumulate = {}", self.accumulate);
            return Err(Problem::value("train.batch", self.batch, reason));
        }
        Ok(())
    }
}
