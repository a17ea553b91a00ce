//! Folds over rows, one result a column: [`ROWS`] rows at a time onto a row of partial results that stays in the nearest cache, four rows a
//! pass. Narrow matrices are seen as wider ones of fewer rows, so that vectors are full.

#![allow(unsafe_code)]

use super::fold::{Fold, Put};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::tasks::{TASK, by_blocks};
use crate::cpu::threads::Parts;
use crate::plan::Reduce;

/// Rows that one block folds.
const ROWS: usize = 128;
/// Columns that one block folds: 8 KiB of partial results.
const STRIP: usize = 2048;
/// Narrower matrices have several rows side by side.
const NARROW: usize = 64;

/// How a matrix `[n, inner]` is cut.
struct Cut {
    /// Rows of the matrix that count as one.
    side: usize,
    /// Blocks of rows.
    blocks: usize,
    /// Strips of columns.
    strips: usize,
}

impl Cut {
    fn of(n: usize, inner: usize) -> Cut {
        let side = NARROW.div_ceil(inner).min(n.max(1));
        Cut { side, blocks: n.div_ceil(ROWS * side).max(1), strips: inner.div_ceil(STRIP) }
    }
}

/// Folds the middle axis of `[outer, n, inner]`.
pub fn fold<F: Fold>(level: Level, f: F, p: &Reduce, x: &[f32], out: &mut [f32], put: Put) {
    let (cut, w) = (Cut::of(p.n, p.inner), p.inner);
    let direct = cut.blocks == 1;
    let mut partial = Scratch::new(if direct { 0 } else { p.outer * cut.blocks * w });
    let (parts, put_now) = if direct { (Parts::new(&mut *out), put) } else { (Parts::new(&mut partial), Put::PLAIN) };
    let size = p.n.min(ROWS * cut.side).max(1) * w.min(STRIP);
    by_blocks(p.outer * cut.blocks * cut.strips, (TASK / size).max(1), |range| {
        for i in range {
            let (o, block, strip) = (i / cut.strips / cut.blocks, i / cut.strips % cut.blocks, i % cut.strips);
            let (from, to) = (block * ROWS * cut.side, p.n.min((block + 1) * ROWS * cut.side));
            let columns = strip * STRIP..w.min((strip + 1) * STRIP);
            let x = &x[(o * p.n + from) * w..(o * p.n + to) * w];
            let at = (o * cut.blocks + block) * w;
            // SAFETY: one block's strip each.
            let out = unsafe { parts.range(at + columns.start..at + columns.end) };
            dispatch_at(level, Columns { f, x, pitch: w, side: cut.side, first: columns.start, out, put: put_now });
        }
    });
    if !direct {
        join(level, f, cut.blocks, w, &mut partial, out, put);
    }
}

/// Joins the blocks of each column, a strip of columns at a time.
fn join<F: Fold>(level: Level, f: F, blocks: usize, w: usize, partial: &mut [f32], out: &mut [f32], put: Put) {
    let strips = w.div_ceil(STRIP);
    let (outer, partial, out) = (out.len() / w, Parts::new(partial), Parts::new(out));
    by_blocks(outer * strips, (TASK / (blocks * w.min(STRIP))).max(1), |range| {
        for i in range {
            let (o, first) = (i / strips, i % strips * STRIP);
            let last = w.min(first + STRIP);
            // SAFETY: one strip each.
            let out = unsafe { out.range(o * w + first..o * w + last) };
            dispatch_at(level, Join { f, blocks, partial: partial.skip(o * blocks * w + first), pitch: w, out, put });
        }
    });
}

/// Rows of partial results, `pitch` apart, joined by halves.
struct Join<'a, F> {
    f: F,
    blocks: usize,
    partial: Parts<f32>,
    pitch: usize,
    out: &'a mut [f32],
    put: Put,
}

impl<F: Fold> Kernel for Join<'_, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Join { f, blocks, partial, pitch, out, put } = self;
        let n = out.len();
        // SAFETY (both): these columns are this strip's alone, and rows are disjoint.
        let row = |i: usize| unsafe { partial.range(i * pitch..i * pitch + n) };
        let mut left = blocks;
        while left > 1 {
            let half = left.div_ceil(2);
            for i in half..left {
                for (a, b) in row(i - half).chunks_mut(S::N).zip(row(i).chunks(S::N)) {
                    let v = f.join(s, s.load_part(a, F::START), s.load_part(b, F::START));
                    s.store_part(a, v);
                }
            }
            left = half;
        }
        out.iter_mut().zip(row(0)).for_each(|(o, v)| put.put(o, *v));
    }
}

/// Columns `first .. first + out.len()` of some rows.
struct Columns<'a, F> {
    f: F,
    x: &'a [f32],
    pitch: usize,
    side: usize,
    first: usize,
    out: &'a mut [f32],
    put: Put,
}

impl<F: Fold> Kernel for Columns<'_, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Columns { f, x, pitch, side, first, out, put } = self;
        let (width, pitch) = (out.len() * side, pitch * side);
        let mut results = Scratch::new(width);
        results.fill(F::START);
        let mut rest = x;
        while rest.len() >= 4 * pitch {
            let (rows, after) = rest.split_at(4 * pitch);
            let row = |i: usize| &rows[i * pitch + first..][..width];
            four(s, f, &mut results, [row(0), row(1), row(2), row(3)]);
            rest = after;
        }
        for row in rest.chunks(pitch) {
            // The last row of a narrow matrix may be cut short.
            let row = &row[first..][..width.min(row.len() - first)];
            for (t, x) in results.chunks_mut(S::N).zip(row.chunks(S::N)) {
                let v = f.push(s, s.load_part(t, F::START), s.load_part(x, F::START));
                s.store_part(t, v);
            }
        }
        let n = out.len();
        for (c, o) in out.iter_mut().enumerate() {
            let mut t = results[c];
            for i in 1..side {
                t = f.join_one(t, results[i * n + c]);
            }
            put.put(o, t);
        }
    }
}

/// Four rows onto the results.
#[inline(always)]
fn four<S: Simd, F: Fold>(s: S, f: F, results: &mut [f32], rows: [&[f32]; 4]) {
    let n = results.len();
    let mut at = 0;
    while at < n {
        let end = n.min(at + S::N);
        let mut t = s.load_part(&results[at..end], F::START);
        for row in rows {
            t = f.push(s, t, s.load_part(&row[at..end], F::START));
        }
        s.store_part(&mut results[at..end], t);
        at = end;
    }
}
