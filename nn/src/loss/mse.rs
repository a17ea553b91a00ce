//! Mean squared error.

use super::Objective;
use super::objective::same_shape;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// `mean (x − t)²` over all elements of outputs x and targets t of one shape (n, …).
///
/// # Examples
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::loss::{Mse, Objective};
/// use lethe_tensor::{Device, Tensor};
/// let output = Var::constant(&Tensor::new(&Device::cpu(), [[1.0], [4.0]]));
/// let targets = Tensor::new(&Device::cpu(), [[0.0], [2.0]]);
/// assert_eq!(Mse.value(&output, &targets).item::<f32>()?, 2.5); // (1² + 2²) / 2
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mse;

impl Objective for Mse {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        same_shape("mean squared error", output, targets);
        output.mse_loss(&Var::constant(targets)).mean()
    }
}
