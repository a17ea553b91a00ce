//! Layer normalisation on the CPU: a row is read once from memory and walked again in cache.

#![allow(unsafe_code)]

use super::levels::{Level, dispatch_at, level};
use super::long_sums::{CHAIN, LongSums, SHORT, blocks};
use super::scratch::Scratch;
use super::simd::{Kernel, Simd};
use super::simd_x2::X2;
use super::tasks::{TASK, add_partials, by_blocks, by_rows};
use super::threads::Parts;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{LayerNorm, LayerNormBackward};

/// Most rows whose parameter gradients are summed one after the other.
const ROWS: usize = 512;

/// Runs the plan.
pub fn run(p: &LayerNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::norm::layer_norm::<f64>(p, inputs, outputs),
        _ => forward(level(), p, inputs, outputs),
    }
}

/// Runs the plan.
pub fn backward(p: &LayerNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.0.dtype {
        DType::F64 => reference::norm::layer_norm_backward::<f64>(p, inputs, outputs),
        _ => gradients(level(), p, inputs, outputs),
    }
}

fn forward(level: Level, p: &LayerNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let [x, weight, bias] = [0, 1, 2].map(|i| inputs[i].values::<f32>());
    let [y, stats] = outputs else { unreachable!("y and its statistics") };
    let (y, stats) = (Parts::new(y.values::<f32>()), Parts::new(stats.values::<f32>()));
    by_rows(p.rows, p.n, |rows| {
        let at = rows.start * p.n..rows.end * p.n;
        // SAFETY: each task has its own rows.
        let (y, stats) = unsafe { (y.range(at.clone()), stats.range(2 * rows.start..2 * rows.end)) };
        dispatch_at(level, Norm { x: &x[at], y, stats, weight, bias, eps: p.eps as f32 });
    });
}

fn gradients(level: Level, p: &LayerNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (rows, n) = (p.0.rows, p.0.n);
    let [x, weight, dy, stats] = [0, 1, 2, 3].map(|i| inputs[i].values::<f32>());
    let [dx, dweight, dbias] = outputs else { unreachable!("three gradients") };
    let dx = Parts::new(dx.values::<f32>());
    // Partial sums belong to tasks, not to threads: the result does not depend on who runs them.
    let block = (TASK / n).clamp(1, ROWS);
    let mut sums = Scratch::zeros(rows.div_ceil(block).max(1) * 2 * n);
    let parts = Parts::new(&mut sums);
    by_blocks(rows, block, |rows| {
        let task = rows.start / block;
        // SAFETY: each task has its own sums.
        let mut sums = LongSums::new(unsafe { parts.range(task * 2 * n..(task + 1) * 2 * n) });
        for first in rows.clone().step_by(CHAIN) {
            let rows = first..rows.end.min(first + CHAIN);
            let at = rows.start * n..rows.end * n;
            // SAFETY: each task has its own rows.
            let dx = unsafe { dx.range(at.clone()) };
            let (dweight, dbias) = sums.room_for(rows.len()).split_at_mut(n);
            let stats = &stats[2 * rows.start..2 * rows.end];
            dispatch_at(level, Gradient { x: &x[at.clone()], dy: &dy[at], dx, stats, weight, dweight, dbias });
        }
        sums.finish();
    });
    add_partials(&mut sums, 2 * n);
    dweight.values().copy_from_slice(&sums[..n]);
    dbias.values().copy_from_slice(&sums[n..2 * n]);
}

/// Mean, then squares about the mean, then the normalised row.
struct Norm<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    stats: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
}

impl Kernel for Norm<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.weight.len() > SHORT {
            true => self.rows::<S, true>(s),
            false => self.rows::<S, false>(s),
        }
    }
}

