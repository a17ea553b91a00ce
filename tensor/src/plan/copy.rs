//! A view made contiguous, and conversion between element types.

use super::{Plan, Spec, bytes_of};
use crate::dtype::DType;
use crate::layout::numel;

/// Input: any layout of `shape`, of type `from`. Output: row-major, of type `to`; integers are truncated towards zero.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The input's type.
    pub from: DType,
    /// The output's type.
    pub to: DType,
    /// The shape of both.
    pub shape: Vec<usize>,
}

impl Plan for Copy {
    fn name(&self) -> &'static str {
        if self.from == self.to { "copy" } else { "cast" }
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.to)]
    }
    fn flops(&self) -> u64 {
        0
    }
    fn bytes(&self) -> u64 {
        bytes_of(numel(&self.shape), self.from) + bytes_of(numel(&self.shape), self.to)
    }
    fn accumulates(&self) -> bool {
        self.from == self.to && self.to.is_float()
    }
    fn takes_halves(&self) -> bool {
        true
    }
}
