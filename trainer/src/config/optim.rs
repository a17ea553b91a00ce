//! `[optim]`: the base optimiser and its schedule.

use lethe_optim::{Adam, AdamW, Lion, RmsProp, Sgd};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::error::{Problem, require};
use super::groups::GroupConfig;
use super::reading::{fields, section_of_two, take_choice};

/// The section `[optim]`: an update rule, and the keys that all rules share.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct OptimConfig {
    /// The update rule, with its own keys.
    #[serde(flatten)]
    pub rule: RuleConfig,
    /// The keys that all rules share.
    #[serde(flatten)]
    pub common: OptimCommon,
}

/// The update rules; the keys of each are its own fields.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RuleConfig {
    /// Adam with the weight decay in the gradient.
    Adam(Adam),
    /// Adam with decoupled weight decay.
    Adamw(AdamW),
    /// Descent along the sign of an average, with decoupled weight decay.
    Lion(Lion),
    /// RMSprop with the weight decay in the gradient.
    Rmsprop(RmsProp),
    /// Stochastic gradient descent with momentum and decoupled weight decay.
    Sgd(Sgd),
}

/// The kinds of rules.
pub(super) const RULES: [&str; 5] = ["adam", "adamw", "lion", "rmsprop", "sgd"];

/// The keys that all rules share.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimCommon {
    /// The largest learning rate, reached after the warm-up.
    pub lr: f64,
    /// The learning rate at the end of a linear or cosine schedule, and the smallest one that the others lead to.
    #[serde(default)]
    pub min_lr: f64,
    /// How the learning rate changes after the warm-up.
    #[serde(default)]
    pub schedule: LrSchedule,
    /// The numbers of epochs after which a step schedule lowers the learning rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_epochs: Vec<usize>,
    /// The factor by which the step and plateau schedules lower the learning rate.
    #[serde(default = "tenth")]
    pub decay_factor: f64,
    /// The number of evaluations in a row that a plateau schedule lets pass without an improvement before it lowers the learning rate.
    #[serde(default = "ten")]
    pub patience: usize,
    /// The number of epochs over which the learning rate rises from 0.
    #[serde(default)]
    pub warmup_epochs: usize,
    /// The weight decay, multiplied by the current learning rate and taken from θ; of `adam` and `rmsprop` added to the gradient instead.
    #[serde(default)]
    pub weight_decay: f64,
    /// Also decay biases, normalisation parameters and embeddings.
    #[serde(default)]
    pub decay_1d: bool,
    /// The largest norm of an update gradient over all parameters; larger ones are clipped. By default nothing is.
    pub clip: Option<f64>,
    /// The factor d of the learning rate from each layer of a ViT to the one before it: d^(depth + 1 − layer). By default all have the same rate.
    pub layer_decay: Option<f64>,
    /// Parameters that are frozen, or have a learning rate or a weight decay of their own; the first group that matches a parameter counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupConfig>,
}

/// How the learning rate changes after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LrSchedule {
    /// It decreases linearly to `min_lr` at the end of training.
    #[default]
    Linear,
    /// It decreases to `min_lr` at the end of training as half a period of a cosine.
    Cosine,
    /// It is multiplied by `decay_factor` after each of `step_epochs`.
    Step,
    /// It is multiplied by `decay_factor` whenever more than `patience` evaluations in a row were no better than the best before.
    Plateau,
    /// It is constant.
    Constant,
}

fn tenth() -> f64 {
    0.1
}

fn ten() -> usize {
    10
}

