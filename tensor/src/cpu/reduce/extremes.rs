//! Where the extremes are: the first element that no other beats, or the first NaN.

#![allow(unsafe_code)]

use super::fold::{Fold, row_fold};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::tasks::{TASK, by_blocks, by_rows};
use crate::cpu::threads::Parts;
use crate::plan::Reduce;

/// Columns that one pass over the rows serves.
const STRIP: usize = 256;

/// The places along the middle axis of `[outer, n, inner]`; `beats` is the order of `f`.
pub fn find<F: Fold>(
    level: Level,
    f: F,
    beats: impl Fn(f32, f32) -> bool + Copy + Sync,
    p: &Reduce,
    x: &[f32],
    out: &mut [u32],
) {
    let (n, w) = (p.n, p.inner);
    let parts = Parts::new(out);
    if w == 1 {
        return by_rows(p.outer, n, |rows| {
            // SAFETY: one run of rows each.
            let out = unsafe { parts.range(rows.clone()) };
            dispatch_at(level, RowExtremes { f, x: &x[rows.start * n..rows.end * n], n, out });
        });
    }
    let strips = w.div_ceil(STRIP);
    by_blocks(p.outer * strips, (TASK / (n * w.min(STRIP))).max(1), |range| {
        for i in range {
            let (o, first) = (i / strips, i % strips * STRIP);
            let last = w.min(first + STRIP);
            // SAFETY: one strip each.
            let out = unsafe { parts.range(o * w + first..o * w + last) };
            dispatch_at(level, Columns { beats, x: &x[o * n * w..(o + 1) * n * w], pitch: w, first, out });
        }
    });
}

/// Rows of `n` neighbours: the extreme first, then its place.
struct RowExtremes<'a, F> {
    f: F,
    x: &'a [f32],
    n: usize,
    out: &'a mut [u32],
}

impl<F: Fold> Kernel for RowExtremes<'_, F> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (row, o) in self.x.chunks_exact(self.n).zip(self.out) {
            *o = position(row, row_fold(s, self.f, row)) as u32;
        }
    }
}

/// The first position of `v`, or of a NaN if that is what `v` is.
#[inline(always)]
fn position(row: &[f32], v: f32) -> usize {
    const SIDE: usize = 16;
    let here = |x: f32| x == v || (v.is_nan() && x.is_nan());
    let mut at = 0;
    // Groups of a fixed size are compared in vectors.
    while at + SIDE <= row.len() && !row[at..at + SIDE].iter().fold(false, |any, x| any | here(*x)) {
        at += SIDE;
    }
    at + row[at..].iter().position(|x| here(*x)).expect("the extreme is one of the elements")
}

/// Columns `first .. first + out.len()`, all rows.
struct Columns<'a, B> {
    beats: B,
    x: &'a [f32],
    pitch: usize,
    first: usize,
    out: &'a mut [u32],
}

impl<B: Fn(f32, f32) -> bool> Kernel for Columns<'_, B> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Columns { beats, x, pitch, first, out } = self;
        let mut best = [0.0; STRIP];
        let best = &mut best[..out.len()];
        for (r, row) in x.chunks_exact(pitch).enumerate() {
            let row = &row[first..][..out.len()];
            if r == 0 {
                best.copy_from_slice(row);
                out.fill(0);
                continue;
            }
            for ((b, o), v) in best.iter_mut().zip(&mut *out).zip(row) {
                let take = beats(*v, *b) | (v.is_nan() & !b.is_nan());
                *b = if take { *v } else { *b };
                *o = if take { r as u32 } else { *o };
            }
        }
    }
}
