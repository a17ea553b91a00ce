//! Reductions on the CPU. Rows and columns are folded in blocks of a fixed size and the blocks joined as a tree: the order depends on the
//! sizes alone. How extremes are found stands in `reduce/extremes.rs`, what is folded in `reduce/fold.rs`.

#![allow(unsafe_code)]

mod columns;
mod extremes;
mod fold;

use super::levels::{Level, dispatch_at, level};
use super::scratch::Scratch;
use super::simd::{Kernel, Simd};
use super::tasks::{TASK, by_blocks};
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Reduce, ReduceOp, ScaledSquares};
use fold::{Fold, Max, Min, Product, Put, Squares, Sum, row_fold};
use std::ops::Range;

/// Elements of a row that one block folds.
const BLOCK: usize = 8192;

/// Runs the plan.
pub fn run(p: &Reduce, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::reduce::<f64>(p, inputs, outputs);
    }
    run_at(level(), p, inputs, outputs);
}

/// Runs the plan.
pub fn scaled_squares(p: &ScaledSquares, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::scaled_squares::<f64>(inputs, outputs),
        _ => reference::scaled_squares::<f32>(inputs, outputs),
    }
}

/// [`run`] in `f32` at a given instruction set.
pub(super) fn run_at(level: Level, p: &Reduce, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (x, output) = (inputs[0].values::<f32>(), &mut outputs[0]);
    if p.outer * p.inner == 0 {
        return;
    }
    match p.op {
        ReduceOp::Sum => fold(level, Sum, p, x, output),
        ReduceOp::SumSquares => fold(level, Squares, p, x, output),
        ReduceOp::Prod => fold(level, Product, p, x, output),
        ReduceOp::Max => fold(level, Max, p, x, output),
        ReduceOp::Min => fold(level, Min, p, x, output),
        ReduceOp::ArgMax => extremes::find(level, Max, |a, b| a > b, p, x, output.values()),
        ReduceOp::ArgMin => extremes::find(level, Min, |a, b| a < b, p, x, output.values()),
    }
}

fn fold<F: Fold>(level: Level, f: F, p: &Reduce, x: &[f32], output: &mut Output<'_>) {
    let put = Put { scale: if F::SCALES { p.scale as f32 } else { 1.0 }, add: output.add };
    let out = output.values::<f32>();
    match p.inner {
        1 => rows(level, f, p, x, out, put),
        _ => columns::fold(level, f, p, x, out, put),
    }
}

/// Neighbouring elements: long rows in blocks, which are joined afterwards; short ones many to a task.
fn rows<F: Fold>(level: Level, f: F, p: &Reduce, x: &[f32], out: &mut [f32], put: Put) {
    let blocks = p.n.div_ceil(BLOCK).max(1);
    let mut partial = Scratch::new(if blocks > 1 { p.outer * blocks } else { 0 });
    let (parts, put_now) =
        if blocks > 1 { (Parts::new(&mut partial), Put::PLAIN) } else { (Parts::new(&mut *out), put) };
    let pieces = p.outer * blocks;
    by_blocks(pieces, (TASK / p.n.clamp(1, BLOCK)).max(1), |range| {
        // SAFETY: one run of results each.
        let out = unsafe { parts.range(range.clone()) };
        dispatch_at(level, RowFolds { f, x, n: p.n, blocks, range, out, put: put_now });
    });
    if blocks > 1 {
        for (o, partial) in out.iter_mut().zip(partial.chunks_exact_mut(blocks)) {
            put.put(o, tree(f, partial));
        }
    }
}

/// The join of several results, by halves.
fn tree<F: Fold>(f: F, x: &mut [f32]) -> f32 {
    let mut left = x.len();
    while left > 1 {
        let half = left.div_ceil(2);
        for i in half..left {
            x[i - half] = f.join_one(x[i - half], x[i]);
        }
        left = half;
    }
    x[0]
}

/// Blocks `range` of all rows, counted row by row.
struct RowFolds<'a, F> {
    f: F,
    x: &'a [f32],
    n: usize,
    blocks: usize,
    range: Range<usize>,
    out: &'a mut [f32],
    put: Put,
}

impl<F: Fold> Kernel for RowFolds<'_, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (i, o) in self.range.zip(self.out) {
            let (row, from) = (i / self.blocks * self.n, i % self.blocks * BLOCK);
            self.put.put(o, row_fold(s, self.f, &self.x[row + from..row + self.n.min(from + BLOCK)]));
        }
    }
}

#[cfg(test)]
mod tests;
