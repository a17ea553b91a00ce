//! Every plan in its plainest scalar form, generic over `f32` and `f64`. In `f64` these are what the CPU runs: the oracle of gradient
//! checks. In `f32` they are what the fast kernels are tested against. They are written to be read and to be right, not to be quick.

pub mod attention;
pub mod conv;
pub mod elementwise;
pub mod norm;
pub mod pool;
pub mod rows;

use crate::cpu::{Input, Output};
use crate::dtype::{DType, Element, Float};
use crate::plan::*;

/// Sum of `n` terms as a tree with leaves of 32: the error grows with log n.
pub fn tree_sum<T: Float>(n: usize, term: &impl Fn(usize) -> T) -> T {
    fn go<T: Float>(from: usize, to: usize, term: &impl Fn(usize) -> T) -> T {
        if to - from <= 32 {
            return (from..to).map(term).sum();
        }
        let middle = from + (to - from) / 2;
        go(from, middle, term) + go(middle, to, term)
    }
    go(0, n, term)
}

/// `C = A B (+ bias)`.
pub fn matmul<T: Float>(p: &Matmul, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (a, b) = (inputs[0].from_offset_or_empty::<T>(), inputs[1].from_offset_or_empty::<T>());
    let bias = p.bias.then(|| inputs[2].values::<T>());
    for item in 0..crate::layout::numel(&p.batch) {
        let (mut a0, mut b0, mut rest) = (0, 0, item);
        for axis in (0..p.batch.len()).rev() {
            a0 += rest % p.batch[axis] * p.a.batch[axis];
            b0 += rest % p.batch[axis] * p.b.batch[axis];
            rest /= p.batch[axis];
        }
        for i in 0..p.m {
            for j in 0..p.n {
                let dot = tree_sum(p.k, &|q| a[a0 + i * p.a.row + q * p.a.col] * b[b0 + q * p.b.row + j * p.b.col]);
                outputs[0].put((item * p.m + i) * p.n + j, dot + bias.map_or(T::ZERO, |b| b[j]));
            }
        }
    }
}

/// Reductions of the middle axis.
pub fn reduce<T: Float>(p: &Reduce, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let x = inputs[0].values::<T>();
    for o in 0..p.outer {
        for i in 0..p.inner {
            let at = |r: usize| x[(o * p.n + r) * p.inner + i];
            let to = o * p.inner + i;
            match p.op {
                ReduceOp::Sum => outputs[0].put(to, tree_sum(p.n, &at) * T::from_f64(p.scale)),
                ReduceOp::SumSquares => outputs[0].put(to, tree_sum(p.n, &|r| at(r) * at(r)) * T::from_f64(p.scale)),
                ReduceOp::Prod => outputs[0].put(to, (0..p.n).fold(T::ONE, |a, r| a * at(r))),
                ReduceOp::Max => outputs[0].put(to, at(best(p.n, &at, |a, b| a > b))),
                ReduceOp::Min => outputs[0].put(to, at(best(p.n, &at, |a, b| a < b))),
                ReduceOp::ArgMax => outputs[0].values::<u32>()[to] = best(p.n, &at, |a, b| a > b) as u32,
                ReduceOp::ArgMin => outputs[0].values::<u32>()[to] = best(p.n, &at, |a, b| a < b) as u32,
            }
        }
    }
}

/// The sum of the squares of scaled elements; 0 for a scale of 1.
pub fn scaled_squares<T: Float>(inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let scale = inputs[1].values::<T>()[0];
    let x = if scale == T::ONE { &[] } else { inputs[0].values::<T>() };
    outputs[0].put(0, tree_sum(x.len(), &|i| (x[i] * scale) * (x[i] * scale)));
}

/// The place of the first element that no other beats; of the first NaN, if there is one.
fn best<T: Float>(n: usize, at: &impl Fn(usize) -> T, beats: impl Fn(T, T) -> bool) -> usize {
    let mut first = 0;
    for r in 1..n {
        if !at(first).is_nan() && (beats(at(r), at(first)) || at(r).is_nan()) {
            first = r;
        }
    }
    first
}

/// Running sums.
pub fn cumsum<T: Float>(p: &Cumsum, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (x, y) = (inputs[0].values::<T>(), outputs[0].values::<T>());
    for o in 0..p.outer {
        for i in 0..p.inner {
            let mut sum = T::ZERO;
            for r in 0..p.n {
                let at = (o * p.n + if p.reverse { p.n - 1 - r } else { r }) * p.inner + i;
                sum += x[at];
                y[at] = sum;
            }
        }
    }
}

/// `out[.., index, ..] += src`, in ascending order.
pub fn scatter_add<T: Float>(p: &ScatterAdd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (index, src) = (inputs[0].values::<u32>(), inputs[1].values::<T>());
    let out = outputs[0].values::<T>();
    match p.base {
        true => out.copy_from_slice(inputs[2].values::<T>()),
        false => out.fill(T::ZERO),
    }
    for o in 0..p.outer {
        for j in 0..p.k {
            for i in 0..p.inner {
                let at = (o * p.k + j) * p.inner + i;
                let to = index[if p.shared { j } else { at }] as usize;
                out[(o * p.n + to) * p.inner + i] += src[at];
            }
        }
    }
}

/// Reads along an axis by index.
pub fn gather<T: Element>(p: &Gather, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (x, index) = (inputs[0].values::<T>(), inputs[1].values::<u32>());
    let out = outputs[0].values::<T>();
    for o in 0..p.outer {
        for j in 0..p.k {
            for i in 0..p.inner {
                let at = (o * p.k + j) * p.inner + i;
                let from = index[if p.shared { j } else { at }] as usize;
                out[at] = x[(o * p.n + from) * p.inner + i];
            }
        }
    }
}

/// A view made contiguous, converted from `A` to `B`.
pub fn copy<A: Element, B: Element>(inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let x = inputs[0].storage::<A>();
    let add = outputs[0].add;
    for (out, at) in outputs[0].values::<B>().iter_mut().zip(inputs[0].layout.offsets()) {
        let v = x[at].to_f64();
        *out = B::from_f64(if add { out.to_f64() + v } else { v });
    }
}

/// Bits of 32 or 64, whatever they mean, for plans that only move data.
pub(crate) fn is_wide(dtype: DType) -> bool {
    dtype.size() == 8
}