impl OptimConfig {
    pub(super) fn keys(kind: &str) -> Option<Vec<&'static str>> {
        let own = match kind {
            "adam" => fields::<Adam>(),
            "adamw" => fields::<AdamW>(),
            "lion" => fields::<Lion>(),
            "rmsprop" => fields::<RmsProp>(),
            "sgd" => fields::<Sgd>(),
            _ => return None,
        };
        Some([own, fields::<OptimCommon>()].concat())
    }

    pub(super) fn read(mut table: Table) -> Result<OptimConfig, Problem> {
        fn with<T: DeserializeOwned>(table: Table, rule: impl Fn(T) -> RuleConfig) -> Result<OptimConfig, Problem> {
            let (common, own) = section_of_two("optim", table)?;
            Ok(OptimConfig { rule: rule(own), common })
        }
        let kind = take_choice("optim", "kind", &mut table, &RULES)?;
        match &kind[..] {
            "adam" => with(table, RuleConfig::Adam),
            "adamw" => with(table, RuleConfig::Adamw),
            "lion" => with(table, RuleConfig::Lion),
            "rmsprop" => with(table, RuleConfig::Rmsprop),
            _ => with(table, RuleConfig::Sgd),
        }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let check_betas = |betas: &[f64; 2]| {
            let fit = betas.iter().all(|b| (0.0..1.0).contains(b));
            require(fit, "optim.betas", format!("{betas:?}"), "both must be at least 0 and below 1")
        };
        let check_eps = |eps: &f64| {
            let fit = eps.is_finite() && *eps as f32 > 0.0;
            require(fit, "optim.eps", eps, "must be finite and positive, in single precision too")
        };
        match &self.rule {
            RuleConfig::Adam(Adam { betas, eps }) | RuleConfig::Adamw(AdamW { betas, eps }) => {
                check_betas(betas)?;
                check_eps(eps)?;
            }
            RuleConfig::Lion(Lion { betas }) => check_betas(betas)?,
            RuleConfig::Rmsprop(RmsProp { alpha, eps }) => {
                require((0.0..1.0).contains(alpha), "optim.alpha", alpha, "must be at least 0 and below 1")?;
                check_eps(eps)?;
            }
            RuleConfig::Sgd(Sgd { momentum, nesterov }) => {
                require((0.0..1.0).contains(momentum), "optim.momentum", momentum, "must be at least 0 and below 1")?;
                let needless = *nesterov && *momentum == 0.0;
                require(!needless, "optim.nesterov", nesterov, "needs a momentum above 0")?;
            }
        }
        self.common.check()?;
        self.check_decay()?;
        let check = |(i, group): (usize, &GroupConfig)| group.check(i, &self.common, !self.is_coupled());
        self.common.groups.iter().enumerate().try_for_each(check)
    }

    /// Whether the weight decay is added to the gradient.
    fn is_coupled(&self) -> bool {
        matches!(self.rule, RuleConfig::Adam(_) | RuleConfig::Rmsprop(_))
    }

    /// A decoupled decay multiplies the parameters by 1 − lr · weight_decay in each update.
    fn check_decay(&self) -> Result<(), Problem> {
        let OptimCommon { lr, weight_decay: decay, .. } = self.common;
        let reason = format!(
            "is too large: every update multiplies the parameters by 1 − lr · weight_decay, so optim.lr · weight_decay must be below 1, and \
             it is {}; with optim.lr = {lr} use a weight decay below {}",
            lr * decay,
            1.0 / lr
        );
        require(self.is_coupled() || lr * decay < 1.0, "optim.weight_decay", decay, &reason)
    }
}

impl OptimCommon {
    /// Whether the learning rate decreases after the warm-up.
    pub fn falls(&self) -> bool {
        self.schedule != LrSchedule::Constant && self.min_lr < self.lr
    }

    fn check(&self) -> Result<(), Problem> {
        require(
            (self.lr as f32).is_finite() && self.lr > 0.0,
            "optim.lr",
            self.lr,
            "must be finite and positive, in single precision too",
        )?;
        let (min_lr, lr) = (self.min_lr, self.lr);
        if !(0.0..=lr).contains(&min_lr) {
            return Err(Problem::value("optim.min_lr", min_lr, format!("must be between 0 and optim.lr = {lr}")));
        }
        let needless = self.schedule == LrSchedule::Constant && min_lr != 0.0;
        require(!needless, "optim.min_lr", min_lr, "has no effect with schedule = \"constant\"; leave it out")?;
        self.check_schedule()?;
        let decay = self.weight_decay;
        let fit = (decay as f32).is_finite() && decay >= 0.0;
        require(fit, "optim.weight_decay", decay, "must be 0 or more, and finite, in single precision too")?;
        let needless = self.decay_1d && decay == 0.0;
        require(!needless, "optim.decay_1d", true, "has no effect with optim.weight_decay = 0; leave it out")?;
        let clip = self.clip.unwrap_or(1.0);
        require(
            clip.is_finite() && clip > 0.0,
            "optim.clip",
            clip,
            "must be finite and positive; leave it out for no clipping",
        )
    }

    fn check_schedule(&self) -> Result<(), Problem> {
        let (steps, factor) = (&self.step_epochs, self.decay_factor);
        let is_step = self.schedule == LrSchedule::Step;
        let found = format!("{steps:?}");
        let reason = "must be a list of one or more numbers of epochs, each larger than the one before, such as [30, 60], with schedule = \"step\"";
        let are_right = !steps.is_empty() && steps[0] > 0 && steps.is_sorted_by(|a, b| a < b);
        require(!is_step || are_right, "optim.step_epochs", &found, reason)?;
        require(
            is_step || steps.is_empty(),
            "optim.step_epochs",
            found,
            "has an effect only with schedule = \"step\"",
        )?;
        let fit = factor > 0.0 && factor < 1.0;
        require(fit, "optim.decay_factor", factor, "must be above 0 and below 1")?;
        let is_plateau = self.schedule == LrSchedule::Plateau;
        let reason =
            format!("has an effect only with schedule = \"step\" or \"plateau\"; leave it out, or at {}", tenth());
        require(is_step || is_plateau || factor == tenth(), "optim.decay_factor", factor, &reason)?;
        let reason = format!("has an effect only with schedule = \"plateau\"; leave it out, or at {}", ten());
        require(is_plateau || self.patience == ten(), "optim.patience", self.patience, &reason)
    }
}
