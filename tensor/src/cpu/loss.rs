//! Cross-entropies on the CPU: loss and gradient of a row while it is in cache.

#![allow(unsafe_code)]

use super::levels::{Level, dispatch_at, level};
use super::long_sums::SHORT;
use super::loss_rows::{Smoothing, sigmoid, softmax, softmax_label};
use super::rows::*;
use super::simd::{Kernel, Simd};
use super::simd_x2::X2;
use super::tasks::by_rows;
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{CrossEntropy, Likelihood, Target};
use std::ops::Range;

/// Runs the plan.
pub fn run(p: &CrossEntropy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::rows::cross_entropy::<f64>(p, inputs, outputs),
        _ => fast(level(), p, inputs, outputs),
    }
}

fn fast(level: Level, p: &CrossEntropy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let c = p.classes;
    let z = inputs[0].values::<f32>();
    let targets = match p.target {
        Target::Index => Targets::Labels(inputs[1].values()),
        Target::Distribution => Targets::Distributions(inputs[1].values()),
    };
    let [loss, grad] = outputs else { unreachable!("a loss and a gradient") };
    if c == 0 {
        return loss.values::<f32>().fill(0.0);
    }
    let (loss, grad) = (Parts::new(loss.values::<f32>()), Parts::new(grad.values::<f32>()));
    by_rows(p.rows, c, |rows| {
        let at = rows.start * c..rows.end * c;
        // SAFETY: each task has its own rows.
        let (loss, grad) = unsafe { (loss.range(rows.clone()), grad.range(at.clone())) };
        let (smoothing, targets) = (Smoothing::new(p.smoothing, c), targets.rows(rows, c));
        dispatch_at(level, RowLosses { likelihood: p.likelihood, smoothing, c, z: &z[at], targets, loss, grad });
    });
}

#[derive(Clone, Copy)]
enum Targets<'a> {
    Labels(&'a [u32]),
    Distributions(&'a [f32]),
}

impl Targets<'_> {
    fn rows(&self, rows: Range<usize>, c: usize) -> Self {
        match self {
            Targets::Labels(labels) => Targets::Labels(&labels[rows]),
            Targets::Distributions(t) => Targets::Distributions(&t[rows.start * c..rows.end * c]),
        }
    }
}

struct RowLosses<'a> {
    likelihood: Likelihood,
    smoothing: Smoothing,
    c: usize,
    z: &'a [f32],
    targets: Targets<'a>,
    loss: &'a mut [f32],
    grad: &'a mut [f32],
}

impl Kernel for RowLosses<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        if self.c <= NARROW {
            for r in (0..self.loss.len()).step_by(S::N) {
                self.side_by_side(s, r);
            }
        } else {
            for r in 0..self.loss.len() {
                match self.c > SHORT {
                    true => self.row(X2(s), AlongRow::<true>, r),
                    false => self.row(X2(s), AlongRow::<false>, r),
                }
            }
        }
        self.leave_out();
    }
}

