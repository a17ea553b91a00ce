//! Pooling on the CPU, plane by plane. A window is summed (or its share spread) first along the rows, in whole vectors, then across.

#![allow(unsafe_code)]

use super::long_sums::CHAIN;
use super::tasks::by_rows;
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Pool2d, PoolKind, PoolPass};
use std::iter::Sum;
use std::ops::{AddAssign, Div, Range};

/// Runs the plan.
pub fn run(p: &Pool2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::pool::run::<f64>(p, inputs, outputs);
    }
    match (p.pass, p.kind) {
        (PoolPass::Forward, PoolKind::Max) => max(p, inputs, outputs),
        (PoolPass::Backward, PoolKind::Max) => max_backward(p, inputs, outputs),
        _ => average(p, inputs, outputs),
    }
}

/// The range of input cells, along one axis, of output cell `o`.
fn cells(p: &Pool2d, axis: usize, o: usize) -> Range<usize> {
    let (n, out) = (p.input[axis], p.output[axis]);
    if p.kind == PoolKind::Adaptive {
        return o * n / out..((o + 1) * n).div_ceil(out);
    }
    let start = o * p.stride[axis];
    start.saturating_sub(p.padding[axis])..(start + p.kernel[axis]).saturating_sub(p.padding[axis]).min(n)
}

/// Cells of an image before and after pooling.
fn areas(p: &Pool2d) -> (usize, usize) {
    (p.input[0] * p.input[1], p.output[0] * p.output[1])
}

/// Calls `f` with every plane, in tasks of several.
fn planes(p: &Pool2d, f: impl Fn(usize) + Sync) {
    let (area, out_area) = areas(p);
    by_rows(p.planes[0] * p.planes[1], area + out_area, |planes| planes.for_each(&f));
}

fn max(p: &Pool2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let x = inputs[0].values::<f32>();
    let [y, index] = outputs else { unreachable!("the largest elements and their places") };
    let (y, index) = (Parts::new(y.values::<f32>()), Parts::new(index.values::<u32>()));
    let (area, out_area) = areas(p);
    let columns: Vec<Range<usize>> = (0..p.output[1]).map(|o| cells(p, 1, o)).collect();
    planes(p, |plane| {
        let x = &x[plane * area..][..area];
        for oy in 0..p.output[0] {
            let rows = cells(p, 0, oy);
            let at = plane * out_area + oy * p.output[1];
            // SAFETY: each plane is visited once.
            let (y, index) = unsafe { (y.range(at..at + p.output[1]), index.range(at..at + p.output[1])) };
            for ((columns, y), index) in columns.iter().zip(y).zip(index) {
                let mut best = rows.start * p.input[1] + columns.start;
                let mut top = x[best];
                for row in rows.clone() {
                    for i in row * p.input[1] + columns.start..row * p.input[1] + columns.end {
                        // the first largest, or the first that holds NaN
                        if x[i] > top || (x[i].is_nan() && !top.is_nan()) {
                            (best, top) = (i, x[i]);
                        }
                    }
                }
                (*y, *index) = (top, best as u32);
            }
        }
    });
}

fn max_backward(p: &Pool2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (dy, index) = (inputs[0].values::<f32>(), inputs[1].values::<u32>());
    let dx = Parts::new(outputs[0].values::<f32>());
    let (area, out_area) = areas(p);
    let long = windows(p, 0) * windows(p, 1) > CHAIN;
    planes(p, |plane| {
        // SAFETY: each plane is visited once.
        let dx = unsafe { dx.range(plane * area..(plane + 1) * area) };
        let at = plane * out_area..(plane + 1) * out_area;
        let terms = dy[at.clone()].iter().zip(&index[at]);
        match long {
            true => in_double(dx, |sums| add_at(terms, sums)),
            false => add_at(terms, dx),
        }
    });
}

/// The sums of what goes to each place.
fn add_at<'a, T: Real>(terms: impl Iterator<Item = (&'a f32, &'a u32)>, sums: &mut [T]) {
    sums.fill(T::from(0.0));
    terms.for_each(|(dy, i)| sums[*i as usize] += T::from(*dy));
}

/// What long sums are added up in: `f32`, or `f64` where there may be more than [`CHAIN`] terms.
trait Real: Copy + From<f32> + AddAssign + Sum + Div<Output = Self> {
    fn rounded(self) -> f32;
}

