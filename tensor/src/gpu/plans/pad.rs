//! Constant padding on the GPU: the value everywhere, then the input in its place.

use super::{concat, variant};
use crate::dtype::DType;
use crate::gpu::{GpuDevice, Input, Output, fold_groups};
use crate::plan::Pad;

/// Runs the plan.
pub fn run(p: &Pad, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let value = match p.dtype {
        DType::I32 => p.value as i32 as u32,
        DType::U32 => p.value as u32,
        _ => (p.value as f32).to_bits(),
    };
    let pitch = p.before + p.block + p.after;
    outputs[0].fill(gpu, |y| {
        let n = p.outer * pitch;
        let kernel = variant("copy", "fill", &["FILL"], &[]);
        gpu.dispatch(kernel, &[y.write(1)], &[n as u32, 0, value], fold_groups(n.div_ceil(256) as u64));
        concat::place(gpu, &inputs[0], p.outer, p.block, (p.before, pitch), y);
    });
}
