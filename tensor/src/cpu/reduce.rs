//! Reductions on the CPU. Sums are made in blocks of a fixed size, and the blocks added as a tree: the order depends on the sizes alone.

#![allow(unsafe_code)]

use super::reference::{self, tree_sum};
use super::simd::{Kernel, Simd, dispatch};
use super::threads::{Parts, parallel};
use super::{Input, Output};
use crate::dtype::DType;
use crate::plan::{Reduce, ReduceOp};

/// Elements of a row that one block sums.
const BLOCK: usize = 8192;
/// Elements that are worth a task.
const TASK: usize = 32_768;
/// Rows that one block of columns sums.
const ROWS: usize = 128;

/// Runs the plan.
pub fn run(p: &Reduce, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::reduce::<f64>(p, inputs, outputs);
    }
    match p.op {
        ReduceOp::Sum | ReduceOp::SumSquares => sum(p, inputs[0].values(), &mut outputs[0]),
        _ => reference::reduce::<f32>(p, inputs, outputs),
    }
}

fn sum(p: &Reduce, x: &[f32], output: &mut Output<'_>) {
    let squares = p.op == ReduceOp::SumSquares;
    let add = output.add;
    let out = output.values::<f32>();
    let scale = p.scale as f32;
    let put = |o: &mut f32, v: f32| *o = if add { *o + v * scale } else { v * scale };
    if p.inner > 1 {
        return columns(p, x, squares, out, &put);
    }
    let blocks = p.n.div_ceil(BLOCK);
    if blocks > 1 {
        let mut partial = vec![0.0; p.outer * blocks];
        let parts = Parts::new(&mut partial);
        parallel(p.outer * blocks, |i| {
            let (row, from) = (i / blocks * p.n, i % blocks * BLOCK);
            let x = &x[row + from..row + p.n.min(from + BLOCK)];
            // SAFETY: one element each.
            let out = unsafe { parts.range(i..i + 1) };
            out[0] = dispatch(RowSum { x, squares });
        });
        for (o, partial) in out.iter_mut().zip(partial.chunks_exact(blocks)) {
            put(o, tree_sum(blocks, &|i| partial[i]));
        }
        return;
    }
    let rows = (TASK / p.n).max(1);
    let parts = Parts::new(out);
    parallel(p.outer.div_ceil(rows), |t| {
        let range = t * rows..p.outer.min((t + 1) * rows);
        // SAFETY: one run of rows each.
        let out = unsafe { parts.range(range.clone()) };
        for (o, row) in out.iter_mut().zip(range) {
            put(o, dispatch(RowSum { x: &x[row * p.n..(row + 1) * p.n], squares }));
        }
    });
}

/// The sum of a row (or of its squares), in four vectors.
struct RowSum<'a> {
    x: &'a [f32],
    squares: bool,
}

impl Kernel for RowSum<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut t = [s.splat(0.0); 4];
        let one = s.splat(1.0);
        let mut chunks = self.x.chunks_exact(4 * S::N);
        for c in &mut chunks {
            for i in 0..4 {
                let v = s.load(&c[i * S::N..]);
                t[i] = s.fma(v, if self.squares { v } else { one }, t[i]);
            }
        }
        for c in chunks.remainder().chunks(S::N) {
            let v = s.load_part(c, 0.0);
            t[0] = s.fma(v, if self.squares { v } else { one }, t[0]);
        }
        s.sum(s.add(s.add(t[0], t[1]), s.add(t[2], t[3])))
    }
}

/// Sums over rows: blocks of [`ROWS`] rows onto a row of sums that stays in cache, then the blocks in order.
fn columns(p: &Reduce, x: &[f32], squares: bool, out: &mut [f32], put: &(impl Fn(&mut f32, f32) + Sync)) {
    let blocks = p.n.div_ceil(ROWS);
    let (w, n) = (p.inner, p.n);
    let mut partial = vec![0.0; p.outer * blocks * w];
    let parts = Parts::new(&mut partial);
    // Small blocks are gathered into one task.
    let group = (TASK / (n.min(ROWS) * w)).max(1);
    parallel((p.outer * blocks).div_ceil(group), |t| {
        for i in t * group..(p.outer * blocks).min((t + 1) * group) {
            // SAFETY: one row of sums each.
            let sums = unsafe { parts.range(i * w..(i + 1) * w) };
            let (o, from) = (i / blocks, i % blocks * ROWS);
            for row in x[(o * n + from) * w..(o * n + n.min(from + ROWS)) * w].chunks_exact(w) {
                for (s, v) in sums.iter_mut().zip(row) {
                    *s += if squares { v * v } else { *v };
                }
            }
        }
    });
    for (out, partial) in out.chunks_exact_mut(w).zip(partial.chunks_exact(blocks * w)) {
        for (c, o) in out.iter_mut().enumerate() {
            put(o, tree_sum(blocks, &|b| partial[b * w + c]));
        }
    }
}