impl Norm<'_> {
    #[inline(always)]
    fn rows<S: Simd, const LONG: bool>(self, s: S) {
        let w = X2(s);
        // Four chains of additions: each waits for the sum before.
        let sums = X2(w);
        let (n, lanes) = (self.weight.len(), 2 * S::N);
        let rows = self.x.chunks_exact(n).zip(self.y.chunks_exact_mut(n)).zip(self.stats.chunks_exact_mut(2));
        for ((x, y), stats) in rows {
            let mut total = 0.0;
            for block in blocks(n, LONG) {
                let mut sum = sums.splat(0.0);
                for x in x[block].chunks(2 * lanes) {
                    sum = sums.add(sum, sums.load_part(x, 0.0));
                }
                total += f64::from(sums.sum(sum));
            }
            let mean = (total / n as f64) as f32;
            let (m, mut squares, mut rest) = (sums.splat(mean), 0.0, 0.0);
            for block in blocks(n, LONG) {
                let (mut sum, mut first) = (sums.splat(0.0), sums.splat(0.0));
                for x in x[block].chunks(2 * lanes) {
                    let d = sums.sub(sums.load_part(x, mean), m);
                    sum = sums.fma(d, d, sum);
                    first = sums.add(first, d);
                }
                squares += f64::from(sums.sum(sum));
                rest += f64::from(sums.sum(first));
            }
            // What the rounding of the mean left, which is as large as the deviations where the mean is large.
            let rest = rest / n as f64;
            let var = (squares / n as f64 - rest * rest).max(0.0);
            // Not `max` of a NaN, which would be 0.
            let var = if squares.is_nan() { squares } else { var };
            let rstd = 1.0 / (var as f32 + self.eps).sqrt();
            (stats[0], stats[1]) = (mean + rest as f32, rstd);
            let (m, r, rest) = (w.splat(mean), w.splat(rstd), w.splat(-(rest as f32) * rstd));
            let parameters = self.weight.chunks(lanes).zip(self.bias.chunks(lanes));
            for ((x, y), (weight, bias)) in x.chunks(lanes).zip(y.chunks_mut(lanes)).zip(parameters) {
                let hat = w.fma(w.sub(w.load_part(x, 0.0), m), r, rest);
                w.store_part(y, w.fma(hat, w.load_part(weight, 0.0), w.load_part(bias, 0.0)));
            }
        }
    }
}

/// The first pass over a row makes its two means and adds to the sums of the parameters, the second writes the gradient.
struct Gradient<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    stats: &'a [f32],
    weight: &'a [f32],
    dweight: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.weight.len() > SHORT {
            true => self.rows::<S, true>(s),
            false => self.rows::<S, false>(s),
        }
    }
}