impl Real for f32 {
    fn rounded(self) -> f32 {
        self
    }
}

impl Real for f64 {
    fn rounded(self) -> f32 {
        self as f32
    }
}

/// Rounds what `f` writes.
fn in_double(out: &mut [f32], f: impl FnOnce(&mut [f64])) {
    let mut sums = vec![0.0; out.len()];
    f(&mut sums);
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
}

/// The most windows that hold one cell, along an axis.
fn windows(p: &Pool2d, axis: usize) -> usize {
    match p.kind {
        PoolKind::Adaptive => p.output[axis] / p.input[axis].max(1) + 2,
        _ => p.kernel[axis].div_ceil(p.stride[axis]).min(p.output[axis]),
    }
}

/// Both passes of the two means.
fn average(p: &Pool2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (from, to) = (inputs[0].values::<f32>(), Parts::new(outputs[0].values::<f32>()));
    let (area, out_area) = areas(p);
    let means = Means::of(p);
    let long = means.is_long();
    planes(p, |plane| match p.pass {
        PoolPass::Forward => {
            // SAFETY: each plane is visited once.
            let y = unsafe { to.range(plane * out_area..(plane + 1) * out_area) };
            let x = &from[plane * area..][..area];
            if long { means.shrink::<f64>(x, y) } else { means.shrink::<f32>(x, y) }
        }
        PoolPass::Backward => {
            // SAFETY: as above.
            let dx = unsafe { to.range(plane * area..(plane + 1) * area) };
            let dy = &from[plane * out_area..][..out_area];
            if long { in_double(dx, |dx| means.spread(dy, dx)) } else { means.spread(dy, dx) }
        }
    });
}

/// The windows of a plan.
struct Means<'a> {
    p: &'a Pool2d,
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
}

