//! Cross-entropies and their gradients, for labels and distributions, smoothed or not.

use super::{check_by, normal, numbers};
use lethe_tensor::plan::Likelihood;
use lethe_tensor::{Device, Tensor};

const EPS: f64 = 6e-8;
const SHAPES: [[usize; 2]; 9] = [[1, 1], [0, 3], [3, 0], [5, 2], [37, 10], [300, 16], [3, 17], [9, 100], [2, 3001]];

/// Labels below classes + 1, so that some rows count nothing, or distributions with zeros.
fn targets([rows, classes]: [usize; 2], soft: bool, seed: u64) -> Tensor {
    if soft {
        let raw = normal(&[rows, classes], seed).relu();
        return raw.div(&raw.sum(&[1], true).max_scalar(0.1)).force().clone();
    }
    let mut labels: Vec<u32> = (0..rows).map(|r| (r as u32 * 7919 + seed as u32) % (classes as u32 + 1)).collect();
    if rows > 2 {
        labels[1] = u32::MAX;
    }
    Tensor::from_slice(&Device::cpu(), &labels, &[rows])
}

#[test]
fn losses_and_gradients_match_for_every_kind_of_target() {
    for (seed, shape @ [rows, classes]) in (0..).zip(SHAPES) {
        for (likelihood, soft, smoothing) in [Likelihood::Softmax, Likelihood::Sigmoid]
            .into_iter()
            .flat_map(|l| [(l, false, 0.0), (l, false, 0.1), (l, true, 0.0), (l, true, 0.2)])
        {
            let (z, t) = (normal(&shape, seed).mul_scalar(5.0).force().clone(), targets(shape, soft, seed + 10));
            let zs = numbers(&z);
            let row = |r: usize| &zs[r * classes..(r + 1) * classes];
            // Sums run in threads of at most eight elements or a 256th of the row, which are joined as a tree.
            let terms = (classes / 256 + 40) as f64 * EPS;
            let bound = |(output, i): (usize, usize), e: f64| match (output, likelihood) {
                (0, Likelihood::Softmax) => terms * (e + 2.0),
                (0, Likelihood::Sigmoid) => terms * row(i).iter().map(|z| 1.0 + z.abs()).sum::<f64>(),
                // The probability is at most the gradient and the target, which is at most 1.
                _ => terms * (e.abs() + 1.0),
            };
            let f = |t: &[Tensor]| {
                let (loss, grad) = t[0].cross_entropy(&t[1], likelihood, smoothing);
                vec![loss, grad]
            };
            let what =
                format!("{rows} rows of {classes}, {likelihood:?}, distributions: {soft}, smoothing {smoothing}");
            check_by(&what, &[z, t], f, bound);
        }
    }
}

#[test]
fn certain_and_impossible_classes_keep_their_digits() {
    for classes in [4, 41, 3000] {
        for (likelihood, low) in [(Likelihood::Softmax, f32::NEG_INFINITY), (Likelihood::Sigmoid, -1e5)] {
            let mut z = vec![low; 4 * classes];
            z[..4].copy_from_slice(&[1e4, 1e4 - 1.0, -1e4, 2.0]);
            z[classes..2 * classes].fill(-60.0);
            z[classes] = 30.0;
            z[2 * classes] = 1.0;
            z[3 * classes + 2] = f32::NAN;
            let z = Tensor::from_slice(&Device::cpu(), &z, &[4, classes]);
            let labels = Tensor::from_slice(&Device::cpu(), &[1u32, 0, 0, 1], &[4]);
            let f = |t: &[Tensor]| {
                let (loss, grad) = t[0].cross_entropy(&t[1], likelihood, 0.0);
                // A row with a NaN has no loss; its gradient need not be one everywhere.
                vec![loss, grad.slice(0, 0, 3).contiguous()]
            };
            let bound = |(output, _): (usize, usize), e: f64| 40.0 * EPS * if output == 0 { e.abs() } else { 1.0 };
            check_by(&format!("{classes} classes, {likelihood:?}"), &[z, labels], f, bound);
        }
    }
}
