//! Layer normalisation on the GPU.

use super::reduce::column_sums;
use super::rows::RowKernel;
use super::variant;
use crate::dtype::DType;
use crate::gpu::caps::GROUPS_PER_DIMENSION;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::plan::{LayerNorm, LayerNormBackward};

/// The least and the most rows of which a group of threads adds the parameters' gradients.
const CHUNK: [usize; 2] = [64, 1024];
/// The parts that are wished for: one pass adds them up.
const CHUNKS: usize = 256;

/// Runs the plan.
pub fn run(p: &LayerNorm, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let [x, weight, bias] = [0, 1, 2].map(|i| inputs[i].span(gpu));
    let rows = RowKernel::new(p.rows, p.n);
    let kernel = variant("layer_norm", "layer_norm", &["FORWARD", rows.vec4], &[rows.lanes]);
    outputs[0].fill(gpu, |y| {
        outputs[1].fill(gpu, |stats| {
            let bindings = [x.read(0), weight.read(1), bias.read(2), y.write(3), stats.write(4)];
            gpu.dispatch(kernel, &bindings, &params(p, 0), rows.groups);
        });
    });
}

/// Runs the plan.
pub fn backward(p: &LayerNormBackward, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (p, rows) = (&p.0, RowKernel::new(p.0.rows, p.0.n));
    let [x, weight, dy, stats] = [0, 1, 2, 3].map(|i| inputs[i].span(gpu));
    let kernel = variant("layer_norm", "layer_norm_input", &["BACKWARD", rows.vec4], &[rows.lanes]);
    outputs[0].fill(gpu, |dx| {
        let bindings = [x.read(0), weight.read(1), dy.read(2), stats.read(3), dx.write(4)];
        gpu.dispatch(kernel, &bindings, &params(p, 0), rows.groups);
    });

    // Sums over rows, in parts and then over the parts: their order depends on the shape alone.
    let chunk = p.rows.div_ceil(CHUNKS).clamp(CHUNK[0], CHUNK[1].max(p.rows.div_ceil(GROUPS_PER_DIMENSION as usize)));
    let chunks = p.rows.div_ceil(chunk);
    let parts = [0; 2].map(|_| Span::new(gpu, DType::F32, chunks * p.n));
    let [across, layers, _] = fold_groups(p.n.div_ceil(64) as u64);
    let kernel = variant("layer_norm", "layer_norm_params", &["PARAMS"], &[]);
    let bindings = [x.read(0), dy.read(1), stats.read(2), parts[0].write(3), parts[1].write(4)];
    gpu.dispatch(kernel, &bindings, &params(p, chunk), [across, chunks as u32, layers]);
    for (part, output) in parts.iter().zip(&outputs[1..]) {
        output.fill(gpu, |sums| column_sums(gpu, part, chunks, p.n, sums));
    }
}

fn params(p: &LayerNorm, chunk: usize) -> [u32; 4] {
    [p.rows as u32, p.n as u32, (p.eps as f32).to_bits(), chunk as u32]
}
