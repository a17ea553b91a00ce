//! The row kernels of attention: scores to weights, and weights to gradients of scores. Both passes make the same scores, bit for bit: a
//! product's sum runs over the head dimension in one order, whatever the tile.

#![allow(unsafe_code)]

use super::heads::RowLayout;
use super::mask::{Bias, HeadMask};
use crate::cpu::math;
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::simd_x2::X2;
use crate::cpu::threads::Parts;
use crate::plan::Attention;
use std::ops::Range;

/// The statistics of a query that sees nothing.
const NOTHING: [f32; 2] = [f32::MIN, 0.0];

/// A block of scores: query rows from `query` on, in rows of `ld` (whole pairs of vectors), with the keys of `keys`.
pub struct ScoreBlock<'a> {
    pub query: usize,
    pub keys: Range<usize>,
    pub plan: &'a Attention,
    pub mask: HeadMask<'a>,
    pub ld: usize,
}

impl ScoreBlock<'_> {
    /// How many of the keys row `r` of the block may see.
    #[inline(always)]
    fn seen(&self, r: usize) -> usize {
        self.plan.reach(self.query + r).saturating_sub(self.keys.start).min(self.keys.len())
    }

    /// The elements of a row that are seen, to the end of their last pair of vectors, which is filled; the keys behind become 0.
    #[inline(always)]
    fn whole_vectors<'r, S: Simd>(&self, row: &'r mut [f32], seen: usize, fill: f32) -> &'r mut [f32] {
        let end = seen.next_multiple_of(2 * S::N);
        row[seen..end].fill(fill);
        if end < self.keys.len() {
            row[end..self.keys.len()].fill(0.0);
        }
        &mut row[..end]
    }

    /// The mask of those.
    #[inline(always)]
    fn bias(&self, r: usize, seen: usize) -> Bias<'_> {
        self.mask.row(self.query + r, self.keys.start..self.keys.start + seen)
    }
}

/// What is known of a row after some keys: the largest score, and the sum of exponentials relative to it.
#[derive(Clone, Copy)]
pub struct Running {
    pub top: f32,
    pub sum: f32,
}

impl Running {
    pub const START: Running = Running { top: f32::NEG_INFINITY, sum: 0.0 };
}

/// Scores to weights `e^(score − top)`, in place; what was summed up in `o` (rows of `width`) before is brought to the new top.
pub struct Weights<'a> {
    pub block: ScoreBlock<'a>,
    pub scores: &'a mut [f32],
    pub rows: &'a mut [Running],
    pub o: &'a mut [f32],
    pub width: usize,
}

impl Kernel for Weights<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let b = &self.block;
        let [factor, unit] = units(b.plan);
        for (r, (scores, row)) in self.scores.chunks_mut(b.ld).zip(self.rows).enumerate() {
            let seen = b.seen(r);
            b.bias(r, seen).apply(w, factor, &mut scores[..seen]);
            let scores = b.whole_vectors::<S>(scores, seen, f32::NEG_INFINITY);
            let mut top = w.splat(f32::NEG_INFINITY);
            for x in scores.chunks_exact(2 * S::N) {
                top = w.max(w.load(x), top);
            }
            let old = row.top;
            let top = w.max_lane(top);
            if top > old {
                row.top = top;
            }
            // a row that has seen nothing yet gets weights of 0, one of NaNs keeps them
            let about = if row.top == f32::NEG_INFINITY { 0.0 } else { row.top };
            let (unit_each, about) = (w.splat(unit), w.splat(about));
            let mut sum = w.splat(0.0);
            for x in scores.chunks_exact_mut(2 * S::N) {
                let e = math::exp(w, w.mul(w.sub(w.load(x), about), unit_each));
                sum = w.add(sum, e);
                w.store(x, e);
            }
            let first = b.keys.start == 0;
            let shrink = if first || row.top == old { 1.0 } else { ((old - row.top) * unit).exp() };
            row.sum = row.sum * shrink + w.sum(sum);
            if shrink != 1.0 {
                let o = &mut self.o[r * self.width..][..self.width];
                for o in o.chunks_mut(S::N) {
                    let v = s.mul(s.load_part(o, 0.0), s.splat(shrink));
                    s.store_part(o, v);
                }
            }
        }
    }
}

