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
    /// The weight with which the images of each class count in training; by default all count alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
}

/// Weights of classes.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"balanced\", or a list of one weight for each class")]
pub enum ClassWeights {
    /// n / (C · n_c) for a class with n_c of the n training images: all classes count alike, however many images they have.
    Balanced(Balanced),
    /// One for each class.
    Each(Vec<f64>),
}

/// The word `balanced`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balanced {
    /// It.
    Balanced,
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
        require((0.0..1.0).contains(&s), "loss.label_smoothing", s, "must be at least 0 and below 1")?;
        let Some(ClassWeights::Each(weights)) = &self.class_weights else { return Ok(()) };
        let fit =
            weights.iter().all(|w| *w >= 0.0 && (*w as f32).is_finite()) && weights.iter().any(|w| *w as f32 > 0.0);
        let reason = "must be numbers of 0 or more, finite in single precision too, and not all 0";
        require(fit, "loss.class_weights", format!("{weights:?}"), reason)
    }

    /// Whether weights follow from the numbers of images.
    pub(super) fn is_balanced(&self) -> bool {
        matches!(self.class_weights, Some(ClassWeights::Balanced(_)))
    }

    /// Replaces weights that depend on the data by their numbers; `images` are the numbers of training images by class, if they are known.
    pub(super) fn resolve(&mut self, classes: usize, images: &[usize]) -> Result<(), Problem> {
        const KEY: &str = "loss.class_weights";
        match &self.class_weights {
            Some(ClassWeights::Each(weights)) if weights.len() != classes => {
                let reason =
                    format!("must be a list of {classes} weights, one for each class; it has {}", weights.len());
                Err(Problem::value(KEY, format!("{weights:?}"), reason))
            }
            Some(ClassWeights::Balanced(_)) if !images.is_empty() => {
                if let Some(class) = images.iter().position(|n| *n == 0) {
                    let reason =
                        format!("class {class} has no training images, and so no weight; give a list of weights");
                    return Err(Problem::value(KEY, "balanced", reason));
                }
                let all: usize = images.iter().sum();
                let weight = |n: &usize| all as f64 / (classes as f64 * *n as f64);
                self.class_weights = Some(ClassWeights::Each(images.iter().map(weight).collect()));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
