//! Adam, with the weight decay in the gradient.

use super::Descent;
use lethe_nn::Theta;
use lethe_tensor::Numeric;
use lethe_tensor::plan::{StepInputs, UpdateRule};

/// Adam, with the weight decay added to the gradient. At step k, with the gradient g and `g' = g + decay θ`:
///
/// ```text
/// μ ← β₁ μ + (1 − β₁) g'      ν ← β₂ ν + (1 − β₂) g'²
/// θ ← θ − lr (μ / (1 − β₁ᵏ)) / (√(ν / (1 − β₂ᵏ)) + eps)
/// ```
///
/// [`super::AdamW`] decays θ itself.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Adam {
    /// β₁ and β₂: the decay rates of the first and second moment estimates.
    pub betas: [f64; 2],
    /// ε, added to the square root for numerical stability.
    pub eps: f64,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { betas: [0.9, 0.999], eps: 1e-8 }
    }
}

impl Adam {
    /// The optimiser of θ with the default coefficients; others go through [`Descent::new`].
    ///
    /// # Panics
    /// As [`Descent::new`].
    #[track_caller]
    #[allow(clippy::new_ret_no_self)] // what is made is the optimiser by this rule
    pub fn new(theta: &Theta, weight_decay: f64) -> Descent<Adam, 3> {
        Descent::new(Adam::default(), theta, weight_decay)
    }
}

impl UpdateRule<3> for Adam {
    const NAME: &'static str = "adam";
    const VECTORS: [&'static str; 3] = ["theta", "adam.mean", "adam.square"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, m, v]: [X; 3], at: StepInputs<X>) -> [X; 3] {
        let grad = at.grad + at.decay * theta;
        let m = m + (grad - m) * (1.0 - self.betas[0]);
        let v = v + (grad.square() - v) * (1.0 - self.betas[1]);
        let [c1, c2] = self.betas.map(|beta| 1.0 - beta.powi(at.step as i32));
        let step = at.lr * (1.0 / c1) * m / (v.sqrt() * (1.0 / c2.sqrt()) + self.eps);
        [theta - step, m, v]
    }
}
