//! Optimiser steps on the CPU: one pass over θ and its moments.

#![allow(unsafe_code)]

use super::reference::{self, clip_factor};
use super::threads::{Parts, parallel};
use super::{Input, Output};
use crate::dtype::DType;
use crate::plan::{AdamW, Sgd};

/// Blocks of 64 elements that are worth a task.
const TASK: usize = 256;

/// Runs the plan.
pub fn adamw(p: &AdamW, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::adamw::<f64>(p, inputs, outputs);
    }
    let [g, table, norm2] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let Some(clip) = clip_factor(f64::from(norm2[0]), p.max_norm) else { return };
    let [theta, mu, nu] = outputs else { unreachable!("three vectors are updated in place") };
    let [b1, b2] = p.betas;
    // The corrections of step k are numbers of the whole step: √(ν / c₂) = √ν / √c₂.
    let (c1, c2) = (1.0 - b1.powi(p.step as i32), 1.0 - b2.powi(p.step as i32));
    let (clip, eps, root) = (clip as f32, p.eps as f32, (1.0 / c2.sqrt()) as f32);
    let (k1, k2) = ((1.0 - b1) as f32, (1.0 - b2) as f32);
    let parts = [theta, mu, nu].map(|o| Parts::new(o.values::<f32>()));
    blocks(p.n, |range| {
        // SAFETY: one run of blocks each.
        let [theta, mu, nu] = parts.map(|p| unsafe { p.range(range.clone()) });
        let scale = table[range.start / 64 * 2];
        let keep = (1.0 - f64::from(scale) * p.lr * f64::from(table[range.start / 64 * 2 + 1])) as f32;
        let lr = (f64::from(scale) * p.lr / c1) as f32;
        for (((t, m), v), g) in theta.iter_mut().zip(mu).zip(nu).zip(&g[range]) {
            let g = g * clip;
            *m += k1 * (g - *m);
            *v += k2 * (g * g - *v);
            *t = *t * keep - lr * *m / (v.sqrt() * root + eps);
        }
    });
}

/// Runs the plan.
pub fn sgd(p: &Sgd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::sgd::<f64>(p, inputs, outputs);
    }
    let [g, table, norm2] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let Some(clip) = clip_factor(f64::from(norm2[0]), p.max_norm) else { return };
    let [theta, buffer] = outputs else { unreachable!("two vectors are updated in place") };
    let (clip, momentum) = (clip as f32, p.momentum as f32);
    // Nesterov looks ahead with the momentum itself, at the first step too.
    let (of_g, of_b) = if p.nesterov { (1.0, p.momentum as f32) } else { (0.0, 1.0) };
    let parts = [theta, buffer].map(|o| Parts::new(o.values::<f32>()));
    blocks(p.n, |range| {
        // SAFETY: one run of blocks each.
        let [theta, buffer] = parts.map(|p| unsafe { p.range(range.clone()) });
        let scale = f64::from(table[range.start / 64 * 2]);
        let keep = (1.0 - scale * p.lr * f64::from(table[range.start / 64 * 2 + 1])) as f32;
        let lr = (scale * p.lr) as f32;
        for ((t, b), g) in theta.iter_mut().zip(buffer).zip(&g[range]) {
            let g = g * clip;
            *b = if p.first { g } else { momentum * *b + g };
            *t = *t * keep - lr * (of_g * g + of_b * *b);
        }
    });
}

/// Calls `f` for every block of 64 elements, a run of blocks a task.
fn blocks(n: usize, f: impl Fn(std::ops::Range<usize>) + Sync) {
    let count = n / 64;
    parallel(count.div_ceil(TASK), |t| {
        for block in t * TASK..count.min((t + 1) * TASK) {
            f(block * 64..(block + 1) * 64);
        }
    });
}
