//! The row kernels of attention: scores to weights, and weights to gradients of scores.

use super::math;
use super::simd::{Kernel, Simd};
use super::simd_x2::X2;

/// In place, each row of n scores: `e^(scale (s - max))`; returns 1 / sum and scale * max + ln sum for every row.
pub(super) struct Soft<'a> {
    pub s: &'a mut [f32],
    pub ld: usize,
    pub n: usize,
    pub scale: f32,
    pub inv: &'a mut [f32],
    pub lse: &'a mut [f32],
}
impl Kernel for Soft<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        for ((row, inv), lse) in self.s.chunks_mut(self.ld).zip(self.inv).zip(self.lse) {
            let row = &mut row[..self.n];
            let mut m = w.splat(f32::NEG_INFINITY);
            for x in row.chunks(2 * S::N) {
                m = w.max(w.load_part(x, f32::NEG_INFINITY), m);
            }
            let m = self.scale * w.max_lane(m);
            let (scale, minus) = (w.splat(self.scale), w.splat(-m));
            let mut sum = w.splat(0.0);
            let mut xs = row.chunks_exact_mut(2 * S::N);
            for x in &mut xs {
                let e = math::exp(w, w.fma(w.load(x), scale, minus));
                sum = w.add(sum, e);
                w.store(x, e);
            }
            let x = xs.into_remainder();
            if !x.is_empty() {
                let e = math::exp(w, w.fma(w.load_part(x, f32::NEG_INFINITY), scale, minus));
                sum = w.add(sum, e);
                w.store_part(x, e);
            }
            let sum = w.sum(sum);
            *inv = 1.0 / sum;
            *lse = m + sum.ln();
        }
    }
}
/// Each row times its factor.
pub(super) struct Scale<'a> {
    pub x: &'a mut [f32],
    pub d: usize,
    pub by: &'a [f32],
}
impl Kernel for Scale<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (row, by) in self.x.chunks_exact_mut(self.d).zip(self.by) {
            for x in row.chunks_exact_mut(S::N) {
                let v = s.mul(s.load(x), s.splat(*by));
                s.store(x, v);
            }
        }
    }
}
/// scores -> P = e^(scale s - lse) and dP -> dS = scale P (dP - delta), in place; delta = sum of dO * O over a row.
pub(super) struct Back<'a> {
    pub s: &'a mut [f32],
    pub dp: &'a mut [f32],
    pub ld: usize,
    pub n: usize,
    pub scale: f32,
    pub lse: &'a [f32],
    pub o: &'a [f32],
    pub go: &'a [f32],
    pub d: usize,
}
impl Kernel for Back<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let scale = w.splat(self.scale);
        for (r, (ps, dps)) in
            self.s.chunks_mut(self.ld).zip(self.dp.chunks_mut(self.ld)).enumerate().take(self.lse.len())
        {
            let (o, go) = (&self.o[r * self.d..][..self.d], &self.go[r * self.d..][..self.d]);
            let mut delta = s.splat(0.0);
            for (o, go) in o.chunks_exact(S::N).zip(go.chunks_exact(S::N)) {
                delta = s.fma(s.load(o), s.load(go), delta);
            }
            let (delta, minus) = (w.splat(s.sum(delta)), w.splat(-self.lse[r]));
            let mut ps = ps[..self.n].chunks_exact_mut(2 * S::N);
            let mut dps = dps[..self.n].chunks_exact_mut(2 * S::N);
            for (p, dp) in (&mut ps).zip(&mut dps) {
                let e = math::exp(w, w.fma(w.load(p), scale, minus));
                let g = w.mul(w.mul(e, scale), w.sub(w.load(dp), delta));
                w.store(p, e);
                w.store(dp, g);
            }
            let (p, dp) = (ps.into_remainder(), dps.into_remainder());
            if !p.is_empty() {
                let e = math::exp(w, w.fma(w.load_part(p, 0.0), scale, minus));
                let g = w.mul(w.mul(e, scale), w.sub(w.load_part(dp, 0.0), delta));
                w.store_part(p, e);
                w.store_part(dp, g);
            }
        }
    }
}
