//! What all layers have in common.

use crate::Forward;
use lethe_autograd::Var;

/// A map from one variable to another that reads its parameters from a forward pass. A layer itself holds only their places, so that it is small
/// and can be cloned.
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::{Forward, Layer};
///
/// struct Twice;
///
/// impl Layer for Twice {
///     fn forward(&self, _: &Forward<'_>, x: &Var) -> Var {
///         x.mul_scalar(2.0)
///     }
/// }
/// ```
pub trait Layer: Send + Sync {
    /// The layer's result.
    ///
    /// # Panics
    /// If x does not have the shape that the layer was built for.
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var;
}
