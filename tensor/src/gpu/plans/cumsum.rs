//! Running sums on the GPU: a workgroup for a long row, else a thread for a line.

use super::variant;
use crate::gpu::{GpuDevice, Input, Output, fold_groups};
use crate::plan::Cumsum;

/// From so many elements on, a row is worth a workgroup.
const LONG: usize = 64;

/// Runs the plan.
pub fn run(p: &Cumsum, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let x = inputs[0].span(gpu);
    let params = [p.outer, p.n, p.inner, usize::from(p.reverse)].map(|v| v as u32);
    let (kernel, groups) = match p.inner == 1 && p.n >= LONG {
        true => (variant("cumsum", "cumsum_rows", &["ROWS"], &[]), p.outer),
        false => (variant("cumsum", "cumsum_columns", &["COLUMNS"], &[]), (p.outer * p.inner).div_ceil(256)),
    };
    outputs[0].fill(gpu, |y| gpu.dispatch(kernel, &[x.read(0), y.write(1)], &params, fold_groups(groups as u64)));
}