impl RowLosses<'_> {
    /// A row by itself.
    #[inline(always)]
    fn row<S: Simd>(&mut self, s: S, a: impl Along, r: usize) {
        let (at, q) = (r * self.c..(r + 1) * self.c, self.smoothing);
        let (z, grad) = (&self.z[at.clone()], &mut self.grad[at.clone()]);
        let loss = match (self.likelihood, self.targets) {
            (Likelihood::Softmax, Targets::Labels(labels)) => {
                let label = (labels[r] as usize).min(self.c - 1);
                let loss = softmax_label(s, a, q, z, s.splat(z[label]), grad);
                grad[label] -= q.keep;
                loss
            }
            (Likelihood::Softmax, Targets::Distributions(t)) => softmax(s, a, q, z, &t[at], grad),
            (Likelihood::Sigmoid, Targets::Labels(labels)) => {
                grad.fill(0.0);
                grad[(labels[r] as usize).min(self.c - 1)] = 1.0;
                sigmoid(s, a, q, z, grad)
            }
            (Likelihood::Sigmoid, Targets::Distributions(t)) => {
                grad.copy_from_slice(&t[at]);
                sigmoid(s, a, q, z, grad)
            }
        };
        s.store_part(&mut self.loss[r..r + 1], loss);
    }

    /// As many short rows as a vector has lanes, from row `r` on.
    #[inline(always)]
    fn side_by_side<S: Simd>(&mut self, s: S, r: usize) {
        let (c, q, block) = (self.c, self.smoothing, self.c * S::N);
        let end = self.loss.len().min(r + S::N);
        let at = r * c..end * c;
        let [mut z, mut t, mut grad]: [Lanes; 3] = [[0.0; _]; 3];
        to_lanes(&self.z[at.clone()], c, S::N, &mut z);
        let (z, grad_lanes) = (&z[..block], &mut grad[..block]);
        let loss = match (self.likelihood, self.targets) {
            (Likelihood::Softmax, Targets::Labels(labels)) => {
                let mut own = [0.0; 16];
                for (lane, label) in labels[r..end].iter().enumerate() {
                    own[lane] = z[(*label as usize).min(c - 1) * S::N + lane];
                }
                softmax_label(s, AcrossRows, q, z, s.load(&own), grad_lanes)
            }
            (Likelihood::Softmax, Targets::Distributions(targets)) => {
                to_lanes(&targets[at.clone()], c, S::N, &mut t);
                softmax(s, AcrossRows, q, z, &t[..block], grad_lanes)
            }
            (Likelihood::Sigmoid, Targets::Labels(labels)) => {
                for (lane, label) in labels[r..end].iter().enumerate() {
                    grad_lanes[(*label as usize).min(c - 1) * S::N + lane] = 1.0;
                }
                sigmoid(s, AcrossRows, q, z, grad_lanes)
            }
            (Likelihood::Sigmoid, Targets::Distributions(targets)) => {
                to_lanes(&targets[at.clone()], c, S::N, &mut grad);
                sigmoid(s, AcrossRows, q, z, &mut grad[..block])
            }
        };
        s.store_part(&mut self.loss[r..end], loss);
        from_lanes(&grad, c, S::N, &mut self.grad[at]);
        if let (Likelihood::Softmax, Targets::Labels(labels)) = (self.likelihood, self.targets) {
            for (r, label) in (r..end).zip(&labels[r..end]) {
                self.grad[r * c + (*label as usize).min(c - 1)] -= q.keep;
            }
        }
    }

    /// Rows whose label is beyond the classes count nothing.
    fn leave_out(&mut self) {
        let Targets::Labels(labels) = self.targets else { return };
        for (r, label) in labels.iter().enumerate() {
            if *label as usize >= self.c {
                self.loss[r] = 0.0;
                self.grad[r * self.c..(r + 1) * self.c].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, Value, check, expected};

    fn plan(
        likelihood: Likelihood,
        target: Target,
        smoothing: f64,
        [rows, classes]: [usize; 2],
    ) -> impl Fn(DType) -> CrossEntropy {
        move |dtype| CrossEntropy { dtype, likelihood, target, smoothing, rows, classes }
    }

    /// Distributions, some of whose terms are 0, and the like of labels, of which some are ignored.
    fn targets(random: &mut Random, target: Target, [rows, classes]: [usize; 2]) -> (Value, Vec<f64>) {
        if target == Target::Index {
            let label = |i: usize| if i < classes { i as u32 } else { u32::MAX };
            let labels: Vec<u32> = (0..rows).map(|_| label(random.below(classes + 1))).collect();
            let hot = |e: usize| f64::from(labels[e / classes] as usize == e % classes);
            let t = (0..rows * classes).map(hot).collect();
            return (Value::Index(labels), t);
        }
        let mut t: Vec<f64> = random.reals(rows * classes, 1.0).iter().map(|t| t.max(0.0)).collect();
        for row in t.chunks_mut(classes) {
            let mass: f64 = row.iter().sum::<f64>().max(0.1);
            row.iter_mut().for_each(|t| *t = f64::from((*t / mass) as f32));
        }
        (Value::Real(t.clone()), t)
    }

    #[test]
    fn losses_and_gradients_match_for_every_kind_of_target() {
        let mut random = Random(11);
        for shape @ [rows, classes] in
            [[1, 1], [0, 3], [5, 2], [37, 10], [16, 16], [3, 17], [9, 100], [2, 1000], [1, 9001]]
        {
            for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
                for target in [Target::Index, Target::Distribution] {
                    for smoothing in [0.0, 0.1] {
                        let z = random.reals(rows * classes, 8.0);
                        let (value, t) = targets(&mut random, target, shape);
                        let smooth = |t: f64| (1.0 - smoothing) * t + smoothing / classes as f64;
                        // sums run in at least eight lanes, or over at most sixteen classes
                        let terms = (classes / 8 + 30) as f64 * EPS;
                        let log = (classes as f64).ln();
                        let bound = |o: usize, e: usize, w: f64| match (o, likelihood) {
                            (0, Likelihood::Softmax) => terms * (w + 2.0),
                            (0, Likelihood::Sigmoid) => {
                                let magnitude = |k: usize| 1.0 + z[e * classes + k].abs();
                                terms * (0..classes).map(magnitude).sum::<f64>()
                            }
                            _ => {
                                let p = w.abs() + smooth(t[e]);
                                terms * p + EPS * p * (p.max(1e-30).ln().abs() + log)
                            }
                        };
                        let plan = plan(likelihood, target, smoothing, shape);
                        check(plan, &[Value::Real(z.clone()), value], fast, bound);
                    }
                }
            }
        }
    }

    #[test]
    fn certain_and_impossible_classes_keep_their_digits() {
        for classes in [4, 40] {
            for (likelihood, low) in [(Likelihood::Softmax, f64::NEG_INFINITY), (Likelihood::Sigmoid, -1e5)] {
                let mut z = vec![low; 4 * classes];
                z[..4].copy_from_slice(&[1e4, 1e4 - 1.0, -1e4, 2.0]);
                z[classes..2 * classes].fill(-60.0);
                z[classes] = 30.0;
                z[2 * classes] = 1.0;
                z[3 * classes + 1] = f64::NAN;
                let inputs = [Value::Real(z.clone()), Value::Index(vec![1, 0, 0, 1])];
                let plan = plan(likelihood, Target::Index, 0.0, [4, classes]);
                let want = expected(&plan(DType::F64), &inputs, None);
                assert!(want[0][0] > 0.0);
                let bound = |o: usize, _, w: f64| 40.0 * EPS * if o == 0 { w.abs() } else { 1.0 };
                check(plan, &inputs, fast, bound);
            }
        }
    }
}
