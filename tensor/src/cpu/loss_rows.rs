//! The row functions of the cross-entropies, along a row or many rows side by side ([`Along`]). Largest logit and logarithm of the sum are
//! never added: next to a logit of 1e4 the logarithm would lose the digits that the loss consists of.

use super::math;
use super::rows::{Along, exponentials, largest};
use super::simd::Simd;

/// Label smoothing: targets are `keep t + even`.
#[derive(Clone, Copy)]
pub struct Smoothing {
    /// 1 − smoothing.
    pub keep: f32,
    /// smoothing / classes.
    even: f32,
    /// Σ even.
    total: f32,
}

impl Smoothing {
    /// A share `smoothing` of each target goes evenly to `classes`.
    pub fn new(smoothing: f64, classes: usize) -> Smoothing {
        let (keep, even) = ((1.0 - smoothing) as f32, (smoothing / classes as f64) as f32);
        Smoothing { keep, even, total: smoothing as f32 }
    }
}

/// 1 in the lanes that a chunk of `len` elements fills, else 0.
#[inline(always)]
fn filled<S: Simd>(s: S, len: usize) -> S::F {
    static ONES: [f32; 32] = [1.0; 32];
    s.load_part(&ONES[..len.min(S::N)], 0.0)
}

/// The first lane.
#[inline(always)]
fn first<S: Simd>(s: S, v: S::F) -> f32 {
    let mut lane = [0.0];
    s.store_part(&mut lane, v);
    lane[0]
}

/// The loss of rows whose labels have the logits `own`. The gradient lacks −`keep` at the label.
#[inline(always)]
pub fn softmax_label<S: Simd>(s: S, a: impl Along, q: Smoothing, z: &[f32], own: S::F, grad: &mut [f32]) -> S::F {
    let top = largest(s, a, z);
    let sum = exponentials(s, a, z, top, grad);
    let (factor, log_sum) = (s.div(s.splat(1.0), sum), math::log(s, sum));
    for grad in grad.chunks_mut(S::N) {
        let e = s.load_part(grad, 0.0);
        s.store_part(grad, s.fma(e, factor, s.splat(-q.even)));
    }
    let label = s.mul(s.splat(q.keep), s.add(s.sub(top, own), log_sum));
    let loss = if q.keep == 0.0 { s.splat(0.0) } else { label }; // not 0 · ∞
    if q.even == 0.0 {
        return loss; // a class that is impossible and not wanted adds nothing
    }
    let (mut below, mut before, fill) = (s.splat(0.0), 0.0, first(s, top));
    for block in a.blocks(z.len()) {
        let mut sum = s.splat(0.0);
        for z in z[block].chunks(S::N) {
            sum = s.add(sum, s.sub(top, s.load_part(z, fill)));
        }
        below = a.sum(s, &mut before, sum);
    }
    let spread = s.fma(s.splat(q.even), below, s.mul(s.splat(q.total), log_sum));
    s.add(loss, spread)
}

/// The loss of rows with target distributions; terms of target 0 are dropped.
#[inline(always)]
pub fn softmax<S: Simd>(s: S, a: impl Along, q: Smoothing, z: &[f32], t: &[f32], grad: &mut [f32]) -> S::F {
    let top = largest(s, a, z);
    let sum = exponentials(s, a, z, top, grad);
    let log_sum = math::log(s, sum);
    let (keep, even, zero) = (s.splat(q.keep), s.splat(q.even), s.splat(0.0));
    let (mut mass, mut before) = (zero, 0.0);
    for block in a.blocks(t.len()) {
        let mut sum = zero;
        for t in t[block].chunks(S::N) {
            sum = s.add(sum, s.load_part(t, 0.0));
        }
        mass = a.sum(s, &mut before, sum);
    }
    let factor = s.div(s.fma(keep, mass, s.splat(q.total)), sum);
    let smallest = s.splat(f32::from_bits(1));
    let (mut loss, mut before) = (zero, 0.0);
    for block in a.blocks(z.len()) {
        let (z, t, grad) = (&z[block.clone()], &t[block.clone()], &mut grad[block]);
        let mut sum = zero;
        for ((z, t), grad) in z.chunks(S::N).zip(t.chunks(S::N)).zip(grad.chunks_mut(S::N)) {
            let target = s.mul(filled(s, t.len()), s.fma(keep, s.load_part(t, 0.0), even));
            let term = s.mul(target, s.add(s.sub(top, s.load_part(z, 0.0)), log_sum));
            sum = s.add(sum, s.select_lt(s.abs(target), smallest, zero, term));
            let e = s.load_part(grad, 0.0);
            s.store_part(grad, s.sub(s.mul(e, factor), target));
        }
        loss = a.sum(s, &mut before, sum);
    }
    loss
}

/// The loss of rows with a probability for each class; `grad` holds the targets before.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, a: impl Along, q: Smoothing, z: &[f32], grad: &mut [f32]) -> S::F {
    let (keep, even) = (s.splat(q.keep), s.splat(q.even));
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    // Two sums: at the start of training one class gives 10 and a thousand give 5e-5 each, which would all be rounded the same way if they
    // were added to it one by one.
    let (mut loss, mut before) = (zero, 0.0);
    for block in a.blocks(z.len()) {
        let (z, grad) = (&z[block.clone()], &mut grad[block]);
        let (mut straight, mut curved) = (zero, zero);
        for (z, grad) in z.chunks(S::N).zip(grad.chunks_mut(S::N)) {
            let filled = filled(s, z.len());
            let target = s.fma(keep, s.load_part(grad, 0.0), even);
            let z = s.load_part(z, 0.0);
            let e = math::exp(s, s.sub(zero, s.abs(z)));
            // softplus(z) − t z = (step(z) − t) z + ln(1 + e): infinite logits too have the loss that they tend to.
            let slope = s.sub(s.select_lt(zero, z, one, zero), target);
            let linear = s.select_le(s.abs(slope), zero, zero, s.mul(slope, z));
            straight = s.fma(filled, linear, straight);
            curved = s.fma(filled, math::log1p(s, e), curved);
            let likelihood = s.div(s.select_lt(z, zero, e, one), s.add(one, e));
            s.store_part(grad, s.sub(likelihood, target));
        }
        loss = a.sum(s, &mut before, s.add(straight, curved));
    }
    loss
}
