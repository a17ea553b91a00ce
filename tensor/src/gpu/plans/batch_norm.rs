//! Batch normalisation on the GPU. The elements of a channel are summed in parts, and the parts in their order, which depends on the
//! shape alone.

use super::elementwise::identity;
use super::reduce::column_sums;
use super::{lanes, variant};
use crate::dtype::DType;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::layout::Layout;
use crate::plan::{BatchNorm, BatchNormBackward};

/// The least elements of a channel that a group of threads sums.
const CHUNK: usize = 2048;
/// The most such parts of a channel: one pass adds them up.
const CHUNKS: usize = 256;

/// Runs the plan.
pub fn run(p: &BatchNorm, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let [x, weight, bias, mean, var] = [0, 1, 2, 3, 4].map(|i| inputs[i].span(gpu));
    let parts = Parts::new(p);
    let part = Span::new(gpu, DType::F32, 2 * parts.chunks * p.channels);
    let kernel = variant("batch_norm", "batch_norm_partial", &["PARTIAL"], &[]);
    gpu.dispatch(kernel, &[x.read(0), part.write(4)], &parts.params, parts.groups);

    let [y, stats, new_mean, new_var] = outputs else { unreachable!("y, statistics and running values") };
    stats.fill(gpu, |stats| {
        new_mean.fill(gpu, |new_mean| {
            new_var.fill(gpu, |new_var| {
                let old = [mean.read(0), var.read(1), part.read(4)];
                let new = [stats.write(5), new_mean.write(6), new_var.write(7)];
                let kernel = variant("batch_norm", "batch_norm_merge", &["MERGE"], &[]);
                let groups = fold_groups(p.channels.div_ceil(64) as u64);
                gpu.dispatch(kernel, &[old, new].concat(), &parts.params, groups);
            });
        });
        y.fill(gpu, |y| {
            let (lanes, groups) = planes(p);
            let bindings = [x.read(0), weight.read(1), bias.read(2), stats.read(5), y.write(6)];
            let kernel = variant("batch_norm", "batch_norm", &["FORWARD"], &[lanes]);
            gpu.dispatch(kernel, &bindings, &parts.params, groups);
        });
    });
}

/// Runs the plan.
pub fn backward(p: &BatchNormBackward, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let (p, parts) = (&p.0, Parts::new(&p.0));
    let [x, weight, dy, stats] = [0, 1, 2, 3].map(|i| inputs[i].span(gpu));
    let part = Span::new(gpu, DType::F32, 2 * parts.chunks * p.channels);
    let kernel = variant("batch_norm", "batch_norm_grads", &["GRADS"], &[]);
    let bindings = [x.read(0), dy.read(3), part.write(4), stats.read(5)];
    gpu.dispatch(kernel, &bindings, &parts.params, parts.groups);

    let sums = Span::new(gpu, DType::F32, 2 * p.channels);
    column_sums(gpu, &part, parts.chunks, 2 * p.channels, &sums);
    let both = Layout::contiguous(&[2 * p.channels]);
    for (i, output) in outputs[1..].iter().enumerate() {
        let own = both.slice(0, i * p.channels, (i + 1) * p.channels, 1);
        let input = Input { buffer: &sums.buffer, dtype: DType::F32, layout: &own };
        identity(gpu, &input, output);
    }
    outputs[0].fill(gpu, |dx| {
        let (lanes, groups) = planes(p);
        let bindings = [x.read(0), weight.read(1), dy.read(3), stats.read(5), dx.write(6), sums.read(7)];
        let kernel = variant("batch_norm", "batch_norm_input", &["BACKWARD"], &[lanes]);
        gpu.dispatch(kernel, &bindings, &parts.params, groups);
    });
}

/// How the elements of each channel are cut.
struct Parts {
    chunks: usize,
    /// Of every kernel of the file.
    params: [u32; 6],
    /// A workgroup a part.
    groups: [u32; 3],
}

impl Parts {
    fn new(p: &BatchNorm) -> Parts {
        let count = p.batch * p.area;
        let chunk = CHUNK.max(count.div_ceil(CHUNKS));
        let chunks = count.div_ceil(chunk);
        let [across, layers, _] = fold_groups(p.channels as u64);
        let [batch, channels, area, chunk] = [p.batch, p.channels, p.area, chunk].map(|v| v as u32);
        let params = [batch, channels, area, chunk, (p.eps as f32).to_bits(), (p.momentum as f32).to_bits()];
        Parts { chunks, params, groups: [across, chunks as u32, layers] }
    }
}

/// Threads of a plane, and the grid of kernels that go through planes.
fn planes(p: &BatchNorm) -> ((&'static str, f64), [u32; 3]) {
    let lanes = if p.area <= 4 { ("LANES", 1.0) } else { lanes(p.area) };
    let groups = (p.batch * p.channels).div_ceil(256 / lanes.1 as usize);
    (lanes, fold_groups(groups as u64))
}
