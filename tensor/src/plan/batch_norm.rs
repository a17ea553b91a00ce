//! Batch normalisation with the statistics of the batch.

use super::{Plan, Spec, bytes_of};
use crate::dtype::DType;

/// Training-mode normalisation of [batch, channels, area], contiguous: biased batch variance for y, unbiased for the running value.
/// Inputs: x, weight `[c]`, bias `[c]`, running mean `[c]`, running variance `[c]`. Outputs: y, stats [c, 2] = (mean, 1 / √(var + eps)), new
/// running mean `[c]`, new running variance `[c]`, where `new = (1 − momentum) old + momentum batch`.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Images.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Pixels of a plane.
    pub area: usize,
    /// Added to the variance.
    pub eps: f64,
    /// The momentum coefficient: the weight of the batch's statistics in the new running values.
    pub momentum: f64,
    /// The shape of x and y.
    pub shape: Vec<usize>,
}

impl Plan for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn outputs(&self) -> Vec<Spec> {
        let c = self.channels;
        vec![
            Spec::new(&self.shape, self.dtype),
            Spec::new(&[c, 2], self.dtype),
            Spec::new(&[c], self.dtype),
            Spec::new(&[c], self.dtype),
        ]
    }
    fn flops(&self) -> u64 {
        6 * (self.batch * self.channels * self.area) as u64
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.batch * self.channels * self.area, self.dtype)
    }
}

/// Its gradients. Inputs, contiguous: x, weight, dy, stats. Outputs: dx, dweight `[c]`, dbias `[c]`, where with N = batch · area:
/// `dx = weight rstd (dy − Σdy / N − x̂ Σ(dy x̂) / N)`, `dweight = Σ dy x̂`, `dbias = Σ dy`.
#[derive(Clone, Debug)]
pub struct BatchNormBackward(pub BatchNorm);

impl Plan for BatchNormBackward {
    fn name(&self) -> &'static str {
        "batch_norm_backward"
    }
    fn outputs(&self) -> Vec<Spec> {
        let p = &self.0;
        vec![Spec::new(&p.shape, p.dtype), Spec::new(&[p.channels], p.dtype), Spec::new(&[p.channels], p.dtype)]
    }
    fn flops(&self) -> u64 {
        10 * (self.0.batch * self.0.channels * self.0.area) as u64
    }
    fn bytes(&self) -> u64 {
        3 * bytes_of(self.0.batch * self.0.channels * self.0.area, self.0.dtype)
    }
}
