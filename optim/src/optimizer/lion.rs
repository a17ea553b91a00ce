//! Lion: descent along the sign of an average (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023).

use super::Descent;
use lethe_nn::Theta;
use lethe_tensor::Numeric;
use lethe_tensor::plan::{StepInputs, UpdateRule};

/// Lion: descent along the sign of an average of gradients, with decoupled weight decay. With the gradient g:
///
/// ```text
/// θ ← θ − lr (decay θ + sign(β₁ μ + (1 − β₁) g))
/// μ ← β₂ μ + (1 − β₂) g
/// ```
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Optimizer, Lion};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(1.0));
/// # let (mut theta, _) = b.finish().init(&Device::cpu(), 0);
/// let gradient = theta.values().mul_scalar(1000.0); // θ is 1
/// let mut lion = Lion::new(&theta, 0.0);
/// lion.step(&mut theta, &gradient, 0.25);
/// let w = theta.layout().view(theta.values(), w).item::<f32>()?;
/// assert_eq!(w, 0.75); // every step has the length of the rate
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Lion {
    /// β₁ interpolates between momentum and gradient for the step; β₂ is the decay rate of the momentum μ.
    pub betas: [f64; 2],
}

impl Default for Lion {
    fn default() -> Lion {
        Lion { betas: [0.9, 0.99] }
    }
}

impl Lion {
    /// The optimiser of θ with the default coefficients; others go through [`Descent::new`].
    ///
    /// # Panics
    /// As [`Descent::new`].
    #[track_caller]
    #[allow(clippy::new_ret_no_self)] // what is made is the optimiser by this rule
    pub fn new(theta: &Theta, weight_decay: f64) -> Descent<Lion, 2> {
        Descent::new(Lion::default(), theta, weight_decay)
    }
}

impl UpdateRule<2> for Lion {
    const NAME: &'static str = "lion";
    const VECTORS: [&'static str; 2] = ["theta", "lion.mean"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, m]: [X; 2], at: StepInputs<X>) -> [X; 2] {
        let direction = m + (at.grad - m) * (1.0 - self.betas[0]);
        let m = m + (at.grad - m) * (1.0 - self.betas[1]);
        [theta - (at.lr * at.decay * theta + at.lr * direction.sign()), m]
    }
}
