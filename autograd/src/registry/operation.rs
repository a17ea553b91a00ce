//! An operation as the registry names it.

use super::case::Case;
use super::draws::Draws;

/// A differentiable operation, and its cases.
#[derive(Clone, Copy)]
pub struct Operation {
    /// The method's name.
    pub name: &'static str,
    pub(super) generate: fn(&mut Draws) -> Case,
}

impl Operation {
    /// A random case, a pure function of the seed and of `size`: the extents of axes that mean nothing to the operation are at most
    /// `size` (taken as at least 1); some are 0 or 1.
    pub fn case(&self, seed: u64, size: usize) -> Case {
        (self.generate)(&mut Draws::new(seed, size))
    }
}
