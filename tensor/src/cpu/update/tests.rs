//! Optimiser steps against the same in double precision, at every SIMD level, with several numbers of threads.

use super::super::levels::levels;
use super::super::testing::{EPS, Random};
use super::super::{CpuBuffer, CpuDevice};
use super::*;
use crate::dtype::Element;
use crate::layout::Layout;
use crate::numeric::Numeric;

#[path = "../../../tests/shared/rules.rs"]
mod rules;
use rules::{AdamW, All, Sgd};

/// Runs a step on copies of the vectors and returns what they hold then.
fn step<T: Element>(
    threads: usize,
    inputs: &[Vec<f64>],
    vectors: &[Vec<f64>],
    f: impl Fn(&[Input<'_>], &mut [Output<'_>]) + Sync,
) -> Vec<Vec<f64>> {
    let device = CpuDevice::with_threads(threads).unwrap();
    let buffer = |v: &Vec<f64>| {
        let mut buffer = device.alloc(v.len() * size_of::<T>()).unwrap();
        bytemuck::cast_slice_mut(buffer.as_bytes_mut()).iter_mut().zip(v).for_each(|(o, v)| *o = T::from_f64(*v));
        buffer
    };
    let held: Vec<(CpuBuffer, Layout)> = inputs.iter().map(|v| (buffer(v), Layout::contiguous(&[v.len()]))).collect();
    let inputs: Vec<Input<'_>> = held.iter().map(|(b, l)| Input::new(b, T::DTYPE, l)).collect();
    let mut targets: Vec<CpuBuffer> = vectors.iter().map(buffer).collect();
    let mut outputs: Vec<Output<'_>> =
        targets.iter_mut().zip(vectors).map(|(b, v)| Output::new(b, T::DTYPE, 0, v.len(), false)).collect();
    device.scope(|| f(&inputs, &mut outputs));
    outputs.iter_mut().map(|o| o.values::<T>().iter().map(|v| v.to_f64()).collect()).collect()
}

/// Gradient, table and squared norm.
fn inputs(random: &mut Random, n: usize) -> Vec<Vec<f64>> {
    let g = random.reals(n, 2.0);
    let table = (0..n / 32).map(|i| [1.0, 0.0, 0.5, f64::from(0.1f32), 0.0, 0.0][(i + i / 6) % 6]).collect();
    let norm = f64::from(g.iter().map(|x| x * x).sum::<f64>().sqrt() as f32);
    vec![g, table, vec![norm]]
}

/// No element may be off by more than some roundings of what goes into it: its old value, its new one, and what is between them.
fn close(what: &str, got: &[Vec<f64>], want: &[Vec<f64>], old: &[Vec<f64>]) {
    for (v, (got, want)) in got.iter().zip(want).enumerate() {
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            let step = (w - old[v][i]).abs();
            // The factors of a step were rounded to f32 too.
            let bound = EPS * (4.0 * (old[v][i].abs() + w.abs()) + 16.0 * step) + 1e-44;
            assert!(
                (g - w).abs() <= bound,
                "{what}, vector {v}[{i}]: {g:e}, not {w:e} ± {bound:e}, from {:e}",
                old[v][i]
            );
        }
    }
}

#[test]
fn adamw_steps() {
    let mut random = Random(51);
    for n in [0, 64, 640, 64 * 700] {
        for (k, max_norm) in [(1, f64::INFINITY), (2, 1.0), (1000, 0.5)] {
            let inputs = inputs(&mut random, n);
            let old =
                [random.reals(n, 1.0), random.reals(n, 0.5), random.reals(n, 0.5).iter().map(|x| x * x).collect()];
            let old: Vec<Vec<f64>> =
                old.iter().map(|v: &Vec<f64>| v.iter().map(|x| f64::from(*x as f32)).collect()).collect();
            let plan = |dtype| Update { rule: AdamW, dtype, n, lr: 1e-3, step: k, max_norm };
            let want = step::<f64>(1, &inputs, &old, |i, o| run(&plan(DType::F64), i, o));
            for level in levels() {
                let at = |threads| step::<f32>(threads, &inputs, &old, |i, o| run_at(level, &plan(DType::F32), i, o));
                let got = at(1);
                assert!(got == at(3), "{level:?}");
                close(&format!("{level:?}, step {k}"), &got, &want, &old);
            }
        }
    }
}

#[test]
fn sgd_steps() {
    let mut random = Random(52);
    for n in [64, 640, 64 * 700] {
        for (first, nesterov, max_norm) in
            [(true, false, f64::INFINITY), (false, false, 1.0), (true, true, 2.0), (false, true, 0.5)]
        {
            let inputs = inputs(&mut random, n);
            let old = vec![random.reals(n, 1.0), random.reals(n, 0.5)];
            let step_number = if first { 1 } else { 2 };
            let plan = |dtype| Update { rule: Sgd(nesterov), dtype, n, lr: 1e-2, step: step_number, max_norm };
            let want = step::<f64>(1, &inputs, &old, |i, o| run(&plan(DType::F64), i, o));
            for level in levels() {
                let at = |threads| step::<f32>(threads, &inputs, &old, |i, o| run_at(level, &plan(DType::F32), i, o));
                let got = at(1);
                assert!(got == at(3), "{level:?}");
                close(&format!("{level:?}, nesterov {nesterov}"), &got, &want, &old);
            }
        }
    }
}

#[test]
fn nothing_moves_where_the_norm_is_not_finite() {
    let mut random = Random(53);
    for norm in [f64::NAN, f64::INFINITY] {
        let mut inputs = inputs(&mut random, 128);
        inputs[2] = vec![norm];
        let old = vec![random.reals(128, 1.0), random.reals(128, 1.0), random.reals(128, 1.0)];
        let p = Update { rule: AdamW, dtype: DType::F32, n: 128, lr: 1.0, step: 3, max_norm: 1.0 };
        assert!(step::<f32>(1, &inputs, &old, |i, o| run(&p, i, o)) == old);
    }
}

#[test]
fn every_function_of_a_number_is_that_of_doubles() {
    let (mut random, n) = (Random(54), 640);
    let inputs = inputs(&mut random, n);
    let old = [1.0, 2.0, 1.0, 1.0].map(|scale| random.reals(n, scale));
    let plan = |dtype| Update { rule: All, dtype, n, lr: 1.0, step: 1, max_norm: 1.0 };
    let want = step::<f64>(1, &inputs, &old, |i, o| run(&plan(DType::F64), i, o));
    for level in levels() {
        let got = step::<f32>(1, &inputs, &old, |i, o| run_at(level, &plan(DType::F32), i, o));
        for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
            assert!((got - want).abs() <= 2e-6 * (1.0 + want.abs()), "{level:?}: {got}, not {want}");
        }
    }
    assert!(want.iter().zip(&old).all(|(new, old)| new != old));
}
