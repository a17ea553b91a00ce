//! `[loss]`: the task loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[loss]`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// The kind of loss.
    pub kind: LossKind,
    /// The smoothing s: the target is q = (1 − s) e_y + s/C.
    pub label_smoothing: f64,
}

/// The task losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// Softmax cross-entropy.
    #[default]
    Ce,
    /// Sigmoid cross-entropy, summed over the classes.
    Bce,
}

impl LossConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let s = self.label_smoothing;
        require((0.0..1.0).contains(&s), "loss.label_smoothing", s, "must be at least 0 and below 1")
    }
}
