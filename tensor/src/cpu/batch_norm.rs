//! Batch normalisation on the CPU. The batch is seen as a matrix of images × (channels · pixels): a task owns neighbouring channels, and all
//! its passes run along whole rows of them, however few pixels a channel has. What belongs to a channel is repeated for each of its pixels.

#![allow(unsafe_code)]

use super::batch_norm_rows::{COLUMNS, NormBackward, NormForward, Slab};
use super::levels::{Level, dispatch_at, level};
use super::tasks::{TASK, by_blocks};
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{BatchNorm, BatchNormBackward};

/// Runs the plan.
pub fn run(p: &BatchNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::norm::batch_norm::<f64>(p, inputs, outputs),
        _ => forward(level(), p, inputs, outputs),
    }
}

/// Runs the plan.
pub fn backward(p: &BatchNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.0.dtype {
        DType::F64 => reference::norm::batch_norm_backward::<f64>(p, inputs, outputs),
        _ => gradients(level(), p, inputs, outputs),
    }
}

/// Calls `f` with slabs of work enough for a task, and of rows not too short.
fn slabs(p: &BatchNorm, f: impl Fn(Slab) + Sync) {
    let (batch, area, pitch) = (p.batch, p.area, p.channels * p.area);
    let block = (TASK / (batch * area)).max(64usize.div_ceil(area)).min((COLUMNS / area).max(1));
    by_blocks(p.channels, block, |channels| f(Slab { batch, pitch, area, channels }));
}

fn forward(level: Level, p: &BatchNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, bias, mean, var] = [0, 1, 2, 3, 4].map(|i| inputs[i].values::<f32>());
    let [y, stats, new_mean, new_var] = outputs else { unreachable!("y, statistics and running values") };
    let [y, stats, new_mean, new_var] = [y, stats, new_mean, new_var].map(|o| Parts::new(o.values::<f32>()));
    let count = (p.batch * p.area) as f64;
    let unbias = (count / (count - 1.0).max(1.0)) as f32;
    let blend = |old: f32, new: f32| old + p.momentum as f32 * (new - old);
    slabs(p, |slab| {
        let c = slab.channels.clone();
        // SAFETY: each task has its own channels.
        let (stats, new_mean, new_var) =
            unsafe { (stats.range(2 * c.start..2 * c.end), new_mean.range(c.clone()), new_var.range(c.clone())) };
        let (weight, bias, eps) = (&weight[c.clone()], &bias[c.clone()], p.eps as f32);
        dispatch_at(level, NormForward { slab, x, y, weight, bias, eps, mean: new_mean, var: new_var, stats });
        for (i, old) in c.enumerate() {
            new_mean[i] = blend(mean[old], new_mean[i]);
            new_var[i] = blend(var[old], new_var[i] * unbias);
        }
    });
}

