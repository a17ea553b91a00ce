//! Softmax and its logarithm over rows on the CPU.

#![allow(unsafe_code)]

use super::levels::{Level, dispatch_at, level};
use super::long_sums::SHORT;
use super::rows::*;
use super::simd::{Kernel, Simd};
use super::simd_x2::X2;
use super::tasks::by_rows;
use super::threads::Parts;
use super::{Input, Output, math, reference};
use crate::dtype::DType;
use crate::plan::{Softmax, SoftmaxBackward};

/// Runs the plan.
pub fn run(p: &Softmax, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::rows::softmax::<f64>(p, inputs, outputs),
        _ => forward(level(), p, inputs, outputs),
    }
}

/// Runs the plan.
pub fn backward(p: &SoftmaxBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.0.dtype {
        DType::F64 => reference::rows::softmax_backward::<f64>(p, inputs, outputs),
        _ => gradient(level(), p, inputs, outputs),
    }
}

fn forward(level: Level, p: &Softmax, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (x, y) = (inputs[0].values::<f32>(), Parts::new(outputs[0].values::<f32>()));
    if p.n > 0 {
        by_rows(p.rows, p.n, |rows| {
            let at = rows.start * p.n..rows.end * p.n;
            // SAFETY: each task has its own rows.
            let y = unsafe { y.range(at.clone()) };
            dispatch_at(level, ForwardRows { log: p.log, n: p.n, x: &x[at], y });
        });
    }
}

fn gradient(level: Level, p: &SoftmaxBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (y, dy) = (inputs[0].values::<f32>(), inputs[1].values::<f32>());
    let (dx, p) = (Parts::new(outputs[0].values::<f32>()), &p.0);
    if p.n > 0 {
        by_rows(p.rows, p.n, |rows| {
            let at = rows.start * p.n..rows.end * p.n;
            // SAFETY: each task has its own rows.
            let dx = unsafe { dx.range(at.clone()) };
            dispatch_at(level, BackwardRows { log: p.log, n: p.n, y: &y[at.clone()], dy: &dy[at], dx });
        });
    }
}

struct ForwardRows<'a> {
    log: bool,
    n: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for ForwardRows<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (n, block) = (self.n, self.n * S::N);
        if n > NARROW {
            for (x, y) in self.x.chunks_exact(n).zip(self.y.chunks_exact_mut(n)) {
                match n > SHORT {
                    true => forward_row(X2(s), AlongRow::<true>, self.log, x, y),
                    false => forward_row(X2(s), AlongRow::<false>, self.log, x, y),
                }
            }
            return;
        }
        let (mut xs, mut ys): (Lanes, Lanes) = ([0.0; _], [0.0; _]);
        for (x, y) in self.x.chunks(block).zip(self.y.chunks_mut(block)) {
            to_lanes(x, n, S::N, &mut xs);
            forward_row(s, AcrossRows, self.log, &xs[..block], &mut ys[..block]);
            from_lanes(&ys, n, S::N, y);
        }
    }
}

#[inline(always)]
fn forward_row<S: Simd>(s: S, a: impl Along, log: bool, x: &[f32], y: &mut [f32]) {
    let top = largest(s, a, x);
    if log {
        let log_sum = math::log(s, sum_of_exponentials(s, a, x, top));
        for (x, y) in x.chunks(S::N).zip(y.chunks_mut(S::N)) {
            s.store_part(y, s.sub(s.sub(s.load_part(x, 0.0), top), log_sum));
        }
    } else {
        let factor = s.div(s.splat(1.0), exponentials(s, a, x, top, y));
        for y in y.chunks_mut(S::N) {
            let e = s.load_part(y, 0.0);
            s.store_part(y, s.mul(e, factor));
        }
    }
}

struct BackwardRows<'a> {
    log: bool,
    n: usize,
    y: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for BackwardRows<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (n, block) = (self.n, self.n * S::N);
        if n > NARROW {
            for ((y, dy), dx) in self.y.chunks_exact(n).zip(self.dy.chunks_exact(n)).zip(self.dx.chunks_exact_mut(n)) {
                match n > SHORT {
                    true => backward_row(X2(s), AlongRow::<true>, self.log, y, dy, dx),
                    false => backward_row(X2(s), AlongRow::<false>, self.log, y, dy, dx),
                }
            }
            return;
        }
        let (mut ys, mut dys, mut dxs): (Lanes, Lanes, Lanes) = ([0.0; _], [0.0; _], [0.0; _]);
        for ((y, dy), dx) in self.y.chunks(block).zip(self.dy.chunks(block)).zip(self.dx.chunks_mut(block)) {
            to_lanes(y, n, S::N, &mut ys);
            to_lanes(dy, n, S::N, &mut dys);
            backward_row(s, AcrossRows, self.log, &ys[..block], &dys[..block], &mut dxs[..block]);
            from_lanes(&dxs, n, S::N, dx);
        }
    }
}

