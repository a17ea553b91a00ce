//! `[train]`: the number of epochs, the batch size, the seed, and what is evaluated and saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};
use super::keep::{Keep, Measure};

/// The section `[train]`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The number of epochs; 0 makes a run of the initial model, for evaluation and analysis.
    pub epochs: usize,
    /// The batch size: the number of images per update.
    pub batch: usize,
    /// The seed of the initial weights, the order of images, augmentation, dropout and random perturbations.
    #[serde(default)]
    pub seed: u64,
    /// The batch size where nothing is trained; it affects memory, not results.
    #[serde(default = "hundred")]
    pub eval_batch: usize,
    /// The number of CPU threads; 0 for all. Results do not depend on it.
    #[serde(default)]
    pub threads: usize,
    /// The number of equal parts in which a batch is computed without a perturbation, to save memory; their gradients are averaged (gradient
    /// accumulation). With a perturbation a batch is computed in slices of `perturb.m` anyway.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Evaluate on the test set every `eval_every` epochs, and after the last; 0 for the last only.
    #[serde(default = "one")]
    pub eval_every: usize,
    /// Write a checkpoint every `checkpoint_every` epochs, and after the last; 0 for the last only.
    #[serde(default = "one")]
    pub checkpoint_every: usize,
    /// Also write a checkpoint within an epoch when this number of minutes has passed since the last one; 0 for never.
    #[serde(default = "ten")]
    pub checkpoint_minutes: f64,
    /// Also write a checkpoint within an epoch after every `checkpoint_updates` updates of the run; 0 for never.
    #[serde(default)]
    pub checkpoint_updates: u64,
    /// Keep the checkpoints of epochs as `checkpoints/epoch-025.safetensors`: all, or the last ones of this number.
    #[serde(default)]
    pub keep_checkpoints: Keep,
    /// Also keep an exponential moving average of the parameters and running statistics with this decay, and evaluate it beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// End the run when this number of evaluations in a row were no better than the best before; 0 for never.
    #[serde(default)]
    pub stop_after: usize,
    /// Also write event files for TensorBoard.
    #[serde(default)]
    pub tensorboard: bool,
    /// What is done with an update whose loss, perturbed loss or gradient is not finite.
    #[serde(default)]
    pub on_nonfinite: OnNonfinite,
    /// With `on_nonfinite = "skip"`: the largest number of updates in a row that are skipped.
    #[serde(default = "ten_updates")]
    pub max_skipped: u64,
    /// Keep the checkpoint whose evaluation was the best by this measure, as `checkpoint-best.safetensors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Measure>,
}

/// What is done with an update whose loss, perturbed loss or gradient is infinite or NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNonfinite {
    /// The run ends.
    #[default]
    Stop,
    /// Parameters, running statistics and the optimiser's vectors stay as they are, and the next batch is tried.
    Skip,
}

/// The largest number of threads that is accepted.
pub const MAX_THREADS: usize = 1024;
const MAX_EPOCHS: usize = 1_000_000;
const MAX_MINUTES: f64 = 1e9;

fn one() -> usize {
    1
}

fn ten() -> f64 {
    10.0
}

fn ten_updates() -> u64 {
    10
}

fn hundred() -> usize {
    100
}

impl TrainConfig {
    /// Whether something done every `every` epochs is due after `epoch` (counted from 0).
    pub fn is_due(&self, every: usize, epoch: usize) -> bool {
        epoch + 1 == self.epochs || (every > 0 && (epoch + 1).is_multiple_of(every))
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        require(self.epochs <= MAX_EPOCHS, "train.epochs", self.epochs, &format!("must be at most {MAX_EPOCHS}"))?;
        require(self.threads <= MAX_THREADS, "train.threads", self.threads, &format!("must be at most {MAX_THREADS}"))?;
        require(self.batch > 0, "train.batch", 0, "must be at least 1")?;
        require(self.eval_batch > 0, "train.eval_batch", 0, "must be at least 1")?;
        let minutes = self.checkpoint_minutes;
        require(
            (0.0..=MAX_MINUTES).contains(&minutes),
            "train.checkpoint_minutes",
            minutes,
            &format!("must be a number of minutes, from 0 to {MAX_MINUTES}"),
        )?;
        require(self.accumulate > 0, "train.accumulate", 0, "must be at least 1")?;
        let ema = self.ema.unwrap_or(0.0);
        require((0.0..1.0).contains(&ema), "train.ema", ema, "must be at least 0 and below 1, such as 0.999")?;
        require(
            self.max_skipped > 0,
            "train.max_skipped",
            0,
            "must be at least 1; on_nonfinite = \"stop\" skips none",
        )?;
        let is_used = self.on_nonfinite == OnNonfinite::Skip || self.max_skipped == ten_updates();
        let reason = format!("has an effect only with on_nonfinite = \"skip\"; leave it out, or at {}", ten_updates());
        require(is_used, "train.max_skipped", self.max_skipped, &reason)?;
        if !self.batch.is_multiple_of(self.accumulate) {
            let reason = format!("must be divisible by train.accumulate = {}", self.accumulate);
            return Err(Problem::value("train.batch", self.batch, reason));
        }
        Ok(())
    }
}
