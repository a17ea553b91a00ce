//! RMSprop, with the weight decay in the gradient.

use super::Descent;
use lethe_nn::Theta;
use lethe_tensor::Numeric;
use lethe_tensor::plan::{StepInputs, UpdateRule};

/// RMSprop, with the weight decay added to the gradient. With the gradient g and `g' = g + decay θ`:
///
/// ```text
/// ν ← α ν + (1 − α) g'²      θ ← θ − lr g' / (√ν + eps)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct RmsProp {
    /// α: the decay rate of the mean square.
    pub alpha: f64,
    /// ε, added to the square root for numerical stability.
    pub eps: f64,
}

impl Default for RmsProp {
    fn default() -> RmsProp {
        RmsProp { alpha: 0.99, eps: 1e-8 }
    }
}

impl RmsProp {
    /// The optimiser of θ with the default coefficients; others go through [`Descent::new`].
    ///
    /// # Panics
    /// As [`Descent::new`].
    #[track_caller]
    #[allow(clippy::new_ret_no_self)] // what is made is the optimiser by this rule
    pub fn new(theta: &Theta, weight_decay: f64) -> Descent<RmsProp, 2> {
        Descent::new(RmsProp::default(), theta, weight_decay)
    }
}

impl UpdateRule<2> for RmsProp {
    const NAME: &'static str = "rmsprop";
    const VECTORS: [&'static str; 2] = ["theta", "rmsprop.square"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, v]: [X; 2], at: StepInputs<X>) -> [X; 2] {
        let grad = at.grad + at.decay * theta;
        let v = v + (grad.square() - v) * (1.0 - self.alpha);
        [theta - at.lr * grad / (v.sqrt() + self.eps), v]
    }
}
