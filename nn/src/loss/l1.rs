//! Mean absolute error.

use super::Objective;
use super::objective::same_shape;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// `mean |x − t|` over all elements of outputs x and targets t of one shape (n, …).
///
/// # Examples
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::loss::{L1, Objective};
/// use lethe_tensor::{Device, Tensor};
/// let output = Var::constant(&Tensor::new(&Device::cpu(), [[1.0], [4.0]]));
/// let targets = Tensor::new(&Device::cpu(), [[0.0], [6.0]]);
/// assert_eq!(L1.value(&output, &targets).item::<f32>()?, 1.5); // (1 + 2) / 2
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1;

impl Objective for L1 {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        same_shape("mean absolute error", output, targets);
        output.l1_loss(&Var::constant(targets)).mean()
    }
}
