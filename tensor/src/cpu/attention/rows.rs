//! The row kernels of attention: scores to weights, and weights to gradients of scores.

#![allow(unsafe_code)]

use super::heads::{HeadMask, Places};
use crate::cpu::math;
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::simd_x2::X2;
use crate::cpu::threads::Parts;
use std::ops::Range;

/// What a query that sees nothing has for the logarithm of its sum: its weights come out as 0 again.
const NOTHING: f32 = 1e30;

/// What a mask adds to a row of scores.
#[derive(Clone, Copy)]
pub enum Bias<'a> {
    None,
    /// Nothing; where the mask is 0, the score becomes −∞.
    Bool(&'a [u32]),
    Additive(&'a [f32]),
}

impl Bias<'_> {
    /// `row = scale · row + bias`, unless that is left to the exponential; the factor that it must still apply.
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, scale: f32, row: &mut [f32]) -> f32 {
        if matches!(self, Bias::None) && scale > 0.0 {
            return scale; // the largest score stays the largest
        }
        let factor = s.splat(scale);
        for (i, x) in row.chunks_mut(S::N).enumerate() {
            let own = i * S::N..i * S::N + x.len();
            let score = s.load_part(x, 0.0);
            let v = match self {
                Bias::None => s.mul(score, factor),
                Bias::Additive(bias) => s.fma(score, factor, s.load_part(&bias[own], 0.0)),
                Bias::Bool(mask) => {
                    let mut seen = [0.0; 32];
                    for (seen, mask) in seen.iter_mut().zip(&mask[own]) {
                        *seen = f32::from(u8::from(*mask != 0));
                    }
                    // Chosen, not added: a hidden score may be anything, also NaN.
                    let seen = s.load_part(&seen, 0.0);
                    s.select_lt(s.splat(0.0), seen, s.mul(score, factor), s.splat(f32::NEG_INFINITY))
                }
            };
            s.store_part(x, v);
        }
        1.0
    }
}

/// A block of scores: query rows from `query` on, in rows of `ld` (whole pairs of vectors), with the keys of `keys`.
pub struct Block<'a> {
    pub query: usize,
    pub keys: Range<usize>,
    pub causal: bool,
    pub scale: f32,
    pub mask: HeadMask<'a>,
    pub ld: usize,
}

impl Block<'_> {
    /// How many of the keys row `r` of the block may see.
    #[inline(always)]
    fn seen(&self, r: usize) -> usize {
        match self.causal {
            true => (self.query + r + 1).saturating_sub(self.keys.start).min(self.keys.len()),
            false => self.keys.len(),
        }
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
    pub block: Block<'a>,
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
        for (r, (scores, row)) in self.scores.chunks_mut(b.ld).zip(self.rows).enumerate() {
            let seen = b.seen(r);
            let factor = b.bias(r, seen).apply(w, b.scale, &mut scores[..seen]);
            let scores = b.whole_vectors::<S>(scores, seen, f32::NEG_INFINITY);
            let mut top = w.splat(f32::NEG_INFINITY);
            for x in scores.chunks_exact(2 * S::N) {
                top = w.max(w.load(x), top);
            }
            let old = row.top;
            let top = factor * w.max_lane(top);
            if top > old {
                row.top = top;
            }
            // a row that has seen nothing yet gets weights of 0, one of NaNs keeps them
            let about = if row.top == f32::NEG_INFINITY { 0.0 } else { row.top };
            let (factor, minus) = (w.splat(factor), w.splat(-about));
            let mut sum = w.splat(0.0);
            for x in scores.chunks_exact_mut(2 * S::N) {
                let e = math::exp(w, w.fma(w.load(x), factor, minus));
                sum = w.add(sum, e);
                w.store(x, e);
            }
            let first = b.keys.start == 0;
            let shrink = if first || row.top == old { 1.0 } else { (old - row.top).exp() };
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

/// Weighted sums to means, at their places, and the logarithms of the sums.
pub struct Finish<'a> {
    pub rows: &'a [Running],
    pub o: &'a [f32],
    pub width: usize,
    pub dim: usize,
    /// The place of the first row.
    pub places: Places,
    /// The whole output.
    pub out: Parts<f32>,
    pub lse: &'a mut [f32],
}

impl Kernel for Finish<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (r, ((row, o), lse)) in self.rows.iter().zip(self.o.chunks_exact(self.width)).zip(self.lse).enumerate() {
            // SAFETY: a head's row is finished by one task.
            let out = unsafe { self.out.range(self.places.row(r, self.dim)) };
            if row.sum == 0.0 {
                out.fill(0.0);
                *lse = NOTHING;
                continue;
            }
            let share = s.splat(1.0 / row.sum);
            for (o, out) in o[..self.dim].chunks(S::N).zip(out.chunks_mut(S::N)) {
                s.store_part(out, s.mul(s.load_part(o, 0.0), share));
            }
            *lse = row.top + row.sum.ln();
        }
    }
}

/// Scores to weights P = e^(score − lse), and dP to dS = scale P (dP − delta), in place.
pub struct Gradients<'a> {
    pub block: Block<'a>,
    pub scores: &'a mut [f32],
    pub dp: &'a mut [f32],
    pub lse: &'a [f32],
    /// Σ dO · O of each row.
    pub delta: &'a [f32],
}

impl Kernel for Gradients<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let b = &self.block;
        let scale = w.splat(b.scale);
        let rows = self.scores.chunks_mut(b.ld).zip(self.dp.chunks_mut(b.ld));
        for (r, ((scores, dp), (lse, delta))) in rows.zip(self.lse.iter().zip(self.delta)).enumerate() {
            let seen = b.seen(r);
            let factor = w.splat(b.bias(r, seen).apply(w, b.scale, &mut scores[..seen]));
            let scores = b.whole_vectors::<S>(scores, seen, f32::NEG_INFINITY);
            let dp = b.whole_vectors::<S>(dp, seen, 0.0);
            let (minus, delta) = (w.splat(-lse), w.splat(*delta));
            for (p, dp) in scores.chunks_exact_mut(2 * S::N).zip(dp.chunks_exact_mut(2 * S::N)) {
                let weight = math::exp(w, w.fma(w.load(p), factor, minus));
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