#[inline(always)]
fn backward_row<S: Simd>(s: S, a: impl Along, log: bool, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    let (mut total, mut before) = (s.splat(0.0), 0.0);
    for block in a.blocks(y.len()) {
        let mut sum = s.splat(0.0);
        for (y, dy) in y[block.clone()].chunks(S::N).zip(dy[block].chunks(S::N)) {
            let dy = s.load_part(dy, 0.0);
            sum = if log { s.add(dy, sum) } else { s.fma(s.load_part(y, 0.0), dy, sum) };
        }
        total = a.sum(s, &mut before, sum);
    }
    for ((y, dy), dx) in y.chunks(S::N).zip(dy.chunks(S::N)).zip(dx.chunks_mut(S::N)) {
        let (y, dy) = (s.load_part(y, 0.0), s.load_part(dy, 0.0));
        s.store_part(dx, if log { s.sub(dy, s.mul(math::exp(s, y), total)) } else { s.mul(y, s.sub(dy, total)) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{EPS, Random, Value, check, expected};

    const SHAPES: [[usize; 2]; 11] =
        [[1, 1], [0, 5], [3, 0], [40, 10], [7, 16], [5, 17], [33, 3], [3, 100], [2, 1000], [70, 600], [1, 70_001]];

    fn plan(log: bool, [rows, n]: [usize; 2]) -> impl Fn(DType) -> Softmax {
        move |dtype| Softmax { dtype, log, rows, n, shape: vec![rows, n] }
    }

    #[test]
    fn rows_of_any_length_sum_to_one() {
        let mut random = Random(7);
        for shape in SHAPES {
            let x = random.real(shape[0] * shape[1], 20.0);
            // an exponential's error is its argument's rounding and about one ulp; a sum's relative error at most its length
            let own = (shape[1] + 12) as f64;
            let bound = |_, _, w: f64| EPS * w * (own + 1.0 + w.max(1e-40).ln().abs() + own.ln()) + 3e-45;
            check(plan(false, shape), std::slice::from_ref(&x), forward, bound);
            check(plan(true, shape), &[x], forward, |_, _, w: f64| EPS * (3.0 * w.abs() + own));
        }
    }

    #[test]
    fn gradients_match() {
        let mut random = Random(8);
        for (shape, log) in SHAPES.into_iter().flat_map(|s| [(s, false), (s, true)]) {
            let n = shape[1];
            let y = expected(&plan(log, shape)(DType::F64), &[random.real(shape[0] * n, 4.0)], None).swap_remove(0);
            let y: Vec<f64> = y.iter().map(|y| f64::from(*y as f32)).collect();
            let dy = random.reals(y.len(), 1.0);
            let inputs = [Value::Real(y.clone()), Value::Real(dy.clone())];
            let term = |(y, dy): (&f64, &f64)| if log { dy.abs() } else { (dy * y).abs() };
            let row_sum = |(y, dy): (&[f64], &[f64])| y.iter().zip(dy).map(term).sum::<f64>();
            let sums: Vec<f64> = y.chunks(n.max(1)).zip(dy.chunks(n.max(1))).map(row_sum).collect();
            let bound = |_, e: usize, _| {
                let sum = sums[e / n] * (n + 4) as f64;
                let weight = if log { y[e].exp() * (1.0 + y[e].abs()) } else { y[e] };
                4.0 * EPS * (weight * (sum + dy[e].abs()) + if log { dy[e].abs() } else { 0.0 })
            };
            check(|dtype| SoftmaxBackward(plan(log, shape)(dtype)), &inputs, gradient, bound);
        }
    }

    #[test]
    fn rows_of_minus_infinity_and_rows_with_nan_are_nan() {
        let inf = f64::INFINITY;
        for n in [3, 40] {
            let mut x: Vec<f64> = (0..5 * n).map(|i| (i % 7) as f64).collect();
            x[..n].fill(-inf);
            x[n + 1] = f64::NAN;
            x[2 * n + 2] = inf;
            x[3 * n..4 * n - 1].fill(-inf);
            for log in [false, true] {
                let small = |_, _, w: f64| 60.0 * EPS * (1.0 + w.abs());
                check(plan(log, [5, n]), &[Value::Real(x.clone())], forward, small);
            }
        }
    }
}
