//! Softmax, its logarithm and their gradients: short and long rows, masked logits.

use super::{check, check_by, normal, numbers};
use lethe_tensor::{DType, Device, Tensor};

/// Half the distance of 1 and the next float.
const EPS: f64 = 6e-8;
/// Rows and columns: whole vectors of four or not, one lane's share and many.
const SHAPES: [[usize; 2]; 10] =
    [[1, 1], [0, 5], [3, 0], [40, 10], [300, 16], [5, 17], [33, 4], [3, 1000], [2, 4100], [3, 3001]];

/// Roundings in a row's sum: a thread has at most eight elements (a 256th of long rows) before the threads' sums are joined as a tree; and
/// each exponential has a few of its own.
fn terms(n: usize) -> f64 {
    (n / 256 + 30) as f64 * EPS
}

#[test]
fn rows_of_any_length_sum_to_one() {
    for (seed, shape) in (0..).zip(SHAPES) {
        let x = normal(&shape, seed).mul_scalar(8.0).force().clone();
        // An exponential's relative error grows with its argument.
        let y = |_, e: f64| e * (terms(shape[1]) + 4.0 * EPS * e.max(1e-30).ln().abs()) + 1e-37;
        check_by(&format!("softmax of {shape:?}"), std::slice::from_ref(&x), |t| vec![t[0].softmax(1)], y);
        let log = |_, e: f64| 4.0 * EPS * e.abs() + terms(shape[1]);
        check_by(&format!("its logarithm of {shape:?}"), &[x], |t| vec![t[0].log_softmax(1)], log);
    }
}

#[test]
fn any_axis_will_do() {
    let x = normal(&[5, 70, 6], 20);
    for axis in 0..3 {
        check("axis", std::slice::from_ref(&x), |t| vec![t[0].softmax(axis), t[0].log_softmax(axis)], 60.0 * EPS);
    }
}

#[test]
fn gradients_match() {
    for (seed, shape) in (30..).zip(SHAPES) {
        for log in [false, true] {
            let x = normal(&shape, seed).mul_scalar(3.0);
            let y = if log { x.log_softmax(1) } else { x.softmax(1) };
            let dy = normal(&shape, seed + 20);
            let (ys, dys) = (numbers(&y), numbers(&dy));
            let n = shape[1].max(1);
            let term = |i: usize| if log { dys[i].abs() } else { (dys[i] * ys[i]).abs() };
            let sums: Vec<f64> = (0..ys.len() / n).map(|r| (r * n..(r + 1) * n).map(term).sum()).collect();
            let bound = |(_, i): (usize, usize), e: f64| {
                let (weight, own) =
                    if log { (ys[i].exp() * (1.0 + ys[i].abs() / 8.0), dys[i].abs()) } else { (ys[i], 0.0) };
                terms(n) * weight * (sums[i / n] + dys[i].abs()) + 4.0 * EPS * (own + e.abs())
            };
            let f = |t: &[Tensor]| vec![t[0].softmax_backward(&t[1], 1, log)];
            check_by(&format!("{shape:?}, logarithm: {log}"), &[y, dy], f, bound);
        }
    }
}

#[test]
fn masked_logits_have_no_part_and_nan_is_not_hidden() {
    for n in [7, 40, 2500] {
        let mut data: Vec<f32> = (0..5 * n).map(|i| (i % 7) as f32).collect();
        data[..n - 2].fill(f32::NEG_INFINITY);
        data[n] = f32::NAN;
        data[2 * n..3 * n].fill(-1e30);
        data[2 * n + 3] = 5.0;
        data[3 * n..4 * n].fill(f32::MIN);
        let x = Tensor::from_slice(&Device::cpu(), &data, &[5, n]);
        check(&format!("rows of {n}"), &[x], |t| vec![t[0].softmax(1), t[0].log_softmax(1)], 2.0 * terms(n));
    }
    let none = Tensor::full(&Device::cpu(), DType::F32, &[2, 8], f64::NEG_INFINITY);
    check("rows of which all is masked are not numbers", &[none], |t| vec![t[0].softmax(1)], 0.0);
}

#[test]
fn the_gradient_of_a_row_with_nan_is_nan() {
    for n in [3usize, 8, 70] {
        let mut y: Vec<f32> = (0..2 * n).map(|i| -1.0 - (i % 5) as f32).collect();
        y[1] = f32::NAN;
        y[n] = f32::NEG_INFINITY;
        let y = Tensor::from_slice(&Device::cpu(), &y, &[2, n]);
        let f = |t: &[Tensor]| [true, false].map(|log| t[0].softmax_backward(&t[1], 1, log)).to_vec();
        check(&format!("rows of {n}"), &[y, normal(&[2, n], 5)], f, 10.0 * terms(n));
    }
}
