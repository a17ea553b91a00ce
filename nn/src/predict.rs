//! A model's output, without training it.

use crate::{Forward, Pass, State, Theta};
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// The output of a model for inputs (n, …) in evaluation: nothing is recorded or dropped, and normalisation uses the running statistics of the
/// state. `model` is the closure that training uses.
///
/// ```
/// use lethe_nn::layers::Linear;
/// use lethe_nn::{Builder, Layer, predict};
/// use lethe_tensor::{Device, Tensor};
///
/// let mut b = Builder::new();
/// let layer = Linear::new(&mut b, 4, 2);
/// let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let inputs = Tensor::randn(&Device::cpu(), &[3, 4], 0);
/// let outputs = predict(&theta, &state, &inputs, &|f, x| layer.forward(f, x));
/// assert_eq!(outputs.shape(), [3, 2]);
/// ```
///
/// # Panics
/// If the inputs do not have the shape that the model takes.
#[track_caller]
pub fn predict(theta: &Theta, state: &State, inputs: &Tensor, model: &dyn Fn(&Forward<'_>, &Var) -> Var) -> Tensor {
    let params = theta.constants();
    let forward = Forward::new(&params, state, Pass::evaluate());
    model(&forward, &Var::constant(inputs)).tensor().clone()
}
