//! Layer normalisation: rows of any length, means far from zero, gradients of long and short batches.

use super::{assert_settles, check, check_by, normal, numbers};
use lethe_tensor::{DType, Tensor};

const EPS: f64 = 6e-8;
const SHAPES: [[usize; 2]; 9] =
    [[1, 1], [0, 5], [40, 10], [300, 16], [5, 17], [3, 1000], [2, 4100], [3, 3001], [17_000, 3]];

/// Roundings in a sum over a row: eight in a thread (or a 256th of a long row), then a tree.
fn terms(n: usize) -> f64 {
    (n / 256 + 20) as f64 * EPS
}

struct Case {
    shape: [usize; 2],
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
}

fn cases() -> impl Iterator<Item = Case> {
    SHAPES.into_iter().flat_map(|shape| [0.0, 100.0].map(|mean| (shape, mean))).zip(0..).map(|((shape, mean), seed)| {
        let x = normal(&shape, seed).add_scalar(mean).force().clone();
        let [weight, bias] = [40, 60].map(|s| normal(&[shape[1]], seed + s));
        Case { shape, x, weight, bias }
    })
}

#[test]
fn rows_are_normalised_whatever_their_mean() {
    for Case { shape: shape @ [_, n], x, weight, bias } in cases() {
        let [xs, ws, bs] = [&x, &weight, &bias].map(numbers);
        let wide = x.to_dtype(DType::F64);
        let stats =
            numbers(&wide.layer_norm_with_stats(&weight.to_dtype(DType::F64), &bias.to_dtype(DType::F64), 1e-5).1);
        let bound = |(output, i): (usize, usize), e: f64| {
            let row = if output == 0 { i / n } else { i / 2 };
            let magnitude = xs[row * n..(row + 1) * n].iter().map(|x| x.abs()).sum::<f64>() / n as f64;
            let (mean, rstd) = (stats[2 * row], stats[2 * row + 1]);
            // The mean's error shifts all; it and the sum of squares change the deviation.
            let shift = terms(n) * magnitude;
            let scale = terms(n) + (shift * rstd).powi(2);
            match (output, i % 2) {
                (0, _) => {
                    let hat = (xs[i] - mean).abs() * rstd;
                    ws[i % n].abs() * (hat * scale + 1.1 * shift * rstd) + 4.0 * EPS * (e.abs() + bs[i % n].abs())
                }
                (_, 0) => shift + 4.0 * EPS * e.abs(),
                _ => e * scale,
            }
        };
        let f = |t: &[Tensor]| {
            let (y, stats) = t[0].layer_norm_with_stats(&t[1], &t[2], 1e-5);
            vec![y, stats]
        };
        check_by(&format!("{shape:?}"), &[x, weight, bias], f, bound);
    }
}

#[test]
fn gradients_match() {
    for Case { shape: shape @ [rows, n], x, weight, bias } in cases() {
        let stats = x.layer_norm_with_stats(&weight, &bias, 1e-5).1;
        let dy = normal(&shape, 90);
        let [xs, ws, dys, ss] = [&x, &weight, &dy, &stats].map(numbers);
        let hat = |i: usize| ((xs[i] - ss[i / n * 2]) * ss[i / n * 2 + 1]).abs();
        let along = |f: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..rows).map(|r| (r * n..(r + 1) * n).map(f).sum::<f64>() / n as f64).collect()
        };
        let means = along(&|i| (dys[i] * ws[i % n]).abs());
        let products = along(&|i| (dys[i] * ws[i % n]).abs() * hat(i));
        let across =
            |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..n).map(|c| (0..rows).map(|r| f(r * n + c)).sum()).collect() };
        let (dweight, dbias) = (across(&|i| dys[i].abs() * hat(i)), across(&|i| dys[i].abs()));
        // Parts of at least 64 rows, at most 256 parts, both shared by four threads.
        let down = (rows.div_ceil(256).max(64) / 4 + 64 + 20) as f64 * EPS;
        let bound = |(output, i): (usize, usize), _| match output {
            0 => {
                let mean = means[i / n] + hat(i) * products[i / n];
                ss[i / n * 2 + 1] * (8.0 * EPS * (dys[i] * ws[i % n]).abs() + terms(n) * mean) + 1e-30
            }
            1 => down * dweight[i],
            _ => down * dbias[i],
        };
        let f = |t: &[Tensor]| t[0].layer_norm_backward(&t[1], &t[2], &t[3], 1e-5).to_vec();
        check_by(&format!("gradients of {shape:?}"), &[x, weight, dy, stats], f, bound);
    }
}

#[test]
fn the_trailing_axes_are_those_of_the_weight() {
    let [x, weight, bias] = [&[3, 4, 5, 6][..], &[5, 6], &[5, 6]].map(|s| normal(s, 99));
    check("two axes", &[x, weight, bias], |t| vec![t[0].layer_norm(&t[1], &t[2], 1e-5)], 60.0 * EPS);
}

#[test]
fn equal_steps_create_nothing() {
    assert_settles(&[normal(&[500, 48], 7), normal(&[48], 8), normal(&[48], 9)], |t| {
        let (y, stats) = t[0].layer_norm_with_stats(&t[1], &t[2], 1e-5);
        t[0].layer_norm_backward(&t[1], &y, &stats, 1e-5)[1].clone()
    });
}
