//! Optimiser steps, whole and in windows, clipped and left out.

use super::{devices, normal, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::plan::{StepInputs, Update, UpdateRule};
use lethe_tensor::{DType, Device, Numeric, Tensor, execute_in_place};

const N: usize = 64 * 100;

#[path = "../shared/rules.rs"]
mod rules;
use rules::{AdamW, All, Sgd};

/// θ and what accompanies it after three steps on a device, in its type of computation.
fn steps(device: &Device, dtype: DType, max_norm: f64, bad: bool, sgd: bool) -> Vec<Vec<f64>> {
    let on = |t: Tensor| t.to_dtype(dtype).to_device(device).unwrap().force().clone();
    // Every third block is frozen, every other one decays.
    let table: Vec<f32> = (0..N / 64).flat_map(|i| [[1.0, 0.5, 0.0][i % 3], [0.0, 0.1][i % 2]]).collect();
    let table = on(Tensor::from_slice(&Device::cpu(), &table, &[N / 64, 2]));
    let mut vectors = [on(normal(&[N], 1)), on(normal(&[N], 2).mul_scalar(0.1)), on(normal(&[N], 3).square())];
    for step in 1..=3 {
        let mut g = normal(&[N], 10 + step).add(&Tensor::full(&Device::cpu(), DType::F32, &[N], 0.1));
        if bad && step == 2 {
            g = g.mul_scalar(f64::INFINITY);
        }
        let norm = on(g.sum_squares_axes(&[0], true).sqrt());
        let g = on(g);
        let inputs = [&g, &table, &norm];
        let [theta, m, v] = &mut vectors;
        if sgd {
            let plan = Update { rule: Sgd(step == 3), dtype, n: N, lr: 0.1, step, max_norm };
            execute_in_place(plan, &inputs, &mut [theta, m]);
        } else {
            let plan = Update { rule: AdamW, dtype, n: N, lr: 0.01, step, max_norm };
            execute_in_place(plan, &inputs, &mut [theta, m, v]);
        }
    }
    vectors.iter().map(super::numbers).collect()
}

#[test]
fn steps_follow_the_double_precision_reference() {
    let shared = devices();
    let windows = open(GpuOptions { binding_limit: Some(1 << 14), ..GpuOptions::default() });
    for (max_norm, bad) in [(f64::INFINITY, false), (1.0, false), (1.0, true)] {
        for sgd in [false, true] {
            let expected = steps(&Device::cpu(), DType::F64, max_norm, bad, sgd);
            for device in shared.iter().chain(&windows) {
                let got = steps(device, DType::F32, max_norm, bad, sgd);
                for (i, (g, e)) in got.iter().flatten().zip(expected.iter().flatten()).enumerate() {
                    let case = format!("max_norm {max_norm}, bad {bad}, sgd {sgd}, number {i}");
                    assert!((g - e).abs() <= 2e-6 * (1.0 + e.abs()), "{case}: {g}, expected {e}");
                }
            }
        }
    }
}

#[test]
fn every_function_of_a_number_is_that_of_doubles() {
    let run = |device: &Device, dtype: DType| -> Vec<f64> {
        let on = |t: Tensor| t.to_dtype(dtype).to_device(device).unwrap().force().clone();
        let table: Vec<f32> = (0..N / 64).flat_map(|i| [[1.0, 0.5, 0.0][i % 3], 0.1]).collect();
        let table = on(Tensor::from_slice(&Device::cpu(), &table, &[N / 64, 2]));
        let (g, norm) = (on(normal(&[N], 1)), on(Tensor::full(&Device::cpu(), DType::F32, &[1], 2.0)));
        let mut vectors = [2, 3, 4, 5].map(|i| on(normal(&[N], i)));
        let plan = Update { rule: All, dtype, n: N, lr: 0.1, step: 1, max_norm: 1.0 };
        execute_in_place(plan, &[&g, &table, &norm], &mut vectors.each_mut());
        vectors.iter().flat_map(super::numbers).collect()
    };
    let expected = run(&Device::cpu(), DType::F64);
    for device in devices().iter().chain([&Device::cpu()]) {
        for (g, e) in run(device, DType::F32).iter().zip(&expected) {
            assert!((g - e).abs() <= 1e-5 * (1.0 + e.abs()), "{g}, expected {e} on {device:?}");
        }
    }
}

#[test]
fn a_long_vector_is_summed_in_windows() {
    let options = GpuOptions { binding_limit: Some(1 << 21), ..GpuOptions::default() };
    let Some(device) = open(options) else { return };
    let x = normal(&[1_300_001], 1);
    let expected = x.to_dtype(DType::F64).square().sum_axes(&[0], true).item::<f64>().unwrap();
    let got = x.to_device(&device).unwrap().sum_squares_axes(&[0], true).item::<f32>().unwrap();
    assert!((f64::from(got) - expected).abs() <= 1e-6 * expected, "{got}, expected {expected}");
}
