//! Pooling by its definition.

use crate::cpu::{Input, Output};
use crate::dtype::Float;
use crate::plan::{Pool2d, PoolKind, PoolPass};

/// The range of input cells, along one axis, of output cell `o`.
fn cells(p: &Pool2d, axis: usize, o: usize) -> std::ops::Range<usize> {
    let (n, out) = (p.input[axis], p.output[axis]);
    if p.kind == PoolKind::Adaptive {
        return o * n / out..((o + 1) * n).div_ceil(out);
    }
    let start = o * p.stride[axis];
    start.saturating_sub(p.padding[axis])..(start + p.kernel[axis]).saturating_sub(p.padding[axis]).min(n)
}

/// Calls `f(output place, rows, columns)` for every window; places within a plane.
fn windows(p: &Pool2d, mut f: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>)) {
    for oy in 0..p.output[0] {
        for ox in 0..p.output[1] {
            f(oy * p.output[1] + ox, cells(p, 0, oy), cells(p, 1, ox));
        }
    }
}

/// Either pass.
pub fn run<T: Float>(p: &Pool2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (area, out_area) = (p.input[0] * p.input[1], p.output[0] * p.output[1]);
    let x = inputs[0].values::<T>();
    if p.pass == PoolPass::Backward {
        outputs[0].values::<T>().fill(T::ZERO);
    }
    for plane in 0..p.planes[0] * p.planes[1] {
        windows(p, |o, rows, columns| {
            let at = plane * out_area + o;
            let divisor = match p.kind {
                PoolKind::Average { count_pad: true } => p.kernel[0] * p.kernel[1],
                _ => rows.len() * columns.len(),
            };
            let cells = rows.flat_map(|y| columns.clone().map(move |x| y * p.input[1] + x));
            match (p.pass, p.kind) {
                (PoolPass::Forward, PoolKind::Max) => {
                    let best = largest(cells, |i| x[plane * area + i]);
                    outputs[0].values::<T>()[at] = x[plane * area + best];
                    outputs[1].values::<u32>()[at] = best as u32;
                }
                (PoolPass::Forward, _) => {
                    let sum: T = cells.map(|i| x[plane * area + i]).sum();
                    outputs[0].values::<T>()[at] = sum / T::from_f64(divisor as f64);
                }
                (PoolPass::Backward, PoolKind::Max) => {
                    outputs[0].values::<T>()[plane * area + inputs[1].values::<u32>()[at] as usize] += x[at];
                }
                (PoolPass::Backward, _) => {
                    let share = x[at] / T::from_f64(divisor as f64);
                    cells.for_each(|i| outputs[0].values::<T>()[plane * area + i] += share);
                }
            }
        });
    }
}

/// The first largest cell, or the first that holds NaN.
fn largest<T: Float>(cells: impl Iterator<Item = usize>, at: impl Fn(usize) -> T) -> usize {
    let mut best: Option<usize> = None;
    for i in cells {
        if best.is_none_or(|b| !at(b).is_nan() && (at(i) > at(b) || at(i).is_nan())) {
            best = Some(i);
        }
    }
    best.expect("a window holds a cell: padding is at most half of the kernel")
}
