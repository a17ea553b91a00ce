//! Layer normalisation on the CPU: a row is read once from memory and walked again in cache.

#![allow(unsafe_code)]

use super::math_rows::by_rows;
use super::simd::{Kernel, Simd, dispatch};
use super::simd_x2::X2;
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{LayerNorm, LayerNormBackward};

/// Runs the plan.
pub fn run(p: &LayerNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::norm::layer_norm::<f64>(p, inputs, outputs);
    }
    let [x, gain, bias] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let [y, stats] = outputs else { unreachable!("y and its statistics") };
    let (ys, stats) = (Parts::new(y.values::<f32>()), Parts::new(stats.values::<f32>()));
    by_rows(p.rows, p.n, |_, rows| {
        let at = rows.start * p.n..rows.end * p.n;
        // SAFETY: one run of rows each.
        let (y, stats) = unsafe { (ys.range(at.clone()), stats.range(2 * rows.start..2 * rows.end)) };
        dispatch(Norm { x: &x[at], y, stats, gain, bias, eps: p.eps as f32 });
    });
}

/// Runs the plan.
pub fn backward(p: &LayerNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.0.dtype == DType::F64 {
        return reference::norm::layer_norm_backward::<f64>(p, inputs, outputs);
    }
    let (rows, n) = (p.0.rows, p.0.n);
    let [x, gain, gy, stats] = [0, 1, 2, 3].map(|i| inputs[i].values::<f32>());
    let [gx, ggain, gbias] = outputs else { unreachable!("three gradients") };
    // Partial sums belong to tasks, not to threads: the result does not depend on who runs them.
    let mut part = vec![0.0; super::math_rows::tasks(rows, n) * 2 * n];
    let (gxs, parts) = (Parts::new(gx.values::<f32>()), Parts::new(&mut part[..]));
    by_rows(rows, n, |task, rows| {
        let at = rows.start * n..rows.end * n;
        // SAFETY: one run of rows, and one pair of sums, each.
        let (gx, sums) = unsafe { (gxs.range(at.clone()), parts.range(task * 2 * n..(task + 1) * 2 * n)) };
        let (gg, gb) = sums.split_at_mut(n);
        let stats = &stats[2 * rows.start..2 * rows.end];
        dispatch(NormBack { x: &x[at.clone()], gy: &gy[at], gx, stats, gain, gg, gb });
    });
    for (i, out) in [ggain.values::<f32>(), gbias.values::<f32>()].into_iter().enumerate() {
        out.fill(0.0);
        for p in part.chunks_exact(n).skip(i).step_by(2) {
            out.iter_mut().zip(p).for_each(|(o, p)| *o += p);
        }
    }
}

/// Mean, then squares about the mean, then the affine form as one multiply-add.
struct Norm<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    stats: &'a mut [f32],
    gain: &'a [f32],
    bias: &'a [f32],
    eps: f32,
}
impl Kernel for Norm<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let (cols, n) = (self.gain.len(), 2 * S::N);
        for ((x, y), st) in
            self.x.chunks_exact(cols).zip(self.y.chunks_exact_mut(cols)).zip(self.stats.chunks_exact_mut(2))
        {
            let mut t = w.splat(0.0);
            for x in x.chunks(n) {
                t = w.add(t, w.load_part(x, 0.0))
            }
            let mean = w.sum(t) / cols as f32;
            let (m, mut t) = (w.splat(mean), w.splat(0.0));
            for x in x.chunks(n) {
                let d = w.sub(w.load_part(x, mean), m);
                t = w.fma(d, d, t)
            }
            let inv = 1.0 / (w.sum(t) / cols as f32 + self.eps).sqrt();
            (st[0], st[1]) = (mean, inv);
            let (a, b) = (w.splat(inv), w.splat(-mean * inv));
            for (((x, y), g), c) in x.chunks(n).zip(y.chunks_mut(n)).zip(self.gain.chunks(n)).zip(self.bias.chunks(n)) {
                w.store_part(y, w.fma(w.fma(w.load_part(x, 0.0), a, b), w.load_part(g, 0.0), w.load_part(c, 0.0)));
            }
        }
    }
}

/// The first pass makes the row's two means and adds to the parameters' partial sums, the second writes the gradient.
struct NormBack<'a> {
    x: &'a [f32],
    gy: &'a [f32],
    gx: &'a mut [f32],
    stats: &'a [f32],
    gain: &'a [f32],
    gg: &'a mut [f32],
    gb: &'a mut [f32],
}
impl Kernel for NormBack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = X2(s);
        let (cols, n) = (self.gain.len(), 2 * S::N);
        for (((x, gy), gx), st) in self
            .x
            .chunks_exact(cols)
            .zip(self.gy.chunks_exact(cols))
            .zip(self.gx.chunks_exact_mut(cols))
            .zip(self.stats.chunks_exact(2))
        {
            let (a, b) = (w.splat(st[1]), w.splat(-st[0] * st[1]));
            let (mut t1, mut t2) = (w.splat(0.0), w.splat(0.0));
            for ((((x, gy), gain), gg), gb) in x
                .chunks(n)
                .zip(gy.chunks(n))
                .zip(self.gain.chunks(n))
                .zip(self.gg.chunks_mut(n))
                .zip(self.gb.chunks_mut(n))
            {
                let (g, h) = (w.load_part(gy, 0.0), w.fma(w.load_part(x, 0.0), a, b));
                let t = w.mul(g, w.load_part(gain, 0.0));
                t1 = w.add(t1, t);
                t2 = w.fma(t, h, t2);
                w.store_part(gg, w.fma(g, h, w.load_part(gg, 0.0)));
                w.store_part(gb, w.add(g, w.load_part(gb, 0.0)));
            }
            let (m1, m2) = (w.splat(-w.sum(t1) / cols as f32), w.splat(-w.sum(t2) / cols as f32));
            for (((x, gy), gain), gx) in x.chunks(n).zip(gy.chunks(n)).zip(self.gain.chunks(n)).zip(gx.chunks_mut(n)) {
                let (g, h) = (w.load_part(gy, 0.0), w.fma(w.load_part(x, 0.0), a, b));
                w.store_part(gx, w.mul(a, w.fma(h, m2, w.fma(g, w.load_part(gain, 0.0), m1))));
            }
        }
    }
}