impl Gradient<'_> {
    #[inline(always)]
    fn rows<S: Simd, const LONG: bool>(self, s: S) {
        let w = X2(s);
        let (n, lanes) = (self.weight.len(), 2 * S::N);
        let rows = self.x.chunks_exact(n).zip(self.dy.chunks_exact(n)).zip(self.dx.chunks_exact_mut(n));
        for (((x, dy), dx), stats) in rows.zip(self.stats.chunks_exact(2)) {
            let (mean, rstd) = (w.splat(stats[0]), w.splat(stats[1]));
            let (mut total, mut total_hat) = (0.0, 0.0);
            for block in blocks(n, LONG) {
                let (x, dy, weight) = (&x[block.clone()], &dy[block.clone()], &self.weight[block.clone()]);
                let (dweight, dbias) = (&mut self.dweight[block.clone()], &mut self.dbias[block]);
                let (mut sum, mut sum_hat) = (w.splat(0.0), w.splat(0.0));
                let sums = dweight.chunks_mut(lanes).zip(dbias.chunks_mut(lanes));
                let row = x.chunks(lanes).zip(dy.chunks(lanes)).zip(weight.chunks(lanes));
                for (((x, dy), weight), (dweight, dbias)) in row.zip(sums) {
                    let (dy, hat) = (w.load_part(dy, 0.0), w.mul(w.sub(w.load_part(x, 0.0), mean), rstd));
                    let g = w.mul(dy, w.load_part(weight, 0.0));
                    sum = w.add(sum, g);
                    sum_hat = w.fma(g, hat, sum_hat);
                    w.store_part(dweight, w.fma(dy, hat, w.load_part(dweight, 0.0)));
                    w.store_part(dbias, w.add(dy, w.load_part(dbias, 0.0)));
                }
                total += f64::from(w.sum(sum));
                total_hat += f64::from(w.sum(sum_hat));
            }
            let (a, b) = (w.splat(-total as f32 / n as f32), w.splat(-total_hat as f32 / n as f32));
            let row = x.chunks(lanes).zip(dy.chunks(lanes)).zip(self.weight.chunks(lanes));
            for (((x, dy), weight), dx) in row.zip(dx.chunks_mut(lanes)) {
                let hat = w.mul(w.sub(w.load_part(x, 0.0), mean), rstd);
                // The mean is one of rounded products: they are rounded here too, or a row of equal ones would keep the roundings.
                let g = w.add(w.mul(w.load_part(dy, 0.0), w.load_part(weight, 0.0)), a);
                w.store_part(dx, w.mul(rstd, w.fma(hat, b, g)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, Value, check, expected};

    const SHAPES: [[usize; 2]; 9] =
        [[1, 1], [0, 4], [3, 7], [5, 16], [2, 33], [1500, 10], [70, 500], [2, 3001], [2, 9001]];
    const VARIANCE_OFFSET: f64 = 1e-5;

    fn plan([rows, n]: [usize; 2]) -> impl Fn(DType) -> LayerNorm {
        move |dtype| LayerNorm { dtype, rows, n, eps: VARIANCE_OFFSET, shape: vec![rows, n] }
    }

    fn mean(v: impl ExactSizeIterator<Item = f64>) -> f64 {
        let n = v.len() as f64;
        v.sum::<f64>() / n
    }

    #[test]
    fn rows_are_normalised() {
        let mut random = Random(9);
        for shape @ [rows, n] in SHAPES {
            // a mean well away from zero
            let x: Vec<f64> = random.reals(rows * n, 1.0).iter().map(|x| f64::from((x + 3.0) as f32)).collect();
            let (weight, bias) = (random.reals(n, 1.0), random.reals(n, 1.0));
            let inputs = [Value::Real(x.clone()), Value::Real(weight.clone()), Value::Real(bias.clone())];
            let want = expected(&plan(shape)(DType::F64), &inputs, None);
            let terms = (n + 10) as f64 * EPS;
            let bound = |o: usize, e: usize, w: f64| {
                let row = if o == 0 { e / n } else { e / 2 };
                let rstd = want[1][2 * row + 1];
                let shift = terms * mean(x[row * n..(row + 1) * n].iter().map(|x| x.abs()));
                // the relative error of the deviation: of a sum of squares, each about a shifted mean
                let scale = terms + (shift * rstd).powi(2);
                let hat = |x: f64| (x - want[1][2 * row]).abs() * rstd;
                match (o, e % 2) {
                    (0, _) => {
                        weight[e % n].abs() * (hat(x[e]) * scale + 1.1 * shift * rstd)
                            + 3.0 * EPS * (w.abs() + bias[e % n].abs())
                    }
                    (_, 0) => shift,
                    _ => w * scale,
                }
            };
            check(plan(shape), &inputs, forward, bound);
        }
    }

    #[test]
    fn gradients_match() {
        let mut random = Random(10);
        for shape @ [rows, n] in SHAPES {
            let [x, weight, dy] = [rows * n, n, rows * n].map(|len| random.reals(len, 1.0));
            let real = |v: &[f64]| Value::Real(v.to_vec());
            let zeros = vec![0.0; n];
            let stats =
                expected(&plan(shape)(DType::F64), &[real(&x), real(&weight), real(&zeros)], None).swap_remove(1);
            let stats: Vec<f64> = stats.iter().map(|s| f64::from(*s as f32)).collect();
            let hat = |e: usize| (x[e] - stats[e / n * 2]) * stats[e / n * 2 + 1];
            let g = |e: usize| (dy[e] * weight[e % n]).abs();
            let means: Vec<[f64; 2]> = (0..rows)
                .map(|r| [mean((r * n..(r + 1) * n).map(g)), mean((r * n..(r + 1) * n).map(|e| (g(e) * hat(e)).abs()))])
                .collect();
            let bound = |o: usize, e: usize, _| {
                let column = |f: &dyn Fn(usize) -> f64| (0..rows).map(|r| f(r * n + e)).sum::<f64>();
                EPS * match o {
                    0 => {
                        let [a, b] = means[e / n];
                        let terms = (n + 9) as f64;
                        stats[e / n * 2 + 1] * (4.0 * g(e) + terms * (a + hat(e).abs() * b))
                    }
                    1 => (rows + 6) as f64 * column(&|e| (dy[e] * hat(e)).abs()),
                    _ => (rows + 6) as f64 * column(&|e| dy[e].abs()),
                }
            };
            let inputs = [real(&x), real(&weight), real(&dy), real(&stats)];
            check(|dtype| LayerNormBackward(plan(shape)(dtype)), &inputs, gradients, bound);
        }
    }
}
