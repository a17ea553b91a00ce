//! Stochastic gradient descent with momentum and decoupled weight decay.

use super::Descent;
use lethe_nn::Theta;
use lethe_tensor::Numeric;
use lethe_tensor::plan::{StepInputs, UpdateRule};

/// Stochastic gradient descent with momentum and decoupled weight decay. With the gradient g:
///
/// ```text
/// b ← momentum b + g, at the first step g
/// θ ← θ − lr (decay θ + b), in Nesterov's form θ − lr (decay θ + g + momentum b)
/// ```
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Optimizer, Sgd};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(1.0));
/// # let (mut theta, _) = b.finish().init(&Device::cpu(), 0);
/// let gradient = theta.values().clone(); // θ is 1, and so is the gradient
/// let mut sgd = Sgd::new(&theta, 0.5, 0.0); // momentum 0.5, no decay
/// sgd.step(&mut theta, &gradient, 0.5);
/// sgd.step(&mut theta, &gradient, 0.5);
/// let w = theta.layout().view(theta.values(), w).item::<f32>()?;
/// assert_eq!(w, -0.25); // 1 − 0.5 · 1 − 0.5 · (0.5 + 1)
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Sgd {
    /// The momentum coefficient; 0 for none.
    pub momentum: f64,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Sgd {
        Sgd { momentum: 0.9, nesterov: false }
    }
}

impl Sgd {
    /// The optimiser of θ with this momentum, not in Nesterov's form; others go through [`Descent::new`].
    ///
    /// # Panics
    /// As [`Descent::new`].
    #[track_caller]
    #[allow(clippy::new_ret_no_self)] // what is made is the optimiser by this rule
    pub fn new(theta: &Theta, momentum: f64, weight_decay: f64) -> Descent<Sgd, 2> {
        Descent::new(Sgd { momentum, nesterov: false }, theta, weight_decay)
    }
}

impl UpdateRule<2> for Sgd {
    const NAME: &'static str = "sgd";
    const VECTORS: [&'static str; 2] = ["theta", "sgd.momentum"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, b]: [X; 2], at: StepInputs<X>) -> [X; 2] {
        let b = if at.step == 1 { at.grad } else { b * self.momentum + at.grad };
        let step = if self.nesterov { b * self.momentum + at.grad } else { b };
        [theta - (at.lr * at.decay * theta + at.lr * step), b]
    }
}
