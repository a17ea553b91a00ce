//! Formulas of optimisers with which the CPU's loops and the GPU's kernels are tried; who uses them imports what they are made of.

use super::{Numeric, StepInputs, UpdateRule};

/// Adam with decoupled weight decay.
#[derive(Clone)]
pub struct AdamW;

impl UpdateRule<3> for AdamW {
    const NAME: &'static str = "adamw";
    const VECTORS: [&'static str; 3] = ["theta", "m", "v"];
    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, m, v]: [X; 3], at: StepInputs<X>) -> [X; 3] {
        let m = m + (at.grad - m) * 0.1;
        let v = v + (at.grad.square() - v) * 0.001;
        let [c1, c2] = [0.9f64, 0.999].map(|beta| 1.0 - beta.powi(at.step as i32));
        let step = at.lr * (1.0 / c1) * m / (v.sqrt() * (1.0 / c2.sqrt()) + 1e-8);
        [theta - (at.lr * at.decay * theta + step), m, v]
    }
}

/// In Nesterov's form or not.
#[derive(Clone)]
pub struct Sgd(pub bool);

impl UpdateRule<2> for Sgd {
    const NAME: &'static str = "sgd";
    const VECTORS: [&'static str; 2] = ["theta", "b"];
    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, b]: [X; 2], at: StepInputs<X>) -> [X; 2] {
        let b = if at.step == 1 { at.grad } else { b * 0.9 + at.grad };
        let step = if self.0 { b * 0.9 + at.grad } else { b };
        [theta - (at.lr * at.decay * theta + at.lr * step), b]
    }
}

/// Every function of a number, and the rest of the operations.
#[derive(Clone)]
pub struct All;

impl UpdateRule<4> for All {
    const NAME: &'static str = "all";
    const VECTORS: [&'static str; 4] = ["theta", "a", "b", "c"];
    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, a, b, c]: [X; 4], at: StepInputs<X>) -> [X; 4] {
        let (positive, g) = (a.square() + 0.5, at.grad);
        let theta = theta.tanh() + positive.log() - positive.sqrt() / 2.0 + (-b.abs()).exp() - 0.25;
        let one = b.if_less(c, g, theta) * 0.5 + b.sign();
        [theta, one, b.max(c) - g.min(a), -c / (positive * 3.0)]
    }
}