fn gradients(level: Level, p: &BatchNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, dy, stats] = [0, 1, 2, 3].map(|i| inputs[i].values::<f32>());
    let [dx, dweight, dbias] = outputs else { unreachable!("three gradients") };
    let [dx, dweight, dbias] = [dx, dweight, dbias].map(|o| Parts::new(o.values::<f32>()));
    slabs(&p.0, |slab| {
        let c = slab.channels.clone();
        // SAFETY: each task has its own channels.
        let (dweight, dbias) = unsafe { (dweight.range(c.clone()), dbias.range(c.clone())) };
        let (weight, stats) = (&weight[c.clone()], &stats[2 * c.start..2 * c.end]);
        dispatch_at(level, NormBackward { slab, x, dy, dx, weight, stats, dweight, dbias });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, Value, check, expected};

    const SHAPES: [[usize; 3]; 9] = [
        [1, 1, 1],
        [1, 3, 5],
        [9, 700, 1],
        [33, 5, 1],
        [4, 40, 16],
        [3, 70, 49],
        [2, 3, 5000],
        [40, 2, 900],
        [6, 17, 7],
    ];

    fn plan([batch, channels, area]: [usize; 3]) -> impl Fn(DType) -> BatchNorm {
        let shape = vec![batch, channels, area];
        move |dtype| BatchNorm { dtype, batch, channels, area, eps: 1e-5, momentum: 0.1, shape: shape.clone() }
    }

    /// Σ f over the elements of every channel.
    fn sums([_, channels, area]: [usize; 3], len: usize, f: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; channels];
        (0..len).for_each(|e| sums[e / area % channels] += f(e));
        sums
    }

    #[test]
    fn channels_are_normalised_and_running_values_move() {
        let mut random = Random(12);
        for shape @ [batch, channels, area] in SHAPES {
            let len = batch * channels * area;
            let x: Vec<f64> = random.reals(len, 1.0).iter().map(|x| f64::from((x - 2.0) as f32)).collect();
            let [weight, bias, mean, var] = [0; 4].map(|_: usize| random.reals(channels, 1.0));
            let inputs = [&x, &weight, &bias, &mean, &var].map(|v| Value::Real(v.clone()));
            let want = expected(&plan(shape)(DType::F64), &inputs, None);
            // columns are summed over images, then channels over columns, in at least eight lanes
            let terms = (batch + area / 8 + 20) as f64 * EPS;
            let magnitude = sums(shape, len, |e| x[e].abs() / (batch * area) as f64);
            let bound = |o: usize, e: usize, w: f64| {
                let c = [e / area % channels, e / 2, e, e][o];
                let (shift, rstd) = (terms * magnitude[c], want[1][2 * c + 1]);
                let scale = terms + (shift * rstd).powi(2);
                match (o, e % 2) {
                    (0, _) => {
                        let hat = (x[e] - want[1][2 * c]).abs() * rstd;
                        weight[c].abs() * (hat * scale + 1.1 * shift * rstd) + 3.0 * EPS * (w.abs() + bias[c].abs())
                    }
                    (1, 1) => w * scale,
                    (1 | 2, _) => shift + 3.0 * EPS * (w.abs() + mean[c].abs()),
                    _ => (scale + 4.0 * EPS) * rstd.powi(-2) + 3.0 * EPS * (w.abs() + var[c].abs()),
                }
            };
            check(plan(shape), &inputs, forward, bound);
        }
    }

    #[test]
    fn gradients_match() {
        let mut random = Random(13);
        for shape @ [batch, channels, area] in SHAPES {
            let (len, count) = (batch * channels * area, (batch * area) as f64);
            let [x, weight, dy] = [len, channels, len].map(|n| random.reals(n, 1.0));
            let mut inputs = [&x, &weight, &weight, &weight, &weight].map(|v| Value::Real(v.clone()));
            let stats = expected(&plan(shape)(DType::F64), &inputs, None).swap_remove(1);
            let stats: Vec<f64> = stats.iter().map(|s| f64::from(*s as f32)).collect();
            inputs[2] = Value::Real(dy.clone());
            inputs[3] = Value::Real(stats.clone());
            let channel = |e: usize| e / area % channels;
            let hat = |e: usize| ((x[e] - stats[2 * channel(e)]) * stats[2 * channel(e) + 1]).abs();
            let terms = (batch + area / 8 + 20) as f64 * EPS;
            let dweight = sums(shape, len, |e| dy[e].abs() * hat(e));
            let dbias = sums(shape, len, |e| dy[e].abs());
            let bound = |o: usize, e: usize, _| match o {
                0 => {
                    let c = channel(e);
                    let mean = dbias[c] + hat(e) * dweight[c];
                    (weight[c] * stats[2 * c + 1]).abs() * (6.0 * EPS * dy[e].abs() + terms * mean / count)
                }
                1 => terms * dweight[e],
                _ => terms * dbias[e],
            };
            check(|dtype| BatchNormBackward(plan(shape)(dtype)), &inputs[..4], gradients, bound);
        }
    }
}
