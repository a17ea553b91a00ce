//! Pooling on the GPU: a thread for each element of what a pass makes, gathered, so that nothing is added by two. Planes that a binding
//! cannot hold are recorded in parts.

use super::parts::parts;
use super::{reduce, variant};
use crate::gpu::{GpuDevice, GpuError, Input, Output, Span, fold_groups};
use crate::plan::{Plan, Pool2d, PoolKind, PoolPass};

/// Extents are below this: two of them share a word.
const MOST: usize = 1 << 16;

/// Runs the plan.
pub fn run(p: &Pool2d, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let sizes = [p.input, p.output, p.kernel, p.stride].concat();
    if let Some(large) = sizes.into_iter().find(|n| *n >= MOST) {
        let found = format!("an extent of image, window or stride is {large}");
        return gpu.poison(GpuError::TooLargeForKernel { operation: p.name(), found, most: MOST as u64 - 1 });
    }
    let input = inputs[0].span(gpu);
    match (p.kind, p.pass) {
        (PoolKind::Max, PoolPass::Forward) => outputs[0].fill(gpu, |y| {
            outputs[1].fill(gpu, |index| {
                let operands = [Operand::Input(&input), Operand::Output(y), Operand::Output(index)];
                dispatch(p, gpu, ("max_pool", "max_pool", ""), &operands);
            });
        }),
        (PoolKind::Max, PoolPass::Backward) => outputs[0].fill(gpu, |dx| {
            let index = inputs[1].span(gpu);
            let operands = [Operand::Output(&input), Operand::Output(&index), Operand::Input(dx)];
            dispatch(p, gpu, ("max_pool", "max_pool_input", ""), &operands);
        }),
        // One plane is too long for one thread, but a row for a reduction.
        (PoolKind::Adaptive, PoolPass::Forward) if p.output == [1, 1] => outputs[0].fill(gpu, |y| {
            reduce::row_means(gpu, &input, p.planes[0] * p.planes[1], p.input[0] * p.input[1], y);
        }),
        (kind, pass) => outputs[0].fill(gpu, |to| {
            let flag = if kind == PoolKind::Adaptive { "ADAPTIVE" } else { "" };
            match pass {
                PoolPass::Forward => {
                    let operands = [Operand::Input(&input), Operand::Output(to)];
                    dispatch(p, gpu, ("avg_pool", "avg_pool", flag), &operands);
                }
                PoolPass::Backward => {
                    let operands = [Operand::Output(&input), Operand::Input(to)];
                    dispatch(p, gpu, ("avg_pool", "avg_pool_input", flag), &operands);
                }
            }
        }),
    }
}

/// A buffer of images of the pooling's input, or of its output.
enum Operand<'a> {
    Input(&'a Span),
    Output(&'a Span),
}

/// Height and width, in the halves of a word.
fn pair([y, x]: [usize; 2]) -> u32 {
    y as u32 | (x as u32) << 16
}

/// The kernel on all planes; it reads the operands that the pass is given and writes those that it makes.
fn dispatch(p: &Pool2d, gpu: &GpuDevice, (file, entry, flag): (&str, &str, &str), operands: &[Operand<'_>]) {
    let forward = p.pass == PoolPass::Forward;
    let [area, out_area] = [p.input, p.output].map(|s| s[0] * s[1]);
    let last = match (p.kind, file) {
        (_, "max_pool") => pair([1, 1]), // the dilation
        (PoolKind::Average { count_pad: true }, _) => 1,
        _ => 0,
    };
    let kernel = variant(file, entry, &[if forward { "FORWARD" } else { "BACKWARD" }, flag], &[]);
    let planes = p.planes[0] * p.planes[1];
    for part in parts(planes, &[area, out_area], planes, gpu.caps().max_binding) {
        let bound: Vec<(Span, bool)> = operands
            .iter()
            .map(|operand| match operand {
                Operand::Input(span) => (span.words(&(part.start * area..part.end * area)), !forward),
                Operand::Output(span) => (span.words(&(part.start * out_area..part.end * out_area)), forward),
            })
            .collect();
        let bindings: Vec<_> =
            (0..).zip(&bound).map(|(slot, (s, write))| if *write { s.write(slot) } else { s.read(slot) }).collect();
        let sizes = [p.input, p.output, p.kernel, p.stride, p.padding].map(pair);
        let params = [&[part.len() as u32][..], &sizes, &[last]].concat();
        let elements = part.len() * if forward { out_area } else { area };
        gpu.dispatch(kernel, &bindings, &params, fold_groups(elements.div_ceil(256) as u64));
    }
}
