//! Constant padding on the GPU: the value everywhere, then the input in its place.

use super::concat;
use crate::dtype::DType;
use crate::gpu::{GpuDevice, Input, Output};
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
        gpu.fill(&y.buffer, y.offset, y.size, value);
        concat::write_columns(gpu, &inputs[0], p.outer, p.block, (p.before, pitch), y);
    });
}
