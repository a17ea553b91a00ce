//! What a sweep gives.

use crate::params::Parameters;
use crate::var::Var;
use lethe_tensor::Tensor;
use std::collections::HashMap;
use std::panic::Location;

/// A parameter that no gradient reached.
#[derive(Clone, Debug)]
pub struct Unreached {
    /// Its name.
    pub name: String,
    /// The first operation that used it, and where: the way from there to the result was cut. `None` if nothing used it.
    pub cut: Option<(&'static str, &'static Location<'static>)>,
}

/// The gradients of leaves and of vectors of parameters.
pub struct Gradients {
    leaves: HashMap<usize, Var>,
    vectors: Vec<Var>,
    unreached: Vec<Unreached>,
}

impl Gradients {
    pub(crate) fn new(leaves: HashMap<usize, Var>, vectors: Vec<Var>, unreached: Vec<Unreached>) -> Gradients {
        Gradients { leaves, vectors, unreached }
    }

    /// The gradient of a leaf, or `None` if none reached it.
    pub fn get(&self, leaf: &Var) -> Option<&Var> {
        self.leaves.get(&leaf.place.as_ref()?.node)
    }

    /// The gradient of a leaf; zeros if none reached it.
    pub fn of(&self, leaf: &Var) -> Var {
        self.get(leaf).cloned().unwrap_or_else(|| Var::constant(&leaf.tensor().zeros_like()))
    }

    /// The gradient of a vector of parameters, in the same layout; the padding is zero.
    pub fn vector(&self, parameters: &Parameters) -> &Var {
        &self.vectors[parameters.set]
    }

    /// The same, taken out as the only handle, so that it can be updated in place.
    pub fn into_vector(mut self, parameters: &Parameters) -> Tensor {
        self.leaves.clear();
        self.vectors.swap_remove(parameters.set).tensor().clone()
    }

    /// The parameters (but the frozen ones) that no gradient reached, and what cut them off.
    pub fn unreached(&self) -> &[Unreached] {
        &self.unreached
    }
}
