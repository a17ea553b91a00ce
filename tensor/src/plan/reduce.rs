//! Reductions of one (merged) axis.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// What a reduction makes of the elements along its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    /// Their sum; 0 if there are none.
    Sum,
    /// The sum of their squares.
    SumSquares,
    /// Their product; 1 if there are none.
    Prod,
    /// The largest; NaN if there is one (on the CPU).
    Max,
    /// The smallest; NaN likewise.
    Min,
    /// The place of the first largest, as `U32`.
    ArgMax,
    /// The place of the first smallest, as `U32`.
    ArgMin,
}

/// `out[o, i] = scale · op over r of x[o, r, i]`. Input: x, contiguous, seen as [outer, n, inner]. The scale applies to sums alone.
/// Sums of many elements are made in blocks, as trees, in an order that depends on the sizes alone.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// The operation.
    pub op: ReduceOp,
    /// The type of x: `F32` or `F64`.
    pub dtype: DType,
    /// Elements before the axis.
    pub outer: usize,
    /// Elements along the axis.
    pub n: usize,
    /// Elements after the axis.
    pub inner: usize,
    /// A factor of the sums.
    pub scale: f64,
    /// The output's shape, of `outer · inner` elements.
    pub shape: Vec<usize>,
}

impl Plan for Reduce {
    fn name(&self) -> &'static str {
        match self.op {
            ReduceOp::Sum => "sum",
            ReduceOp::SumSquares => "sum_squares",
            ReduceOp::Prod => "prod",
            ReduceOp::Max => "max",
            ReduceOp::Min => "min",
            ReduceOp::ArgMax => "argmax",
            ReduceOp::ArgMin => "argmin",
        }
    }
    fn outputs(&self) -> Vec<Spec> {
        let index = matches!(self.op, ReduceOp::ArgMax | ReduceOp::ArgMin);
        vec![Spec::new(&self.shape, if index { DType::U32 } else { self.dtype })]
    }
    fn flops(&self) -> u64 {
        (self.outer * self.n * self.inner) as u64
    }
    fn bytes(&self) -> u64 {
        bytes_of(self.outer * self.inner * (self.n + 1), self.dtype)
    }
    fn accumulates(&self) -> bool {
        matches!(self.op, ReduceOp::Sum | ReduceOp::SumSquares)
    }
    fn items(&self) -> Option<Items<'_>> {
        let of = |outer| -> Box<dyn Run> { Box::new(Reduce { outer, shape: vec![outer, self.inner], ..self.clone() }) };
        Some(Items {
            count: self.outer,
            inputs: vec![self.n * self.inner],
            outputs: vec![self.inner],
            of: Box::new(of),
        })
    }
}

/// `Σ (s x)²` of all elements for a scale s, where s is not 1; where it is, 0, and x is not read, since the caller has that sum already.
/// Inputs: x `[n]`, contiguous, and s [].
#[derive(Clone, Debug)]
pub struct ScaledSquares {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Elements.
    pub n: usize,
}

impl Plan for ScaledSquares {
    fn name(&self) -> &'static str {
        "scaled_squares"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&[], self.dtype)]
    }
    fn flops(&self) -> u64 {
        3 * self.n as u64
    }
    fn bytes(&self) -> u64 {
        bytes_of(self.n, self.dtype)
    }
}
