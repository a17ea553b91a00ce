//! Softmax and its logarithm over rows.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// `y = softmax(x)` or `log softmax(x)` over rows of `n`. Input: x [rows, n], contiguous.
#[derive(Clone, Debug)]
pub struct Softmax {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// The logarithm instead.
    pub log: bool,
    /// Rows.
    pub rows: usize,
    /// Elements in a row.
    pub n: usize,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Softmax {
    fn of_rows(&self, rows: usize) -> Softmax {
        Softmax { rows, shape: vec![rows, self.n], ..self.clone() }
    }
}

impl Plan for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        4 * (self.rows * self.n) as u64
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.rows * self.n, self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let of = |rows| -> Box<dyn Run> { Box::new(self.of_rows(rows)) };
        Some(Items { count: self.rows, inputs: vec![self.n], outputs: vec![self.n], of: Box::new(of) })
    }
}

/// The gradient. Inputs y (what the forward pass gave) and dy, contiguous:
/// softmax `dx = y (dy − Σ dy y)`, log-softmax `dx = dy − eʸ Σ dy`.
#[derive(Clone, Debug)]
pub struct SoftmaxBackward(pub Softmax);

impl Plan for SoftmaxBackward {
    fn name(&self) -> &'static str {
        if self.0.log { "log_softmax_backward" } else { "softmax_backward" }
    }
    fn outputs(&self) -> Vec<Spec> {
        self.0.outputs()
    }
    fn flops(&self) -> u64 {
        4 * (self.0.rows * self.0.n) as u64
    }
    fn bytes(&self) -> u64 {
        3 * bytes_of(self.0.rows * self.0.n, self.0.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let of = |rows| -> Box<dyn Run> { Box::new(SoftmaxBackward(self.0.of_rows(rows))) };
        Some(Items { count: self.0.rows, inputs: vec![self.0.n; 2], outputs: vec![self.0.n], of: Box::new(of) })
    }
}
