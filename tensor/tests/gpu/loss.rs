//! Cross-entropies and their gradients, for labels and distributions, smoothed or not.

use super::{check_by, devices, normal, numbers};
use lethe_tensor::plan::Likelihood;
use lethe_tensor::{DType, Device, Tensor};

const EPS: f64 = 6e-8;
const SHAPES: [[usize; 2]; 9] = [[1, 1], [0, 3], [3, 0], [5, 2], [37, 10], [300, 16], [3, 17], [9, 100], [2, 3001]];

/// Labels, some of which leave their rows out, or distributions with zeros.
fn targets([rows, classes]: [usize; 2], soft: bool, seed: u64) -> Tensor {
    if soft {
        let raw = normal(&[rows, classes], seed).relu();
        return raw.div(&raw.sum_axes(&[1], true).clamp_min(0.1)).force().clone();
    }
    let drawn = (0..rows).map(|r| (r * 7919 + seed as usize) % (classes + 1));
    let labels: Vec<u32> = drawn.map(|l| if l < classes { l as u32 } else { u32::MAX }).collect();
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
                let (loss, grad) = t[0].cross_entropy_with_grad(&t[1], likelihood, smoothing);
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
                let (loss, grad) = t[0].cross_entropy_with_grad(&t[1], likelihood, 0.0);
                vec![loss, grad]
            };
            let bound = |(output, _): (usize, usize), e: f64| 40.0 * EPS * if output == 0 { e.abs() } else { 1.0 };
            check_by(&format!("{classes} classes, {likelihood:?}"), &[z, labels], f, bound);
        }
    }
}

#[test]
fn infinite_losses_are_infinite_and_rows_left_out_are_zero_whatever_they_hold() {
    let inf = f32::INFINITY;
    for classes in [3usize, 4, 40, 1000] {
        let mut z: Vec<f32> = (0..6 * classes).map(|i| (i % 5) as f32).collect();
        z[0] = -inf; // the label's own
        z[classes + 2] = -inf; // another's
        z[2 * classes..3 * classes].fill(-inf);
        z[3 * classes + 1] = f32::NAN;
        z[4 * classes] = f32::NAN; // left out
        z[5 * classes + 1] = inf;
        let z = Tensor::from_slice(&Device::cpu(), &z, &[6, classes]);
        let labels = Tensor::from_slice(&Device::cpu(), &[0, 0, 1, 0, u32::MAX, 1], &[6]);
        let soft = Tensor::full(&Device::cpu(), DType::F32, &[6, classes], 1.0 / classes as f64).force().clone();
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            for smoothing in [0.0, 0.1, 1.0] {
                for targets in [&labels, &soft] {
                    let f = |t: &[Tensor]| {
                        let (loss, grad) = t[0].cross_entropy_with_grad(&t[1], likelihood, smoothing);
                        vec![loss, grad]
                    };
                    let what =
                        format!("{classes} classes, {likelihood:?}, smoothing {smoothing}, {:?}", targets.dtype());
                    let bound = |_, e: f64| (classes + 40) as f64 * EPS * (1.0 + e.abs());
                    check_by(&what, &[z.clone(), targets.clone()], f, bound);
                }
            }
        }
        // Nothing is lost where every class is impossible and none is wanted.
        let none = Tensor::full(&Device::cpu(), DType::F32, &[1, classes], 0.0).force().clone();
        for device in devices().iter() {
            let [z, none] = [&z.slice(0, 2, 3), &none].map(|t| t.contiguous().to_device(device).unwrap());
            assert_eq!(numbers(&z.cross_entropy(&none, Likelihood::Sigmoid, 0.0)), [0.0], "{classes} classes");
        }
        let (loss, grad) = z.cross_entropy_with_grad(&labels, Likelihood::Softmax, 0.1);
        let loss = numbers(&loss);
        assert!(loss[0] == f64::INFINITY && loss[1] == f64::INFINITY && loss[4] == 0.0, "{loss:?}");
        assert!(numbers(&grad.slice(0, 0, 2).contiguous()).iter().all(|g| g.is_finite()));
        assert!(numbers(&grad.slice(0, 4, 5).contiguous()).iter().all(|g| *g == 0.0));
    }
}

#[test]
fn a_wrong_label_gives_no_plausible_number() {
    let z = normal(&[3, 5], 1);
    for device in devices().iter() {
        let z = z.to_device(device).unwrap();
        let labels = Tensor::from_slice(device, &[1u32, 5, 4_000_000_000], &[3]);
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            let (loss, grad) = z.cross_entropy_with_grad(&labels, likelihood, 0.1);
            assert_eq!(numbers(&loss).iter().map(|v| v.is_nan()).collect::<Vec<_>>(), [false, true, true]);
            let nans: Vec<bool> = numbers(&grad).chunks(5).map(|row| row.iter().all(|v| v.is_nan())).collect();
            assert_eq!(nans, [false, true, true]);
        }
        let rows = numbers(&labels.one_hot(5, DType::F32));
        assert!(rows[..5] == [0.0, 1.0, 0.0, 0.0, 0.0] && rows[5..].iter().all(|v| v.is_nan()), "{rows:?}");
        assert_eq!(labels.one_hot(5, DType::U32).to_vec::<u32>().unwrap()[5..], [u32::MAX; 10]);
    }
}
