//! `[[optim.groups]]`: parameters that are frozen, or have a learning rate or a weight decay of their own. Which parameters a group takes is known
//! with the model: [`crate::groups`].

use glob::Pattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};
use super::optim::OptimCommon;

/// One group.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Globs of the names of parameters: `*` is any text, `?` one character, `[abc]` one of these.
    #[schemars(length(min = 1))]
    pub params: Vec<String>,
    /// The factor of the learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_scale: Option<f64>,
    /// The factor of the weight decay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay_scale: Option<f64>,
    /// Hold the parameters fixed: no gradient, no perturbation, no step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
}

impl GroupConfig {
    /// The dotted name of a key of the group with this number.
    pub fn key(index: usize, key: &str) -> String {
        format!("optim.groups[{index}].{key}")
    }

    /// Its globs.
    ///
    /// # Panics
    /// If one is broken, which is checked when a config is read.
    pub fn patterns(&self) -> Vec<Pattern> {
        self.params.iter().map(|text| Pattern::new(text).expect("a config's globs are checked")).collect()
    }

    /// Checks what can be known without the model; `decoupled` is whether the decay multiplies the parameters.
    pub(super) fn check(&self, index: usize, common: &OptimCommon, decoupled: bool) -> Result<(), Problem> {
        let key = |key: &str| GroupConfig::key(index, key);
        require(!self.params.is_empty(), &key("params"), "[]", "needs at least one glob, such as \"head.*\"")?;
        for text in &self.params {
            Pattern::new(text).map_err(|e| {
                let reason = format!("is not a glob: {} at character {}", e.msg, e.pos + 1);
                Problem::value(&key("params"), format!("{text:?}"), reason)
            })?;
        }
        let (lr_scale, decay_scale) = (self.lr_scale.unwrap_or(1.0), self.decay_scale.unwrap_or(1.0));
        for (name, scale) in [("lr_scale", self.lr_scale), ("decay_scale", self.decay_scale)] {
            let reason = "has no effect with frozen = true: frozen parameters neither move nor decay";
            require(!self.frozen || scale.is_none(), &key(name), scale.unwrap_or_default(), reason)?;
        }
        let fit = (lr_scale * common.lr) as f32;
        let reason = "must be above 0, and finite, in single precision and multiplied by optim.lr too; to hold parameters fixed, set frozen = true";
        let fit = fit.is_finite() && fit > 0.0 && lr_scale as f32 > 0.0;
        require(fit, &key("lr_scale"), lr_scale, reason)?;
        let decay = common.weight_decay;
        let fit = decay_scale >= 0.0 && (decay_scale as f32).is_finite() && ((decay_scale * decay) as f32).is_finite();
        let reason = "must be 0 or more, and finite, in single precision and multiplied by optim.weight_decay too";
        require(fit, &key("decay_scale"), decay_scale, reason)?;
        let needless = self.decay_scale.is_some() && decay == 0.0;
        require(!needless, &key("decay_scale"), decay_scale, "has no effect with optim.weight_decay = 0")?;
        let share = common.lr * lr_scale * decay * decay_scale;
        let reason = format!(
            "is too large: every update multiplies these parameters by 1 − optim.lr · lr_scale · optim.weight_decay · decay_scale, so this product \
             must be below 1, and it is {share}"
        );
        let scale = if self.decay_scale.is_some() { "decay_scale" } else { "lr_scale" };
        let found = if self.decay_scale.is_some() { decay_scale } else { lr_scale };
        require(!decoupled || share < 1.0, &key(scale), found, &reason)
    }
}
