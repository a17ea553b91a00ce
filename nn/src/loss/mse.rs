//! Mean squared error.

use super::Objective;
use super::objective::same_shape;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// `mean (x − t)²` over all elements of outputs x and targets t of one shape (n, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mse;

impl Objective for Mse {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        same_shape("mean squared error", output, targets);
        output.mse_loss(&Var::constant(targets)).mean()
    }
}
