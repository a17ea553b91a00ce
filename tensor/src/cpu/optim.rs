//! Optimiser steps on the CPU: one pass over θ and its moments, in vectors.

#![allow(unsafe_code)]

use super::reference::{self, clip_factor};
use super::simd::{Kernel, Level, Simd, dispatch_at, level};
use super::tasks::by_blocks;
use super::threads::Parts;
use super::{Input, Output};
use crate::dtype::DType;
use crate::plan::{AdamW, Sgd};

/// Elements that share a learning rate and a decay.
const BLOCK: usize = 64;
/// Blocks that are worth a task.
const TASK: usize = 256;

/// Runs the plan.
pub fn adamw(p: &AdamW, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::adamw::<f64>(p, inputs, outputs);
    }
    adamw_at(level(), p, inputs, outputs);
}

/// [`adamw`] in `f32` at a given instruction set.
fn adamw_at(level: Level, p: &AdamW, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [g, table, norm] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let Some(clip) = clip_factor(f64::from(norm[0]), p.max_norm) else { return };
    let [theta, mu, nu] = outputs else { unreachable!("three vectors are updated in place") };
    let parts = [theta, mu, nu].map(|o| Parts::new(o.values::<f32>()));
    by_blocks(p.n / BLOCK, TASK, |blocks| {
        let range = blocks.start * BLOCK..blocks.end * BLOCK;
        // SAFETY: one run of blocks each.
        let [theta, mu, nu] = parts.map(|p| unsafe { p.range(range.clone()) });
        let table = &table[2 * blocks.start..2 * blocks.end];
        dispatch_at(level, AdamWStep { p, clip: clip as f32, table, g: &g[range], theta, mu, nu });
    });
}

struct AdamWStep<'a> {
    p: &'a AdamW,
    clip: f32,
    table: &'a [f32],
    g: &'a [f32],
    theta: &'a mut [f32],
    mu: &'a mut [f32],
    nu: &'a mut [f32],
}

impl Kernel for AdamWStep<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let AdamWStep { p, clip, table, g, theta, mu, nu } = self;
        let [b1, b2] = p.betas;
        // The corrections are numbers of the whole step: √(ν / c₂) = √ν / √c₂.
        let (c1, c2) = (1.0 - b1.powi(p.step as i32), 1.0 - b2.powi(p.step as i32));
        let (k1, k2) = (s.splat((1.0 - b1) as f32), s.splat((1.0 - b2) as f32));
        let (clip, root, eps) = (s.splat(clip), s.splat((1.0 / c2.sqrt()) as f32), s.splat(p.eps as f32));
        for (b, g) in g.chunks_exact(BLOCK).enumerate() {
            let (lr, decay) = rates(&table[2 * b..], p.lr);
            if table[2 * b] == 0.0 {
                continue; // frozen: the moments too stay as they are
            }
            let (lr, decay) = (s.splat((lr / c1) as f32), s.splat(decay as f32));
            for i in (0..BLOCK).step_by(S::N) {
                let at = b * BLOCK + i;
                let g = s.mul(s.load(&g[i..]), clip);
                let (t, m, v) = (s.load(&theta[at..]), s.load(&mu[at..]), s.load(&nu[at..]));
                let m = s.fma(k1, s.sub(g, m), m);
                let v = s.fma(k2, s.sub(s.mul(g, g), v), v);
                let step = s.div(s.mul(lr, m), s.fma(s.sqrt(v), root, eps));
                s.store(&mut mu[at..], m);
                s.store(&mut nu[at..], v);
                // Subtracted, not multiplied by 1 − decay: that would round the decay to the digits of 1.
                s.store(&mut theta[at..], s.sub(t, s.fma(decay, t, step)));
            }
        }
    }
}

/// A block's learning rate, and the share of θ that it decays by, from its (scale, decay) and the step's learning rate.
#[inline(always)]
fn rates(table: &[f32], lr: f64) -> (f64, f64) {
    let lr = f64::from(table[0]) * lr;
    (lr, lr * f64::from(table[1]))
}

/// Runs the plan.
pub fn sgd(p: &Sgd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::sgd::<f64>(p, inputs, outputs);
    }
    sgd_at(level(), p, inputs, outputs);
}

/// [`sgd`] in `f32` at a given instruction set.
fn sgd_at(level: Level, p: &Sgd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [g, table, norm] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let Some(clip) = clip_factor(f64::from(norm[0]), p.max_norm) else { return };
    let [theta, buffer] = outputs else { unreachable!("two vectors are updated in place") };
    let parts = [theta, buffer].map(|o| Parts::new(o.values::<f32>()));
    by_blocks(p.n / BLOCK, TASK, |blocks| {
        let range = blocks.start * BLOCK..blocks.end * BLOCK;
        // SAFETY: one run of blocks each.
        let [theta, buffer] = parts.map(|p| unsafe { p.range(range.clone()) });
        let table = &table[2 * blocks.start..2 * blocks.end];
        dispatch_at(level, SgdStep { p, clip: clip as f32, table, g: &g[range], theta, buffer });
    });
}

struct SgdStep<'a> {
    p: &'a Sgd,
    clip: f32,
    table: &'a [f32],
    g: &'a [f32],
    theta: &'a mut [f32],
    buffer: &'a mut [f32],
}

impl Kernel for SgdStep<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let SgdStep { p, clip, table, g, theta, buffer } = self;
        let (clip, momentum) = (s.splat(clip), s.splat(p.momentum as f32));
        for (b, g) in g.chunks_exact(BLOCK).enumerate() {
            let (lr, decay) = rates(&table[2 * b..], p.lr);
            if table[2 * b] == 0.0 {
                continue; // frozen: the buffer too stays as it is
            }
            let (lr, decay) = (s.splat(lr as f32), s.splat(decay as f32));
            for i in (0..BLOCK).step_by(S::N) {
                let at = b * BLOCK + i;
                let g = s.mul(s.load(&g[i..]), clip);
                let t = s.load(&theta[at..]);
                let old = s.load(&buffer[at..]);
                let v = if p.first { g } else { s.fma(momentum, old, g) }; // what the first step finds there means nothing
                let step = if p.nesterov { s.fma(momentum, v, g) } else { v };
                s.store(&mut buffer[at..], v);
                s.store(&mut theta[at..], s.sub(t, s.fma(decay, t, s.mul(lr, step))));
            }
        }
    }
}

#[cfg(test)]
mod tests;
