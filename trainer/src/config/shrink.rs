//! `[shrink]`: shrink and perturb: before every update, θ and the running statistics are interpolated towards their values at the start of the run.
//! It has its own section, since it is neither a perturbation (it can be combined with each, or with none) nor a part of an optimiser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[shrink]`: `x ← (1 − f_t) x + f_t x₀`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShrinkConfig {
    /// f, the weight of the initial values; 1e-5 in the paper.
    pub factor: f64,
    /// How f_t is computed from f.
    pub scaling: ShrinkScaling,
}

/// How f_t is computed from f.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShrinkScaling {
    /// `f_t = f · lr(t) / lr`, as in the paper's code.
    #[default]
    Lr,
    /// `f_t = f`, as in the paper's text.
    Constant,
}

impl Default for ShrinkConfig {
    fn default() -> Self {
        ShrinkConfig { factor: 1e-5, scaling: ShrinkScaling::default() }
    }
}

impl ShrinkConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let fit = self.factor > 0.0 && self.factor <= 1.0;
        require(fit, "shrink.factor", self.factor, "must be above 0 and at most 1; leave [shrink] out to disable it")
    }
}
