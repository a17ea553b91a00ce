//! Any expression over broadcast inputs.

use super::{Plan, Spec, bytes_of};
use crate::dtype::DType;
use crate::expr::Expr;
use crate::layout::numel;

/// `out[i] = expr(inputs at i)`. Inputs: one for each of `dtypes`, any strides, already broadcast to `shape`.
#[derive(Clone, Debug)]
pub struct Elementwise {
    /// What is computed.
    pub expr: Expr,
    /// The output's shape, and every input's.
    pub shape: Vec<usize>,
    /// The output's type: the type of computation, or `U32` for booleans.
    pub dtype: DType,
    /// The inputs' types.
    pub dtypes: Vec<DType>,
    /// How many distinct elements each input holds: fewer than the output where it is broadcast.
    pub distinct: Vec<usize>,
}

impl Plan for Elementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        self.expr.flops() * numel(&self.shape) as u64
    }
    fn bytes(&self) -> u64 {
        let read: u64 = self.distinct.iter().zip(&self.dtypes).map(|(&n, &d)| bytes_of(n, d)).sum();
        read + bytes_of(numel(&self.shape), self.dtype)
    }
    fn accumulates(&self) -> bool {
        true
    }
}
