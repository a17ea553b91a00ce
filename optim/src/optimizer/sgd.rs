//! Stochastic gradient descent with momentum and decoupled weight decay.

use super::{Descent, Group};
use lethe_nn::Theta;
use lethe_tensor::Numeric;
use lethe_tensor::plan::{At, Rule};

/// With the gradient g:
///
/// ```text
/// b ← momentum b + g, at the first step g
/// θ ← θ − lr (decay θ + b), in Nesterov's form θ − lr (decay θ + g + momentum b)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Sgd {
    /// What is kept of the past.
    pub momentum: f64,
    /// Nesterov's form.
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
    pub fn new(theta: &Theta, momentum: f64, weight_decay: f64, groups: &[Group]) -> Descent<Sgd, 2> {
        Descent::new(Sgd { momentum, nesterov: false }, theta, weight_decay, groups)
    }
}

impl Rule<2> for Sgd {
    const NAME: &'static str = "sgd";
    const VECTORS: [&'static str; 2] = ["theta", "sgd.momentum"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, b]: [X; 2], at: At<X>) -> [X; 2] {
        let b = if at.step == 1 { at.grad } else { b * self.momentum + at.grad };
        let step = if self.nesterov { b * self.momentum + at.grad } else { b };
        [theta - (at.lr * at.decay * theta + at.lr * step), b]
    }
}
