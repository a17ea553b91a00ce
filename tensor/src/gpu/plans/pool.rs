//! Pooling on the GPU: a thread for each element of what a pass makes, gathered, so that nothing is added by two. Large windows are gone
//! through in several dispatches.

use super::variant;
use crate::gpu::{GpuDevice, Input, Output, Span, fold_groups};
use crate::plan::{Pool2d, PoolKind, PoolPass};

/// The most taps, or windows, that a thread goes through in one dispatch.
const LONGEST: usize = 1 << 12;

/// Runs the plan.
pub fn run(p: &Pool2d, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
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

/// How much each thread has to go through, along both axes: the elements of a window, or the windows that hold an element.
fn reach(p: &Pool2d) -> [usize; 2] {
    [0, 1].map(|axis| {
        let (size, cells) = (p.input[axis], p.output[axis]);
        match (p.kind, p.pass) {
            (PoolKind::Adaptive, PoolPass::Forward) => size.div_ceil(cells) + 1,
            (PoolKind::Adaptive, PoolPass::Backward) => cells.div_ceil(size) + 1,
            (_, PoolPass::Forward) => p.kernel[axis],
            (_, PoolPass::Backward) => p.kernel[axis].div_ceil(p.stride[axis]),
        }
    })
}

/// What each of the dispatches goes through, row by row: (place, size) of a box. Boxes hold whole rows, or parts of one.
fn boxes([h, w]: [usize; 2]) -> impl Iterator<Item = [usize; 4]> {
    let width = w.clamp(1, LONGEST);
    let height = if width < w { 1 } else { (LONGEST / width).clamp(1, h.max(1)) };
    let across = move |y| (0..w.max(1)).step_by(width).map(move |x| [y, x, height, width]);
    (0..h.max(1)).step_by(height).flat_map(across)
}

/// The kernel on all planes; it reads the operands that the pass is given and writes those that it makes.
fn dispatch(p: &Pool2d, gpu: &GpuDevice, (file, entry, flag): (&str, &str, &str), operands: &[Operand<'_>]) {
    let forward = p.pass == PoolPass::Forward;
    let [area, out_area] = [p.input, p.output].map(|s| s[0] * s[1]);
    let count_pad = if p.kind == (PoolKind::Average { count_pad: true }) { 2 } else { 0 };
    let kernel = variant(file, entry, &[if forward { "FORWARD" } else { "BACKWARD" }, flag], &[]);
    let planes = p.planes[0] * p.planes[1];
    let bound: Vec<(&Span, bool)> = operands
        .iter()
        .map(|operand| match operand {
            Operand::Input(span) => (*span, !forward),
            Operand::Output(span) => (*span, forward),
        })
        .collect();
    let bindings: Vec<_> =
        (0..).zip(&bound).map(|(slot, (s, write))| if *write { s.write(slot) } else { s.read(slot) }).collect();
    let sizes = [[planes].as_slice(), &[p.input, p.output, p.kernel, p.stride, p.padding].concat()].concat();
    let groups = fold_groups((planes * if forward { out_area } else { area }).div_ceil(256) as u64);
    for (number, bounds) in boxes(reach(p)).enumerate() {
        let last = usize::from(number > 0) + count_pad;
        let params: Vec<u32> = sizes.iter().chain(&bounds).chain(&[last]).map(|v| *v as u32).collect();
        gpu.dispatch(kernel, &bindings, &params, groups);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_go_row_by_row_through_all_there_is() {
        for [h, w] in [[1, 1], [3, 3], [400, 400], [1, 10_000], [3, 5000], [9000, 1]] {
            let mut next = 0;
            for [y, x, height, width] in boxes([h, w]) {
                assert!(height * width <= LONGEST && (x, width.min(w - x)) == (next % w, width.min(w - next % w)));
                assert!(y == next / w && (height == 1 || width == w));
                next += height.min(h - y) * width.min(w - x);
            }
            assert_eq!(next, h * w);
        }
    }
}
