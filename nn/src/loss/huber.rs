//! Huber's loss.

use super::Objective;
use super::objective::same_shape;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// The mean over all elements of outputs x and targets t of one shape (n, …) of `e²/2` where `|e| ≤ delta`, else `delta (|e| − delta/2)`, with
/// e = x − t: squared for small errors, and no steeper than delta for large ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Huber {
    /// From which error on the loss is linear; positive.
    pub delta: f64,
}

impl Objective for Huber {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        same_shape("Huber's loss", output, targets);
        output.huber_loss(&Var::constant(targets), self.delta).mean()
    }
}
