//! Layer normalisation over rows.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// `y = (x − mean) / √(var + eps) · weight + bias` over rows of `n`, biased variance. Inputs, contiguous: x [rows, n], weight `[n]`,
/// bias `[n]`. Outputs: y, and stats [rows, 2] = (mean, 1 / √(var + eps)).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Rows.
    pub rows: usize,
    /// Elements in a row.
    pub n: usize,
    /// Added to the variance.
    pub eps: f64,
    /// The shape of x and y.
    pub shape: Vec<usize>,
}

impl LayerNorm {
    fn of_rows(&self, rows: usize) -> LayerNorm {
        LayerNorm { rows, shape: vec![rows, self.n], ..self.clone() }
    }
}

impl Plan for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype), Spec::new(&[self.rows, 2], self.dtype)]
    }
    fn flops(&self) -> u64 {
        7 * (self.rows * self.n) as u64
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.rows * self.n + self.n, self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let of = |rows| -> Box<dyn Run> { Box::new(self.of_rows(rows)) };
        Some(Items { count: self.rows, inputs: vec![self.n, 0, 0], outputs: vec![self.n, 2], of: Box::new(of) })
    }
}

/// Its gradients. Inputs, contiguous: x, weight, dy, stats. Outputs: dx, dweight `[n]`, dbias `[n]`, where with `g = dy · weight` and
/// `x̂ = (x − mean) rstd`: `dx = rstd (g − mean(g) − x̂ mean(g x̂))`, `dweight = Σ dy x̂`, `dbias = Σ dy`.
#[derive(Clone, Debug)]
pub struct LayerNormBackward(pub LayerNorm);

impl Plan for LayerNormBackward {
    fn name(&self) -> &'static str {
        "layer_norm_backward"
    }
    fn outputs(&self) -> Vec<Spec> {
        let p = &self.0;
        vec![Spec::new(&p.shape, p.dtype), Spec::new(&[p.n], p.dtype), Spec::new(&[p.n], p.dtype)]
    }
    fn flops(&self) -> u64 {
        12 * (self.0.rows * self.0.n) as u64
    }
    fn bytes(&self) -> u64 {
        3 * bytes_of(self.0.rows * self.0.n + self.0.n, self.0.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let p = &self.0;
        let of = |rows| -> Box<dyn Run> { Box::new(LayerNormBackward(self.0.of_rows(rows))) };
        Some(Items { count: p.rows, inputs: vec![p.n, 0, p.n, 2], outputs: vec![p.n, 0, 0], of: Box::new(of) })
    }
}
