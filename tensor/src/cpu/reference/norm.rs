//! Layer and batch normalisation.

use super::tree_sum;
use crate::cpu::{Input, Output};
use crate::dtype::Float;
use crate::plan::{BatchNorm, BatchNormBackward, LayerNorm, LayerNormBackward};

/// Mean and biased variance of `n` numbers, in two passes, so that a large mean costs no digits.
fn moments<T: Float>(n: usize, at: &impl Fn(usize) -> T) -> (T, T) {
    let count = T::from_f64(n as f64);
    let rough = tree_sum(n, at) / count;
    // What the rounding of the mean left, which is as large as the deviations where the mean is large.
    let mean = rough + tree_sum(n, &|i| at(i) - rough) / count;
    let var = tree_sum(n, &|i| (at(i) - mean) * (at(i) - mean)) / count;
    (mean, var)
}

/// Forward over rows.
pub fn layer_norm<T: Float>(p: &LayerNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, bias] = [0, 1, 2].map(|i| inputs[i].values::<T>());
    let [y, stats] = outputs else { unreachable!("y and its statistics") };
    let (y, stats) = (y.values::<T>(), stats.values::<T>());
    for row in 0..p.rows {
        let x = &x[row * p.n..][..p.n];
        let (mean, var) = moments(p.n, &|i| x[i]);
        let rstd = T::ONE / (var + T::from_f64(p.eps)).sqrt();
        (stats[2 * row], stats[2 * row + 1]) = (mean, rstd);
        for i in 0..p.n {
            y[row * p.n + i] = (x[i] - mean) * rstd * weight[i] + bias[i];
        }
    }
}

/// Backward over rows.
pub fn layer_norm_backward<T: Float>(p: &LayerNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, dy, stats] = [0, 1, 2, 3].map(|i| inputs[i].values::<T>());
    let (rows, n) = (p.0.rows, p.0.n);
    let count = T::from_f64(n as f64);
    let hat = |r: usize, i: usize| (x[r * n + i] - stats[2 * r]) * stats[2 * r + 1];
    let dx = outputs[0].values::<T>();
    for r in 0..rows {
        let g = |i: usize| dy[r * n + i] * weight[i];
        let a = tree_sum(n, &g) / count;
        let b = tree_sum(n, &|i| g(i) * hat(r, i)) / count;
        for i in 0..n {
            dx[r * n + i] = stats[2 * r + 1] * (g(i) - a - hat(r, i) * b);
        }
    }
    for i in 0..n {
        outputs[1].values::<T>()[i] = tree_sum(rows, &|r| dy[r * n + i] * hat(r, i));
        outputs[2].values::<T>()[i] = tree_sum(rows, &|r| dy[r * n + i]);
    }
}

/// Forward over channels.
pub fn batch_norm<T: Float>(p: &BatchNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, bias, running_mean, running_var] = [0, 1, 2, 3, 4].map(|i| inputs[i].values::<T>());
    let [y, stats, new_mean, new_var] = outputs else { unreachable!("y, statistics and running values") };
    let (y, stats) = (y.values::<T>(), stats.values::<T>());
    let count = p.batch * p.area;
    let unbias = T::from_f64(count as f64 / (count as f64 - 1.0).max(1.0));
    let blend = |old: T, new: T| old + T::from_f64(p.momentum) * (new - old);
    for c in 0..p.channels {
        let offset = |e: usize| (e / p.area * p.channels + c) * p.area + e % p.area;
        let (mean, var) = moments(count, &|e| x[offset(e)]);
        let rstd = T::ONE / (var + T::from_f64(p.eps)).sqrt();
        (stats[2 * c], stats[2 * c + 1]) = (mean, rstd);
        for e in 0..count {
            y[offset(e)] = (x[offset(e)] - mean) * rstd * weight[c] + bias[c];
        }
        new_mean.values::<T>()[c] = blend(running_mean[c], mean);
        new_var.values::<T>()[c] = blend(running_var[c], var * unbias);
    }
}

/// Backward over channels.
pub fn batch_norm_backward<T: Float>(p: &BatchNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, dy, stats] = [0, 1, 2, 3].map(|i| inputs[i].values::<T>());
    let p = &p.0;
    let count = p.batch * p.area;
    let scale = T::ONE / T::from_f64(count as f64);
    for c in 0..p.channels {
        let offset = |e: usize| (e / p.area * p.channels + c) * p.area + e % p.area;
        let (mean, rstd) = (stats[2 * c], stats[2 * c + 1]);
        let hat = |e: usize| (x[offset(e)] - mean) * rstd;
        let dbias = tree_sum(count, &|e| dy[offset(e)]);
        let dweight = tree_sum(count, &|e| dy[offset(e)] * hat(e));
        for e in 0..count {
            let g = dy[offset(e)] - dbias * scale - hat(e) * dweight * scale;
            outputs[0].values::<T>()[offset(e)] = weight[c] * rstd * g;
        }
        outputs[1].values::<T>()[c] = dweight;
        outputs[2].values::<T>()[c] = dbias;
    }
}
