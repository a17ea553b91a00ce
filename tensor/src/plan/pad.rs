//! Constant padding of one axis.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;
use crate::layout::numel;

/// Input x, contiguous, seen as [outer, block]; output [outer, before + block + after], the new elements being `value`.
#[derive(Clone, Debug)]
pub struct Pad {
    /// Any 32-bit or 64-bit type.
    pub dtype: DType,
    /// Elements before the axis.
    pub outer: usize,
    /// Elements along and after the axis.
    pub block: usize,
    /// New elements before, in units of elements (not of the axis).
    pub before: usize,
    /// New elements after.
    pub after: usize,
    /// What they are.
    pub value: f64,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Plan for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        0
    }
    fn bytes(&self) -> u64 {
        bytes_of(numel(&self.shape) + self.outer * self.block, self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let pitch = self.before + self.block + self.after;
        let of = move |outer| -> Box<dyn Run> { Box::new(Pad { outer, shape: vec![outer, pitch], ..self.clone() }) };
        Some(Items { count: self.outer, inputs: vec![self.block], outputs: vec![pitch], of: Box::new(of) })
    }
}
