//! A step of an optimiser on the CPU: one pass over θ and the vectors beside it, in vectors.

#![allow(unsafe_code)]

use super::lanes::Lanes;
use super::levels::{Level, dispatch_at, level};
use super::simd::{Kernel, Simd};
use super::tasks::by_blocks;
use super::threads::Parts;
use super::{Input, Output};
use crate::dtype::DType;
use crate::plan::{BLOCK, StepInputs, Update, UpdateRule};

/// Blocks that are worth a task.
const TASK: usize = 256;

/// Runs the plan.
pub fn run<R: UpdateRule<V>, const V: usize>(p: &Update<R, V>, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return in_doubles(p, inputs, outputs);
    }
    run_at(level(), p, inputs, outputs);
}

/// [`run`] in `f32` at a given instruction set.
fn run_at<R: UpdateRule<V>, const V: usize>(
    level: Level,
    p: &Update<R, V>,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) {
    let [g, table, norm] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let Some(clip) = clip_factor(f64::from(norm[0]), p.max_norm) else { return };
    let mut outputs = outputs.iter_mut();
    let parts: [Parts<f32>; V] =
        std::array::from_fn(|_| Parts::new(outputs.next().expect("V vectors are moved").values::<f32>()));
    by_blocks(p.n / BLOCK, TASK, |blocks| {
        let range = blocks.start * BLOCK..blocks.end * BLOCK;
        // SAFETY: one run of blocks each.
        let vectors = parts.map(|p| unsafe { p.range(range.clone()) });
        let table = &table[2 * blocks.start..2 * blocks.end];
        dispatch_at(level, Step { p, clip, table, g: &g[range], vectors });
    });
}

struct Step<'a, R, const V: usize> {
    p: &'a Update<R, V>,
    clip: f64,
    table: &'a [f32],
    g: &'a [f32],
    vectors: [&'a mut [f32]; V],
}

impl<R: UpdateRule<V>, const V: usize> Kernel for Step<'_, R, V> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Step { p, clip, table, g, mut vectors } = self;
        // Copies of their own, that no store to a vector could change: what the formula makes of them is computed once, not at every element.
        let (rule, step, rate, clip) = (p.rule.clone(), p.step, p.lr, Lanes::splat(s, clip));
        for (b, g) in g.chunks_exact(BLOCK).enumerate() {
            let (scale, decay) = (f64::from(table[2 * b]), f64::from(table[2 * b + 1]));
            if scale == 0.0 {
                continue; // frozen: what is kept beside θ stays too
            }
            let (lr, decay) = (Lanes::splat(s, rate * scale), Lanes::splat(s, decay));
            for i in (0..BLOCK).step_by(S::N) {
                let at = b * BLOCK + i;
                let grad = Lanes { s, v: s.load(&g[i..]) } * clip;
                let mut old = [grad; V];
                for (old, vector) in old.iter_mut().zip(&vectors) {
                    old.v = s.load(&vector[at..]);
                }
                let new = rule.step(old, StepInputs { grad, lr, decay, step });
                for (new, vector) in new.iter().zip(&mut vectors) {
                    s.store(&mut vector[at..], new.v);
                }
            }
        }
    }
}

/// The same element by element in double precision.
fn in_doubles<R: UpdateRule<V>, const V: usize>(p: &Update<R, V>, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [g, table, norm] = [0, 1, 2].map(|i| inputs[i].values::<f64>());
    let Some(clip) = clip_factor(norm[0], p.max_norm) else { return };
    for i in 0..p.n {
        let (scale, decay) = (table[i / BLOCK * 2], table[i / BLOCK * 2 + 1]);
        if scale == 0.0 {
            continue;
        }
        let old: [f64; V] = std::array::from_fn(|k| outputs[k].values::<f64>()[i]);
        let new = p.rule.step(old, StepInputs { grad: g[i] * clip, lr: p.lr * scale, decay, step: p.step });
        new.into_iter().zip(&mut *outputs).for_each(|(new, o)| o.values::<f64>()[i] = new);
    }
}

/// `min(1, max_norm / (‖g‖ + 1e-6))` from ‖g‖, or `None` if that is not finite.
fn clip_factor(norm: f64, max_norm: f64) -> Option<f64> {
    norm.is_finite().then(|| (max_norm / (norm + 1e-6)).min(1.0))
}

#[cfg(test)]
mod tests;
