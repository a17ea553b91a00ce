//! Cross-entropies with their gradient on the GPU, in one dispatch.

use super::rows::RowKernel;
use super::variant;
use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{CrossEntropy, Likelihood, Target};

/// Runs the plan.
pub fn run(p: &CrossEntropy, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (entry, flag) = match p.likelihood {
        Likelihood::Softmax => ("cross_entropy", "LOSS"),
        Likelihood::Sigmoid => ("sigmoid_cross_entropy", "SIGMOID"),
    };
    let soft = if p.target == Target::Distribution { "SOFT" } else { "" };
    let (z, targets) = (inputs[0].span(gpu), inputs[1].span(gpu));
    let rows = RowKernel::new(p.rows, p.classes);
    let kernel = variant("softmax", entry, &[flag, soft, rows.vec4], &[rows.lanes]);
    let params = [p.rows as u32, p.classes as u32, 1f32.to_bits(), (p.smoothing as f32).to_bits()];
    outputs[0].fill(gpu, |loss| {
        outputs[1].fill(gpu, |grad| {
            let bindings = [z.read(0), targets.read(1), loss.write(2), grad.write(3)];
            gpu.dispatch(kernel, &bindings, &params, rows.groups);
        });
    });
}
