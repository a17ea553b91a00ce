//! The keys of `[perturb]` that every perturbation has: how far it goes, in which geometry, and what becomes of the gradient there.

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The keys of every perturbation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AscentConfig {
    /// The radius ρ: the length of the step.
    pub rho: f64,
    /// The radius at the smallest learning rate, for `rho_schedule = "lr"`.
    #[serde(default)]
    pub rho_min: f64,
    /// How the radius follows the training.
    #[serde(default)]
    pub rho_schedule: RhoSchedule,
    /// The number of samples of a slice, each of which makes a perturbation of its own (m-SAM).
    #[serde(default = "paper_m")]
    pub m: usize,
    /// The samples of the update gradient at a slice's perturbation.
    #[serde(default)]
    pub update_on: UpdateOn,
    /// ASAM: where the direction is scaled by T = |θ| + η.
    #[serde(default)]
    pub asam: Asam,
    /// η of ASAM.
    #[serde(default)]
    pub asam_eta: f64,
    /// The parameters that ASAM scales.
    #[serde(default)]
    pub asam_scope: AsamScope,
    /// GSAM: the share ξ of the part of the perturbing gradient that is orthogonal to the update; 0 for SAM.
    #[serde(default)]
    pub gsam_xi: f64,
    /// The form of the perturbing gradient that GSAM decomposes.
    #[serde(default)]
    pub gsam_backup: GsamBackup,
}

/// How the radius follows the training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RhoSchedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls from `rho` to `rho_min` as the learning rate falls from `lr` to `min_lr`; where the rate does not fall, it stays at `rho`.
    Lr,
}

/// The samples of the update gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateOn {
    /// The slice's own.
    #[default]
    Slice,
    /// The whole batch at every slice's perturbation: the paper's equation (4) as it is written, and as many times dearer as there are slices.
    Batch,
}

/// Where ASAM scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asam {
    /// Nowhere: SAM.
    #[default]
    None,
    /// Before the direction is normalised: the step has length ρ.
    Before,
    /// After that.
    After,
    /// Both: the original ASAM.
    Both,
}

/// The parameters that ASAM scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsamScope {
    /// All.
    #[default]
    All,
    /// Those of more than one axis.
    Matrices,
}

/// The form of the perturbing gradient that GSAM decomposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GsamBackup {
    /// As it is measured.
    #[default]
    Raw,
    /// Normalised.
    Normalised,
}

/// The slice size of all the paper's experiments but one.
fn paper_m() -> usize {
    64
}

impl AscentConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let AscentConfig { rho, rho_min, rho_schedule, m, .. } = self;
        require(rho.is_finite() && *rho >= 0.0, "perturb.rho", rho, "must be 0 or more")?;
        if !(0.0..=*rho).contains(rho_min) {
            return Err(Problem::value(
                "perturb.rho_min",
                rho_min,
                format!("must be between 0 and perturb.rho = {rho}"),
            ));
        }
        let needless = *rho_schedule == RhoSchedule::Constant && *rho_min != 0.0;
        require(!needless, "perturb.rho_min", rho_min, "has an effect only with rho_schedule = \"lr\"")?;
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
        require(*scope == AsamScope::All, "perturb.asam_scope", "\"matrices\"", UNUSED)
    }

    fn check_gsam(&self) -> Result<(), Problem> {
        let xi = self.gsam_xi;
        require(xi.is_finite() && xi >= 0.0, "perturb.gsam_xi", xi, "must be 0 or more; 0 is SAM")?;
        let needless = self.gsam_backup == GsamBackup::Normalised && xi == 0.0;
        require(!needless, "perturb.gsam_backup", "\"normalised\"", "has an effect only with gsam_xi above 0")
    }

    /// A random direction is no gradient: what of it is orthogonal to the update says nothing of a surrogate gap, it would be noise in the update.
    pub(super) fn check_random(&self) -> Result<(), Problem> {
        let reason = "GSAM decomposes the perturbing gradient, and kind = \"random\" has none; \
                      take kind = \"steepest\" or \"obf\", or leave it out";
        require(self.gsam_xi == 0.0, "perturb.gsam_xi", self.gsam_xi, reason)
    }
}
