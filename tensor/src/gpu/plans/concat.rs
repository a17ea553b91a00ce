//! Joining on the GPU: a dispatch for each part.

use super::elementwise::identity;
use super::variant;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::plan::{Assemble, Concat};

/// Runs the plan.
pub fn run(p: &Concat, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let pitch: usize = p.blocks.iter().sum();
    outputs[0].fill(gpu, |y| {
        let mut start = 0;
        for (input, &block) in inputs.iter().zip(&p.blocks) {
            write_columns(gpu, input, p.outer, block, (start, pitch), y);
            start += block;
        }
    });
}

/// Writes [outer, block] at column `start` of [outer, pitch]. A single row is a run of elements, which may be of any length.
pub fn write_columns(
    gpu: &GpuDevice,
    input: &Input<'_>,
    outer: usize,
    block: usize,
    (start, pitch): (usize, usize),
    to: &Span,
) {
    let n = outer * block;
    if outer == 1 {
        let start = start + to.offset as usize / 4;
        let run = Output { buffer: &to.buffer, dtype: input.dtype, start, len: n, add: false };
        identity(gpu, input, &run);
    } else if n > 0 {
        let x = input.span(gpu);
        let kernel = variant("copy", "concat", &["CONCAT"], &[]);
        let params = [n, block, pitch, start].map(|v| v as u32);
        gpu.dispatch(kernel, &[x.read(0), to.write(1)], &params, fold_groups(n.div_ceil(256) as u64));
    }
}

/// Runs the plan.
pub fn assemble(p: &Assemble, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    outputs[0].fill(gpu, |y| {
        if p.ranges.iter().map(|(_, len)| len).sum::<usize>() < p.len {
            gpu.fill(&y.buffer, y.offset, y.size, 0);
        }
        for (input, &(start, len)) in inputs.iter().zip(&p.ranges) {
            let start = start + y.offset as usize / p.dtype.size();
            identity(gpu, input, &Output { buffer: &y.buffer, dtype: p.dtype, start, len, add: false });
        }
    });
}
