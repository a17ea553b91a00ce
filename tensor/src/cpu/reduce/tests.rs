//! Reductions against the reference in double precision, at every SIMD level, with several numbers of threads.

use super::super::testing::{EPS, Random, Value, check, check_onto, expected, run as run_values};
use super::*;

const SHAPES: [[usize; 3]; 22] = [
    [1, 1, 1],
    [3, 1, 1],
    [1, 1, 5],
    [7, 3, 1],
    [40, 31, 1],
    [5, 32, 1],
    [3, 1000, 1],
    [2, 8191, 1],
    [2, 8193, 1],
    [1, 70_001, 1],
    [1, 5, 3],
    [2, 1000, 3],
    [1, 70_000, 2],
    [3, 129, 17],
    [2, 64, 63],
    [2, 128, 64],
    [1, 300, 65],
    [4, 7, 200],
    [1, 3, 5000],
    [2, 260, 2049],
    [1, 1, 3000],
    [300, 3, 4],
];

fn plan(op: ReduceOp, [outer, n, inner]: [usize; 3], scale: f64) -> impl Fn(DType) -> Reduce {
    move |dtype| Reduce { op, dtype, outer, n, inner, scale, shape: vec![outer, inner] }
}

#[test]
fn sums_err_by_the_depth_of_their_tree() {
    let mut random = Random(31);
    for shape in SHAPES {
        let x = [random.real(shape.iter().product(), 3.0)];
        for op in [ReduceOp::Sum, ReduceOp::SumSquares] {
            for scale in [1.0, 0.125] {
                let plan = plan(op, shape, scale);
                let sizes = &expected(&plan(DType::F64), &[x[0].abs()], None)[0];
                // At most this many roundings lie between an element and the result.
                let depth = shape[1].min(8192 / 16 + 64) as f64 + 3.0;
                let base = random.reals(shape[0] * shape[2], 1.0);
                check(&plan, &x, run_at, |_, e, _| depth * EPS * sizes[e]);
                check_onto(&plan, &x, Some(&base), run_at, |_, e, _| depth * EPS * (sizes[e] + base[e].abs()));
            }
        }
    }
}

#[test]
fn products_err_by_their_factors() {
    let mut random = Random(32);
    for shape in [[1, 1, 1], [5, 40, 1], [3, 40, 7], [2, 50, 70]] {
        let near_one = random.reals(shape.iter().product(), 0.5).iter().map(|x| f64::from((1.0 + x) as f32)).collect();
        let n = shape[1] as f64;
        check(plan(ReduceOp::Prod, shape, 1.0), &[Value::Real(near_one)], run_at, |_, _, w| n * 1.01 * EPS * w.abs());
    }
}

#[test]
fn extremes_and_their_places_are_exact() {
    let mut random = Random(33);
    for shape in SHAPES {
        // Few distinct values: ties, of which the first counts.
        let n = shape.iter().product();
        let x: Vec<f64> = (0..n).map(|_| random.below(40) as f64 - 20.0).collect();
        for op in [ReduceOp::Max, ReduceOp::Min, ReduceOp::ArgMax, ReduceOp::ArgMin] {
            check(plan(op, shape, 1.0), &[Value::Real(x.clone())], run_at, |_, _, _| 0.0);
        }
    }
}

#[test]
fn extremes_pass_nan_and_infinities_on() {
    let mut random = Random(34);
    for shape in SHAPES {
        for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut x = random.reals(shape.iter().product(), 1.0);
            for _ in 0..3 {
                let at = random.below(x.len());
                x[at] = special;
            }
            for op in [ReduceOp::Max, ReduceOp::Min, ReduceOp::ArgMax, ReduceOp::ArgMin] {
                check(plan(op, shape, 1.0), &[Value::Real(x.clone())], run_at, |_, _, _| 0.0);
            }
        }
        let x = [Value::Real(vec![f64::NEG_INFINITY; shape.iter().product()])];
        for op in [ReduceOp::Max, ReduceOp::ArgMax] {
            check(plan(op, shape, 1.0), &x, run_at, |_, _, _| 0.0);
        }
    }
}

#[test]
fn a_sum_of_many_equal_numbers_keeps_its_digits() {
    // A running sum of 16 Mi tenths in f32 would be off by percents.
    let n = 1 << 24;
    let x = [Value::Real(vec![f64::from(0.1f32); n])];
    let plan = plan(ReduceOp::Sum, [1, n, 1], 1.0)(DType::F32);
    for level in super::super::levels::levels() {
        let sum =
            run_values(DType::F32, 2, &crate::plan::Plan::outputs(&plan), &x, None, |i, o| run_at(level, &plan, i, o))
                [0][0];
        assert!((sum / (f64::from(0.1f32) * n as f64) - 1.0).abs() < 1e-5, "{level:?}: {sum}");
    }
}
