//! Adam with decoupled weight decay.

use super::Descent;
use lethe_nn::Theta;
use lethe_tensor::Numeric;
use lethe_tensor::plan::{StepInputs, UpdateRule};

/// Adam with decoupled weight decay. At step k, with the gradient g:
///
/// ```text
/// μ ← β₁ μ + (1 − β₁) g      ν ← β₂ ν + (1 − β₂) g²
/// θ ← θ − lr (decay θ + (μ / (1 − β₁ᵏ)) / (√(ν / (1 − β₂ᵏ)) + eps))
/// ```
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Optimizer, AdamW};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(1.0));
/// # let (mut theta, _) = b.finish().init(&Device::cpu(), 0);
/// let gradient = theta.values().mul_scalar(1000.0); // θ is 1
/// let mut adamw = AdamW::new(&theta, 0.0);
/// adamw.step(&mut theta, &gradient, 0.1);
/// let w = theta.layout().view(theta.values(), w).item::<f32>()?;
/// assert!((w - 0.9).abs() < 1e-5); // the first step has the length of the rate, whatever the gradient's is
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct AdamW {
    /// β₁ and β₂: the decay rates of the first and second moment estimates.
    pub betas: [f64; 2],
    /// ε, added to the square root for numerical stability.
    pub eps: f64,
}

impl Default for AdamW {
    fn default() -> AdamW {
        AdamW { betas: [0.9, 0.999], eps: 1e-8 }
    }
}

impl AdamW {
    /// The optimiser of θ with the default coefficients; others go through [`Descent::new`].
    ///
    /// # Panics
    /// As [`Descent::new`].
    #[track_caller]
    #[allow(clippy::new_ret_no_self)] // what is made is the optimiser by this rule
    pub fn new(theta: &Theta, weight_decay: f64) -> Descent<AdamW, 3> {
        Descent::new(AdamW::default(), theta, weight_decay)
    }
}

impl UpdateRule<3> for AdamW {
    const NAME: &'static str = "adamw";
    const VECTORS: [&'static str; 3] = ["theta", "adamw.mean", "adamw.square"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, m, v]: [X; 3], at: StepInputs<X>) -> [X; 3] {
        let m = m + (at.grad - m) * (1.0 - self.betas[0]);
        let v = v + (at.grad.square() - v) * (1.0 - self.betas[1]);
        let [c1, c2] = self.betas.map(|beta| 1.0 - beta.powi(at.step as i32));
        let step = at.lr * (1.0 / c1) * m / (v.sqrt() * (1.0 / c2.sqrt()) + self.eps);
        // Subtracted, not multiplied by 1 − lr decay: that would round the decay to the digits of 1.
        [theta - (at.lr * at.decay * theta + step), m, v]
    }
}
