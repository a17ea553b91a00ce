//! Two-dimensional pooling over planes.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Its largest element; padding is −∞.
    Max,
    /// Its mean; with `count_pad` the divisor is the whole window, else the cells inside the image.
    Average {
        /// Whether padding counts.
        count_pad: bool,
    },
    /// The mean over cell i = ⌊i·H/oH⌋ .. ⌈(i+1)·H/oH⌉ of each axis; kernel, stride and padding mean nothing.
    Adaptive,
}

/// Forward or backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolPass {
    /// Input x. Outputs y and, for `Max`, the index `y · w + x` of the first largest element in its plane (`U32`).
    Forward,
    /// Inputs dy and, for `Max`, the index. Output dx.
    Backward,
}

/// Pooling of `planes` images, contiguous.
#[derive(Clone, Debug)]
pub struct Pool2d {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// The kind.
    pub kind: PoolKind,
    /// The pass.
    pub pass: PoolPass,
    /// Axes before height and width, as (batch, channels).
    pub planes: [usize; 2],
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// The window.
    pub kernel: [usize; 2],
    /// Steps of the window.
    pub stride: [usize; 2],
    /// Padding before (and, as the output allows, after) each axis.
    pub padding: [usize; 2],
}

impl Plan for Pool2d {
    fn name(&self) -> &'static str {
        match (self.kind, self.pass) {
            (PoolKind::Max, PoolPass::Forward) => "max_pool2d",
            (PoolKind::Max, PoolPass::Backward) => "max_pool2d_backward",
            (PoolKind::Average { .. }, PoolPass::Forward) => "avg_pool2d",
            (PoolKind::Average { .. }, PoolPass::Backward) => "avg_pool2d_backward",
            (PoolKind::Adaptive, PoolPass::Forward) => "adaptive_avg_pool2d",
            (PoolKind::Adaptive, PoolPass::Backward) => "adaptive_avg_pool2d_backward",
        }
    }
    fn outputs(&self) -> Vec<Spec> {
        let shape = |[h, w]: [usize; 2]| [self.planes[0], self.planes[1], h, w];
        match (self.pass, self.kind) {
            (PoolPass::Backward, _) => vec![Spec::new(&shape(self.input), self.dtype)],
            (PoolPass::Forward, PoolKind::Max) => {
                vec![Spec::new(&shape(self.output), self.dtype), Spec::new(&shape(self.output), DType::U32)]
            }
            (PoolPass::Forward, _) => vec![Spec::new(&shape(self.output), self.dtype)],
        }
    }
    fn flops(&self) -> u64 {
        let window = if self.kind == PoolKind::Adaptive { 1 } else { self.kernel[0] * self.kernel[1] };
        (self.planes.iter().chain(&self.output).product::<usize>() * window) as u64
    }
    fn bytes(&self) -> u64 {
        let planes = self.planes[0] * self.planes[1];
        bytes_of(planes * (self.input[0] * self.input[1] + self.output[0] * self.output[1]), self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let [area, cells] = [self.input, self.output].map(|s| s[0] * s[1]);
        let of = |planes| -> Box<dyn Run> { Box::new(Pool2d { planes: [planes, 1], ..self.clone() }) };
        let (read, made) = if self.pass == PoolPass::Forward { (area, cells) } else { (cells, area) };
        let both =
            |backward: bool| usize::from(self.kind == PoolKind::Max && backward == (self.pass == PoolPass::Backward));
        let (inputs, outputs) = (vec![read; 1 + both(true)], vec![made; 1 + both(false)]);
        Some(Items { count: self.planes[0] * self.planes[1], inputs, outputs, of: Box::new(of) })
    }
}
