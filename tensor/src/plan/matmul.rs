//! The batched matrix product.

use super::{Plan, Spec, bytes_of};
use crate::dtype::DType;
use crate::layout::numel;

/// Where element (i, j) of matrix `b` of a batch lies, relative to the view's offset: one of `row` and `col` is 1 (or the matrix has
/// one row or column), batch strides may be 0 (broadcast).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixStrides {
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub col: usize,
    /// From one matrix to the next, for each batch axis.
    pub batch: Vec<usize>,
}

/// `C = A B (+ bias)`, for every item of the batch. Inputs: A (m × k), B (k × n), and bias (n, contiguous) if there is one.
/// C is row-major, shape `[batch…, m, n]` (or `shape`, if the caller merged axes).
#[derive(Clone, Debug)]
pub struct Matmul {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Extents of the batch axes, neighbours merged where both operands allow it.
    pub batch: Vec<usize>,
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// The contracted extent; 0 gives zeros (or the bias).
    pub k: usize,
    /// A's strides.
    pub a: MatrixStrides,
    /// B's strides.
    pub b: MatrixStrides,
    /// Whether there is a bias.
    pub bias: bool,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Plan for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        2 * (numel(&self.batch) * self.m * self.n * self.k) as u64
    }
    fn bytes(&self) -> u64 {
        let items = |s: &MatrixStrides| -> usize {
            self.batch.iter().zip(&s.batch).filter(|(_, s)| **s != 0).map(|(n, _)| n).product()
        };
        let (a, b) = (items(&self.a) * self.m * self.k, items(&self.b) * self.k * self.n);
        bytes_of(a + b + numel(&self.batch) * self.m * self.n + usize::from(self.bias) * self.n, self.dtype)
    }
    fn accumulates(&self) -> bool {
        !self.bias
    }
}
