//! Gradients and Hessian-vector products of a function of one vector of parameters.

use crate::graph::{Tape, Var};
use crate::parameters::Parameters;
use crate::params::ParamLayout;
use crate::tape::Mode;
use lethe_tensor::Tensor;
use std::sync::Arc;

/// `(L(θ), ∇L(θ))` for a scalar function of the parameters.
///
/// # Panics
/// If the function's result is not a scalar that depends on the parameters.
#[track_caller]
pub fn gradient(theta: &Tensor, layout: &Arc<ParamLayout>, loss: impl FnOnce(&Parameters) -> Var) -> (Tensor, Tensor) {
    let tape = Tape::new();
    let parameters = tape.parameters(theta, layout);
    let y = loss(&parameters);
    let value = y.tensor().clone();
    (value, tape.backward(&y).into_vector(&parameters))
}

/// `(L(θ), ∇L(θ), H v)`, exactly: the gradient is recorded, and `⟨∇L, v⟩` differentiated once more.
///
/// # Panics
/// If the function's result is not a scalar that depends on the parameters, or `v` does not have θ's shape.
#[track_caller]
pub fn hessian_vector_product(
    theta: &Tensor,
    layout: &Arc<ParamLayout>,
    v: &Tensor,
    loss: impl FnOnce(&Parameters) -> Var,
) -> (Tensor, Tensor, Tensor) {
    let tape = Tape::new();
    let parameters = tape.parameters(theta, layout);
    let y = loss(&parameters);
    let one = Var::constant(&Tensor::ones(y.device(), y.tensor().computed_type(), y.shape()));
    let first = tape.sweep(&y, &one, Mode::Record);
    let gradient = first.vector(&parameters).clone();
    let slope = (&gradient * v).sum();
    let (value, grad) = (y.tensor().clone(), gradient.tensor().clone());
    if !slope.is_tracked() {
        return (value, grad, v.zeros_like()); // a linear function
    }
    let product = tape.backward(&slope).into_vector(&parameters);
    (value, grad, product)
}
