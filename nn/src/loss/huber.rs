//! Huber's loss.

use super::Objective;
use super::objective::same_shape;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// The mean over all elements of outputs x and targets t of one shape (n, …) of `e²/2` where `|e| ≤ delta`, else `delta (|e| − delta/2)`, with
/// e = x − t: squared for small errors, and no steeper than delta for large ones.
///
/// # Examples
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::loss::{Huber, Objective};
/// use lethe_tensor::{Device, Tensor};
/// let output = Var::constant(&Tensor::new(&Device::cpu(), [[1.0], [4.0]]));
/// let targets = Tensor::new(&Device::cpu(), [[0.0], [0.0]]);
/// let loss = Huber { delta: 2.0 }.value(&output, &targets);
/// assert_eq!(loss.item::<f32>()?, 3.25); // (1² / 2 + 2 (4 − 1)) / 2
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
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
