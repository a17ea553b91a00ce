//! Softmax, its logarithm, and the cross-entropies.

use super::tree_sum;
use crate::cpu::{Input, Output};
use crate::dtype::Float;
use crate::plan::{CrossEntropy, Likelihood, Softmax, SoftmaxBackward, Target};

/// `t` and `ln Σ e^(x − t)` of a row, t its largest. Their sum is the log-sum-exp, but it is never formed: next to a t of 1e4 it would have lost
/// the digits of the logarithm that the softmax consists of.
fn log_sum_exp<T: Float>(row: &[T]) -> (T, T) {
    let top = row.iter().copied().fold(T::from_f64(f64::NEG_INFINITY), |a, b| if b > a || b.is_nan() { b } else { a });
    (top, tree_sum(row.len(), &|i| (row[i] - top).exp()).ln())
}

/// Forward.
pub fn softmax<T: Float>(p: &Softmax, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (x, y) = (inputs[0].values::<T>(), outputs[0].values::<T>());
    for (x, y) in x.chunks_exact(p.n.max(1)).zip(y.chunks_exact_mut(p.n.max(1))) {
        let (top, rest) = log_sum_exp(x);
        for (x, y) in x.iter().zip(y) {
            let log = *x - top - rest;
            *y = if p.log { log } else { log.exp() };
        }
    }
}

/// Backward.
pub fn softmax_backward<T: Float>(p: &SoftmaxBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (y, dy, dx) = (inputs[0].values::<T>(), inputs[1].values::<T>(), outputs[0].values::<T>());
    let n = p.0.n.max(1);
    for ((y, dy), dx) in y.chunks_exact(n).zip(dy.chunks_exact(n)).zip(dx.chunks_exact_mut(n)) {
        let sum = tree_sum(n, &|i| if p.0.log { dy[i] } else { dy[i] * y[i] });
        for i in 0..n {
            dx[i] = if p.0.log { dy[i] - y[i].exp() * sum } else { y[i] * (dy[i] - sum) };
        }
    }
}

/// Loss and gradient of each row.
pub fn cross_entropy<T: Float>(p: &CrossEntropy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let z = inputs[0].values::<T>();
    let c = p.classes;
    let [loss, grad] = outputs else { unreachable!("a loss and a gradient") };
    let (loss, grad) = (loss.values::<T>(), grad.values::<T>());
    for row in 0..p.rows {
        let target = |k: usize| -> T {
            let t = match p.target {
                Target::Index => f64::from(inputs[1].values::<u32>()[row] as usize == k),
                Target::Distribution => inputs[1].values::<T>()[row * c + k].to_f64(),
            };
            T::from_f64((1.0 - p.smoothing) * t + p.smoothing / c as f64)
        };
        let z = &z[row * c..(row + 1) * c];
        let grad = &mut grad[row * c..(row + 1) * c];
        if p.target == Target::Index && inputs[1].values::<u32>()[row] as usize >= c {
            loss[row] = T::ZERO;
            grad.fill(T::ZERO);
            continue;
        }
        loss[row] = match p.likelihood {
            Likelihood::Softmax => softmax_row(z, &target, grad),
            Likelihood::Sigmoid => sigmoid_row(z, &target, grad),
        };
    }
}

fn softmax_row<T: Float>(z: &[T], target: &impl Fn(usize) -> T, grad: &mut [T]) -> T {
    let (top, rest) = log_sum_exp(z);
    let mass = tree_sum(z.len(), target);
    for (k, g) in grad.iter_mut().enumerate() {
        *g = (z[k] - top - rest).exp() * mass - target(k);
    }
    tree_sum(z.len(), &|k| match target(k) {
        t if t == T::ZERO => T::ZERO, // also where z is −∞
        t => t * (top - z[k] + rest),
    })
}

fn sigmoid_row<T: Float>(z: &[T], target: &impl Fn(usize) -> T, grad: &mut [T]) -> T {
    for (k, g) in grad.iter_mut().enumerate() {
        *g = T::from_f64(crate::expr::UnaryOp::Sigmoid.exact(z[k].to_f64())) - target(k);
    }
    tree_sum(z.len(), &|k| {
        let (z, t) = (z[k].to_f64(), target(k).to_f64());
        let slope = f64::from(z > 0.0) - t;
        T::from_f64(if slope == 0.0 { 0.0 } else { slope * z } + (-z.abs()).exp().ln_1p())
    })
}
