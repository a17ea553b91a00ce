//! From maps to vectors.

use super::Layer;
use crate::Forward;
use lethe_autograd::Var;

/// Flattens all axes from one on into one axis: by default (n, …) to (n, the product of the others).
///
/// # Examples
/// ```
/// # use lethe_nn::layers::Flatten;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let (theta, state) = Builder::new().finish().init(&Device::cpu(), 0);
/// let maps = Tensor::zeros(&Device::cpu(), DType::F32, &[2, 3, 4, 5]);
/// let flat = |layer: Flatten| predict(&theta, &state, &maps, &|f, x| layer.forward(f, x));
/// assert_eq!(flat(Flatten::new()).shape(), [2, 60]); // a vector for each sample
/// assert_eq!(flat(Flatten::from_axis(2)).shape(), [2, 3, 20]); // one for each channel
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Flatten {
    first: usize,
}

impl Flatten {
    /// All axes but the first.
    #[expect(clippy::new_without_default, reason = "layers are made by `new`")]
    pub fn new() -> Flatten {
        Flatten::from_axis(1)
    }

    /// All axes from this one on.
    pub fn from_axis(first: usize) -> Flatten {
        Flatten { first }
    }
}

impl Layer for Flatten {
    #[track_caller]
    fn forward(&self, _: &Forward<'_>, x: &Var) -> Var {
        assert!(self.first <= x.rank(), "Flatten: x {:?} has no {} axes to keep", x.shape(), self.first);
        let (kept, merged) = x.shape().split_at(self.first);
        let shape: Vec<usize> = kept.iter().copied().chain([merged.iter().product()]).collect();
        x.reshape(&shape)
    }
}
