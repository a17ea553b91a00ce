//! From maps to vectors.

use super::Layer;
use crate::Forward;
use lethe_autograd::Var;

/// Flattens all axes from one on into one axis: by default (n, …) to (n, the product of the others).
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
