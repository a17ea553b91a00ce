//! Mean absolute error.

use super::Objective;
use super::objective::same_shape;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// `mean |x − t|` over all elements of outputs x and targets t of one shape (n, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1;

impl Objective for L1 {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        same_shape("mean absolute error", output, targets);
        output.l1_loss(&Var::constant(targets)).mean()
    }
}