/// Weighted sums to means, where they belong; and the statistics of the rows.
pub struct Finish<'a> {
    pub plan: &'a Attention,
    /// The first row.
    pub query: usize,
    pub mask: HeadMask<'a>,
    pub rows: &'a [Running],
    pub o: &'a [f32],
    pub width: usize,
    /// The rows from the first one on.
    pub to: RowLayout,
    /// The whole output.
    pub out: Parts<f32>,
    pub stats: &'a mut [[f32; 2]],
}

impl Kernel for Finish<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let dim = self.plan.dim;
        let rows = self.rows.iter().zip(self.o.chunks_exact(self.width)).zip(self.stats);
        for (r, ((row, o), stats)) in rows.enumerate() {
            // SAFETY: a head's row is finished by one task.
            let out = unsafe { self.out.range(self.to.row(r, dim)) };
            let query = self.query + r;
            if row.sum == 0.0 && !self.mask.shows(query, 0..self.plan.reach(query)) {
                out.fill(0.0);
                *stats = NOTHING;
                continue;
            }
            // All scores that are seen may be −∞: then the weights are 0/0.
            let sum = if row.sum == 0.0 { f32::NAN } else { row.sum };
            let share = s.splat(1.0 / sum);
            for (o, out) in o[..dim].chunks(S::N).zip(out.chunks_mut(S::N)) {
                s.store_part(out, s.mul(s.load_part(o, 0.0), share));
            }
            *stats = if sum.is_nan() { [sum; 2] } else { [row.top, sum] };
        }
    }
}

/// The plan's units in single precision.
fn units(p: &Attention) -> [f32; 2] {
    let (factor, unit) = p.units();
    [factor as f32, unit as f32]
}

/// Scores to weights P = e^(unit (score − top)) / Σ, and dP to dS = scale P (dP − delta), in place.
pub struct Gradients<'a> {
    pub block: ScoreBlock<'a>,
    pub scores: &'a mut [f32],
    pub dp: &'a mut [f32],
    pub stats: &'a [[f32; 2]],
    /// Σ dO · O of each row.
    pub delta: &'a [f32],
}

impl Kernel for Gradients<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let b = &self.block;
        let [factor, unit] = units(b.plan);
        let (unit, scale) = (w.splat(unit), w.splat(b.plan.scale as f32));
        let rows = self.scores.chunks_mut(b.ld).zip(self.dp.chunks_mut(b.ld));
        for (r, ((scores, dp), ([top, sum], delta))) in rows.zip(self.stats.iter().zip(self.delta)).enumerate() {
            let seen = b.seen(r);
            b.bias(r, seen).apply(w, factor, &mut scores[..seen]);
            let scores = b.whole_vectors::<S>(scores, seen, f32::NEG_INFINITY);
            let dp = b.whole_vectors::<S>(dp, seen, 0.0);
            let share = if *sum == 0.0 && *top == NOTHING[0] { 0.0 } else { 1.0 / sum };
            let (top, share, delta) = (w.splat(*top), w.splat(share), w.splat(*delta));
            for (p, dp) in scores.chunks_exact_mut(2 * S::N).zip(dp.chunks_exact_mut(2 * S::N)) {
                let weight = w.mul(math::exp(w, w.mul(w.sub(w.load(p), top), unit)), share);
                let g = w.mul(w.mul(weight, scale), w.sub(w.load(dp), delta));
                w.store(p, weight);
                w.store(dp, g);
            }
        }
    }
}

/// Σ a b over each row of `width` floats, `stride` apart.
pub struct Dots<'a> {
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub stride: usize,
    pub width: usize,
    pub out: &'a mut [f32],
}

impl Kernel for Dots<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.a.chunks(self.stride).zip(self.b.chunks(self.stride));
        for ((a, b), out) in rows.zip(self.out) {
            let mut sum = s.splat(0.0);
            for (a, b) in a[..self.width].chunks_exact(S::N).zip(b[..self.width].chunks_exact(S::N)) {
                sum = s.fma(s.load(a), s.load(b), sum);
            }
            *out = s.sum(sum);
        }
    }
}