impl Means<'_> {
    fn of(p: &Pool2d) -> Means<'_> {
        let [rows, columns] = [0, 1].map(|axis| (0..p.output[axis]).map(|o| cells(p, axis, o)).collect());
        Means { p, rows, columns }
    }

    /// Whether a sum along an axis may have more than [`CHAIN`] terms.
    fn is_long(&self) -> bool {
        match self.p.pass {
            PoolPass::Forward => self.rows.iter().chain(&self.columns).any(|cells| cells.len() > CHAIN),
            PoolPass::Backward => windows(self.p, 0).max(windows(self.p, 1)) > CHAIN,
        }
    }

    /// What a window's sum is divided by.
    fn divisor<T: Real>(&self, rows: &Range<usize>, columns: &Range<usize>) -> T {
        T::from(match self.p.kind {
            PoolKind::Average { count_pad: true } => (self.p.kernel[0] * self.p.kernel[1]) as f32,
            _ => (rows.len() * columns.len()) as f32,
        })
    }

    /// The means of one plane.
    fn shrink<T: Real>(&self, x: &[f32], y: &mut [f32]) {
        let width = self.p.input[1];
        let mut line = vec![T::from(0.0); width];
        for (rows, y) in self.rows.iter().zip(y.chunks_exact_mut(self.p.output[1])) {
            line.iter_mut().zip(&x[rows.start * width..][..width]).for_each(|(sum, x)| *sum = T::from(*x));
            for row in rows.start + 1..rows.end {
                line.iter_mut().zip(&x[row * width..]).for_each(|(sum, x)| *sum += T::from(*x));
            }
            for (columns, y) in self.columns.iter().zip(y) {
                let sum: T = line[columns.clone()].iter().copied().sum();
                *y = (sum / self.divisor(rows, columns)).rounded();
            }
        }
    }

    /// The gradient of one plane.
    fn spread<T: Real>(&self, dy: &[f32], dx: &mut [T]) {
        let width = self.p.input[1];
        let mut line = vec![T::from(0.0); width];
        dx.fill(T::from(0.0));
        for (rows, dy) in self.rows.iter().zip(dy.chunks_exact(self.p.output[1])) {
            line.fill(T::from(0.0));
            for (columns, dy) in self.columns.iter().zip(dy) {
                let share = T::from(*dy) / self.divisor(rows, columns);
                line[columns.clone()].iter_mut().for_each(|sum| *sum += share);
            }
            for row in rows.clone() {
                dx[row * width..][..width].iter_mut().zip(&line).for_each(|(dx, sum)| *dx += *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, Value, check, expected};

    /// (planes, input, kernel, stride, padding); the output follows.
    const WINDOWS: [([usize; 2], [usize; 2], [usize; 2], [usize; 2], [usize; 2]); 7] = [
        ([1, 1], [1, 1], [1, 1], [1, 1], [0, 0]),
        ([2, 3], [7, 9], [3, 3], [2, 2], [1, 1]),
        ([1, 5], [8, 8], [2, 2], [2, 2], [0, 0]),
        ([3, 1], [9, 5], [4, 2], [1, 3], [2, 1]),
        ([1, 2], [13, 40], [5, 3], [3, 1], [0, 1]),
        ([0, 2], [4, 4], [2, 2], [1, 1], [0, 0]),
        ([40, 40], [6, 6], [3, 3], [1, 1], [1, 1]),
    ];

    fn plans(kind: PoolKind, pass: PoolPass) -> Vec<Pool2d> {
        let dtype = DType::F32;
        let windows = WINDOWS.map(|(planes, input, kernel, stride, padding)| {
            let output = [0, 1].map(|i| (input[i] + 2 * padding[i] - kernel[i]) / stride[i] + 1);
            Pool2d { dtype, kind, pass, planes, input, output, kernel, stride, padding }
        });
        if kind != PoolKind::Adaptive {
            return windows.to_vec();
        }
        let cells =
            |p: &Pool2d, output| Pool2d { output, kernel: [1; 2], stride: [1; 2], padding: [0; 2], ..p.clone() };
        windows.iter().flat_map(|p| [[1, 1], [2, 3], [5, 7]].map(|output| cells(p, output))).collect()
    }

    /// Runs a plan against its reference; sums are at most `terms` long.
    fn compare(p: &Pool2d, inputs: &[Value], terms: usize) {
        let plan = |dtype| Pool2d { dtype, ..p.clone() };
        let sums = expected(&plan(DType::F64), &inputs.iter().map(Value::abs).collect::<Vec<_>>(), None);
        let bound = |_, e: usize, _| (terms + 2) as f64 * EPS * sums[0][e];
        check(plan, inputs, |_, p, i, o| run(p, i, o), bound);
    }

    #[test]
    fn largest_elements_and_their_places_are_exact() {
        let mut random = Random(4);
        for p in plans(PoolKind::Max, PoolPass::Forward) {
            let size = p.planes.iter().chain(&p.input).product();
            // few values, so that there are equals; and a NaN
            let mut x: Vec<f64> = (0..size).map(|_| random.below(5) as f64).collect();
            x.iter_mut().skip(3).step_by(29).for_each(|x| *x = f64::NAN);
            check(|dtype| Pool2d { dtype, ..p.clone() }, &[Value::Real(x)], |_, p, i, o| run(p, i, o), |_, _, _| 0.0);
        }
    }

    #[test]
    fn gradients_of_largest_elements_go_to_their_places() {
        let mut random = Random(5);
        for p in plans(PoolKind::Max, PoolPass::Backward) {
            let forward = Pool2d { pass: PoolPass::Forward, dtype: DType::F64, ..p.clone() };
            let x = random.real(p.planes.iter().chain(&p.input).product(), 1.0);
            let index = expected(&forward, &[x], None).swap_remove(1);
            let index = Value::Index(index.iter().map(|i| *i as u32).collect());
            let dy = random.real(p.planes.iter().chain(&p.output).product(), 1.0);
            compare(&p, &[dy, index], p.kernel[0] * p.kernel[1]);
        }
    }

    #[test]
    fn means_and_their_gradients_match() {
        let mut random = Random(6);
        let average = |count_pad| PoolKind::Average { count_pad };
        for kind in [average(true), average(false), PoolKind::Adaptive] {
            for p in plans(kind, PoolPass::Forward) {
                compare(&p, &[random.real(p.planes.iter().chain(&p.input).product(), 1.0)], p.input[0] + p.input[1]);
            }
            for p in plans(kind, PoolPass::Backward) {
                compare(
                    &p,
                    &[random.real(p.planes.iter().chain(&p.output).product(), 1.0)],
                    2 * p.output[0] * p.output[1],
                );
            }
        }
    }
}
