//! The keys of `[perturb]` that every perturbation has: its radius, its geometry, and how the gradient at the perturbed parameters is used.

use lethe_optim::{Backup, Scope, UpdateOn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The keys of every perturbation.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AscentConfig {
    /// The radius ρ: the length of the perturbation.
    pub rho: f64,
    /// The radius at the end of training, or at the smallest learning rate with `rho_schedule = "lr"`.
    #[serde(default)]
    pub rho_min: f64,
    /// How the radius changes during training.
    #[serde(default)]
    pub rho_schedule: RhoSchedule,
    /// The number of epochs over which the radius rises from 0, in schedules of its own.
    #[serde(default)]
    pub rho_warmup_epochs: usize,
    /// The slice size m: each slice of the batch has a perturbation of its own (m-SAM).
    #[serde(default = "paper_m")]
    pub m: usize,
    /// The samples on which the update gradient is taken at a slice's perturbation.
    #[serde(default)]
    pub update_on: UpdateOn,
    /// ASAM: when the direction is scaled by T = |θ| + η, relative to its normalisation.
    #[serde(default)]
    pub asam: Asam,
    /// η of ASAM.
    #[serde(default)]
    pub asam_eta: f64,
    /// The parameters that ASAM scales.
    #[serde(default)]
    pub asam_scope: Scope,
    /// GSAM: the coefficient ξ with which the component of the perturbing gradient that is orthogonal to the update is subtracted; 0 for SAM.
    #[serde(default)]
    pub gsam_xi: f64,
    /// The form of the perturbing gradient that GSAM decomposes.
    #[serde(default)]
    pub gsam_backup: Backup,
}

/// How the radius changes during training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RhoSchedule {
    /// It is constant.
    #[default]
    Constant,
    /// It decreases from `rho` to `rho_min` as the learning rate decreases from `lr` to `min_lr`; it stays at `rho` if the learning rate is constant.
    Lr,
    /// It decreases linearly from `rho` to `rho_min` at the end of training, whatever the learning rate does.
    Linear,
    /// The same as half a period of a cosine.
    Cosine,
}

/// When ASAM scales the direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asam {
    /// Never: SAM.
    #[default]
    None,
    /// Before it is normalised: the perturbation has length ρ.
    Before,
    /// After it is normalised.
    After,
    /// Before and after: the original ASAM.
    Both,
}

/// The slice size of all but one of the paper's experiments.
fn paper_m() -> usize {
    64
}

impl AscentConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let AscentConfig { rho, rho_min, rho_schedule, rho_warmup_epochs, m, .. } = self;
        let fit = (*rho as f32).is_finite() && *rho >= 0.0;
        require(fit, "perturb.rho", rho, "must be 0 or more, and finite, in single precision too")?;
        if !(0.0..=*rho).contains(rho_min) {
            return Err(Problem::value(
                "perturb.rho_min",
                rho_min,
                format!("must be between 0 and perturb.rho = {rho}"),
            ));
        }
        let needless = *rho_schedule == RhoSchedule::Constant && *rho_min != 0.0;
        require(!needless, "perturb.rho_min", rho_min, "has no effect with rho_schedule = \"constant\"")?;
        let needless = *rho_schedule == RhoSchedule::Lr && *rho_warmup_epochs > 0;
        const FOLLOWS: &str =
            "has no effect with rho_schedule = \"lr\": the radius follows the learning rate's warm-up";
        require(!needless, "perturb.rho_warmup_epochs", rho_warmup_epochs, FOLLOWS)?;
        require(*m > 0, "perturb.m", m, "must be at least 1")?;
        self.check_asam()?;
        self.check_gsam()
    }

    fn check_asam(&self) -> Result<(), Problem> {
        let AscentConfig { asam_eta: eta, asam_scope: scope, .. } = self;
        require(eta.is_finite() && *eta >= 0.0, "perturb.asam_eta", eta, "must be 0 or more")?;
        if self.asam != Asam::None {
            return Ok(());
        }
        const UNUSED: &str = "has an effect only with asam = \"before\", \"after\" or \"both\"";
        require(*eta == 0.0, "perturb.asam_eta", eta, UNUSED)?;
        let word = if *scope == Scope::Weights { "\"weights\"" } else { "\"matrices\"" };
        require(*scope == Scope::All, "perturb.asam_scope", word, UNUSED)
    }

    fn check_gsam(&self) -> Result<(), Problem> {
        let xi = self.gsam_xi;
        require(xi.is_finite() && xi >= 0.0, "perturb.gsam_xi", xi, "must be 0 or more; 0 is SAM")?;
        let needless = self.gsam_backup == Backup::Normalised && xi == 0.0;
        require(!needless, "perturb.gsam_backup", "\"normalised\"", "has an effect only with gsam_xi above 0")
    }

    /// A random direction is not a gradient: its component orthogonal to the update does not describe a surrogate gap, and would only add noise to
    /// the update.
    pub(super) fn check_random(&self) -> Result<(), Problem> {
        let reason = "GSAM decomposes the perturbing gradient, and kind = \"random\" has none; \
                      use kind = \"steepest\" or \"obf\", or leave gsam_xi out";
        require(self.gsam_xi == 0.0, "perturb.gsam_xi", self.gsam_xi, reason)
    }
}
