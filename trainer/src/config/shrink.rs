//! `[shrink]`: shrink and perturb, θ and the running statistics drawn back towards the run's own start before every update. A section of its own,
//! since it is neither a perturbation (it goes with each, and with none) nor a part of an optimiser; without it nothing is drawn back.

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[shrink]`: `x ← (1 − f_t) x + f_t x₀`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShrinkConfig {
    /// f, the share of the start; the paper's is 1e-5.
    pub factor: f64,
    /// How f_t comes from f.
    pub scaling: ShrinkScaling,
}

/// How f_t comes from f.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShrinkScaling {
    /// `f_t = f · lr(t) / lr`, as the paper's code has it.
    #[default]
    Lr,
    /// `f_t = f`, as the paper has it.
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
        require(fit, "shrink.factor", self.factor, "must be above 0 and at most 1; leave [shrink] out for none")
    }
}
