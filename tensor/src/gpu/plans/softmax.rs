//! Softmax and its logarithm over rows on the GPU.

use super::rows::RowKernel;
use super::variant;
use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{Softmax, SoftmaxBackward};

/// Runs the plan.
pub fn run(p: &Softmax, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (x, rows) = (inputs[0].span(gpu), RowKernel::new(p.rows, p.n));
    let kernel = variant("softmax", "softmax", &["FORWARD", log(p), rows.vec4], &[rows.lanes]);
    outputs[0].fill(gpu, |y| gpu.dispatch(kernel, &[x.read(0), y.write(1)], &params(p), rows.groups));
}

/// Runs the plan.
pub fn backward(p: &SoftmaxBackward, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (p, rows) = (&p.0, RowKernel::new(p.0.rows, p.0.n));
    let (y, dy) = (inputs[0].span(gpu), inputs[1].span(gpu));
    let kernel = variant("softmax", "softmax_input", &["BACKWARD", log(p), rows.vec4], &[rows.lanes]);
    outputs[0].fill(gpu, |dx| gpu.dispatch(kernel, &[y.read(0), dy.read(1), dx.write(2)], &params(p), rows.groups));
}

fn log(p: &Softmax) -> &'static str {
    if p.log { "LOG" } else { "" }
}

/// Rows, columns, and a scale of 1.
fn params(p: &Softmax) -> [u32; 3] {
    [p.rows as u32, p.n as u32, 1f32.to_bits()]
}
