//! The kernels between the products of [`super::short`]: scores are keys × queries, so that a vector has the same key of neighbouring queries.

#![allow(unsafe_code)]

use crate::cpu::math;
use crate::cpu::simd::{Kernel, MAX_LANES, Simd};
use crate::cpu::simd_x2::X2;
use crate::cpu::threads::Parts;

/// `n` rows of `dim` floats transposed: `out[d · wide + row]`, and zeros after the last row.
pub struct Turn<'a> {
    pub x: &'a [f32],
    pub stride: usize,
    pub n: usize,
    pub dim: usize,
    pub wide: usize,
    pub out: &'a mut [f32],
}

impl Kernel for Turn<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Turn { x, stride, n, dim, wide, out } = self;
        assert!(x.len() >= (n - 1) * stride + dim && out.len() >= dim * wide && n <= wide && dim.is_multiple_of(4));
        let fours = n / 4 * 4;
        for q in (0..fours).step_by(4) {
            for d in (0..dim).step_by(4) {
                // SAFETY: as asserted.
                unsafe {
                    s.transpose4(x.as_ptr().add(q * stride + d), stride, out.as_mut_ptr().add(d * wide + q), wide)
                }
            }
        }
        for (d, out) in out.chunks_exact_mut(wide).take(dim).enumerate() {
            for q in fours..n {
                out[q] = x[q * stride + d];
            }
            out[n..].fill(0.0);
        }
    }
}

/// Scores to weights e^(unit (score − top)), in place, with 1 / Σ and the statistics (top, Σ) of each query.
pub struct Weights<'a> {
    pub scores: &'a mut [f32],
    pub wide: usize,
    pub unit: f32,
    pub shares: &'a mut [f32],
    pub stats: &'a mut [[f32; 2]],
}

impl Kernel for Weights<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let Weights { scores, wide, unit, shares, stats } = self;
        let (unit, zero, nan) = (w.splat(unit), w.splat(0.0), w.splat(f32::NAN));
        for (q, stats) in (0..wide).step_by(2 * S::N).zip(stats.chunks_mut(2 * S::N)) {
            let mut top = w.splat(f32::NEG_INFINITY);
            for row in scores.chunks_exact(wide) {
                top = w.max(w.load(&row[q..]), top);
            }
            // A query whose scores are all −∞ gets weights of 0, and one with NaN keeps it.
            let about = w.select_lt(top, w.splat(f32::MIN), zero, top);
            let mut sum = zero;
            for row in scores.chunks_exact_mut(wide) {
                let e = math::exp(w, w.mul(w.sub(w.load(&row[q..]), about), unit));
                sum = w.add(sum, e);
                w.store(&mut row[q..], e);
            }
            let sum = w.select_lt(zero, sum, sum, nan);
            w.store(&mut shares[q..], w.div(w.splat(1.0), sum));
            let (tops, sums): ([f32; MAX_LANES], [f32; MAX_LANES]) = (w.lanes(top), w.lanes(sum));
            for (stats, (top, sum)) in stats.iter_mut().zip(tops.into_iter().zip(sums)) {
                *stats = if sum.is_nan() { [sum; 2] } else { [top, sum] };
            }
        }
    }
}

/// Scores to weights P = e^(unit (score − top)) / Σ, and dP to dS = scale P (dP − Σ P dP), in place.
pub struct Gradients<'a> {
    pub scores: &'a mut [f32],
    pub dp: &'a mut [f32],
    pub wide: usize,
    pub unit: f32,
    pub scale: f32,
    pub stats: &'a [[f32; 2]],
}

impl Kernel for Gradients<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let Gradients { scores, dp, wide, unit, scale, stats } = self;
        let (unit, scale) = (w.splat(unit), w.splat(scale));
        for (q, stats) in (0..wide).step_by(2 * S::N).zip(stats.chunks(2 * S::N)) {
            let (mut tops, mut shares) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
            for (i, [top, sum]) in stats.iter().enumerate() {
                (tops[i], shares[i]) = (*top, 1.0 / sum);
            }
            let (top, share) = (w.load(&tops), w.load(&shares));
            let mut delta = w.splat(0.0);
            for (row, dp) in scores.chunks_exact_mut(wide).zip(dp.chunks_exact(wide)) {
                let p = w.mul(math::exp(w, w.mul(w.sub(w.load(&row[q..]), top), unit)), share);
                delta = w.fma(p, w.load(&dp[q..]), delta);
                w.store(&mut row[q..], p);
            }
            for (row, dp) in scores.chunks_exact(wide).zip(dp.chunks_exact_mut(wide)) {
                let g = w.mul(w.mul(w.load(&row[q..]), scale), w.sub(w.load(&dp[q..]), delta));
                w.store(&mut dp[q..], g);
            }
        }
    }
}

/// Rows of `dim` floats, `stride` apart, times their factors.
pub struct Scale<'a> {
    pub rows: Parts<f32>,
    pub stride: usize,
    pub dim: usize,
    pub by: &'a [f32],
}

impl Kernel for Scale<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (r, by) in self.by.iter().enumerate() {
            let (by, start) = (s.splat(*by), r * self.stride);
            // SAFETY: a head's rows belong to one task.
            let row = unsafe { self.rows.range(start..start + self.dim) };
            for x in row.chunks_mut(S::N) {
                let v = s.load_part(x, 0.0);
                s.store_part(x, s.mul(v, by));
            }
        }
    }
}
