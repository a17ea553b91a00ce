//! `[optim]`: the base optimiser and its schedule.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::error::{Problem, require};
use super::reading::{fields, section_of_two, take_choice};

/// The section `[optim]`: an update rule, and the keys that all rules share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimConfig {
    /// The update rule, with its own keys.
    #[serde(flatten)]
    pub rule: Rule,
    /// The keys that all rules share.
    #[serde(flatten)]
    pub common: OptimCommon,
}

/// The update rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Rule {
    /// Adam with decoupled weight decay.
    Adamw(AdamwConfig),
    /// Stochastic gradient descent with momentum and decoupled weight decay.
    Sgd(SgdConfig),
}

/// The keys of `kind = "adamw"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamwConfig {
    /// β₁ and β₂: the decay rates of the two moment estimates.
    pub betas: [f64; 2],
    /// ε: added to the square root of the second moment.
    pub eps: f64,
}

/// The keys of `kind = "sgd"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// The momentum coefficient; 0 for none.
    pub momentum: f64,
    /// Use Nesterov momentum.
    pub nesterov: bool,
}

/// The keys that all rules share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimCommon {
    /// The largest learning rate, reached after the warm-up.
    pub lr: f64,
    /// The learning rate at the end of a linear schedule.
    #[serde(default)]
    pub min_lr: f64,
    /// How the learning rate changes after the warm-up.
    #[serde(default)]
    pub schedule: LrSchedule,
    /// The number of epochs over which the learning rate rises from 0.
    #[serde(default)]
    pub warmup_epochs: usize,
    /// The decoupled weight decay, multiplied by the current learning rate.
    #[serde(default)]
    pub weight_decay: f64,
    /// Also decay biases, normalisation parameters and embeddings.
    #[serde(default)]
    pub decay_1d: bool,
    /// The largest norm of an update gradient over all parameters; larger ones are clipped. By default nothing is.
    pub clip: Option<f64>,
}

/// How the learning rate changes after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LrSchedule {
    /// It decreases linearly to `min_lr` at the end of training.
    #[default]
    Linear,
    /// It is constant.
    Constant,
}

impl Default for AdamwConfig {
    fn default() -> Self {
        AdamwConfig { betas: [0.9, 0.999], eps: 1e-8 }
    }
}

impl Default for SgdConfig {
    fn default() -> Self {
        SgdConfig { momentum: 0.9, nesterov: false }
    }
}

impl OptimConfig {
    pub(super) fn keys(kind: &str) -> Option<Vec<&'static str>> {
        let own = match kind {
            "adamw" => fields::<AdamwConfig>(),
            "sgd" => fields::<SgdConfig>(),
            _ => return None,
        };
        Some([own, fields::<OptimCommon>()].concat())
    }

    pub(super) fn read(mut table: Table) -> Result<OptimConfig, Problem> {
        let kind = take_choice("optim", "kind", &mut table, &["adamw", "sgd"])?;
        if kind == "adamw" {
            let (common, rule) = section_of_two("optim", table)?;
            Ok(OptimConfig { rule: Rule::Adamw(rule), common })
        } else {
            let (common, rule) = section_of_two("optim", table)?;
            Ok(OptimConfig { rule: Rule::Sgd(rule), common })
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        match &self.rule {
            Rule::Adamw(AdamwConfig { betas, eps }) => {
                let fit = betas.iter().all(|b| (0.0..1.0).contains(b));
                require(fit, "optim.betas", format!("{betas:?}"), "both must be at least 0 and below 1")?;
                let fit = eps.is_finite() && *eps as f32 > 0.0;
                require(fit, "optim.eps", eps, "must be finite and positive, in single precision too")?;
            }
            Rule::Sgd(SgdConfig { momentum, nesterov }) => {
                require((0.0..1.0).contains(momentum), "optim.momentum", momentum, "must be at least 0 and below 1")?;
                let needless = *nesterov && *momentum == 0.0;
                require(!needless, "optim.nesterov", nesterov, "needs a momentum above 0")?;
            }
        }
        self.common.check()
    }
}

impl OptimCommon {
    /// Whether the learning rate decreases after the warm-up.
    pub fn falls(&self) -> bool {
        self.schedule == LrSchedule::Linear && self.min_lr < self.lr
    }

    fn check(&self) -> Result<(), Problem> {
        require(self.lr.is_finite() && self.lr > 0.0, "optim.lr", self.lr, "must be finite and positive")?;
        let (min_lr, lr) = (self.min_lr, self.lr);
        if !(0.0..=lr).contains(&min_lr) {
            return Err(Problem::value("optim.min_lr", min_lr, format!("must be between 0 and optim.lr = {lr}")));
        }
        let needless = self.schedule == LrSchedule::Constant && min_lr != 0.0;
        require(!needless, "optim.min_lr", min_lr, "has no effect with schedule = \"constant\"; leave it out")?;
        let decay = self.weight_decay;
        require(decay.is_finite() && decay >= 0.0, "optim.weight_decay", decay, "must be 0 or more")?;
        let clip = self.clip.unwrap_or(1.0);
        require(
            clip.is_finite() && clip > 0.0,
            "optim.clip",
            clip,
            "must be finite and positive; leave it out for no clipping",
        )
    }
}
