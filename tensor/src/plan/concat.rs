//! Joining tensors: along an axis, and into one vector with gaps.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;
use crate::layout::numel;

/// Inputs, contiguous, each seen as `[outer, blocks[i]]`, side by side: output `[outer, Σ blocks]`.
#[derive(Clone, Debug)]
pub struct Concat {
    /// Any 32-bit or 64-bit type.
    pub dtype: DType,
    /// Elements before the axis.
    pub outer: usize,
    /// Each input's elements along and after the axis.
    pub blocks: Vec<usize>,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Plan for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        0
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(numel(&self.shape), self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let pitch = self.blocks.iter().sum();
        let of = move |outer| -> Box<dyn Run> { Box::new(Concat { outer, shape: vec![outer, pitch], ..self.clone() }) };
        Some(Items { count: self.outer, inputs: self.blocks.clone(), outputs: vec![pitch], of: Box::new(of) })
    }
}

/// Input `i`, contiguous, of `ranges[i].1` elements, goes to element `ranges[i].0` of a vector of `len`; the rest is zero. Ranges are disjoint.
#[derive(Clone, Debug)]
pub struct Assemble {
    /// Any 32-bit or 64-bit type.
    pub dtype: DType,
    /// The vector's length.
    pub len: usize,
    /// (start, length) of each input.
    pub ranges: Vec<(usize, usize)>,
}

impl Plan for Assemble {
    fn name(&self) -> &'static str {
        "assemble"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&[self.len], self.dtype)]
    }
    fn flops(&self) -> u64 {
        0
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.len, self.dtype)
    }
}
