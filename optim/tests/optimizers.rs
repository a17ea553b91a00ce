//! Golden values of the optimisers (specification 4.1, 4.2), and the bounds of their steps.

mod common;

use common::{CE, batch, close, host, norm, started, step, vit};
use lethe_autograd::{ParamLayout, Tags};
use lethe_nn::Theta;
use lethe_optim::{AdamW, Extragradient, Optimizer, Sgd};
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

fn single(dtype: DType) -> Theta {
    let mut layout = ParamLayout::new();
    layout.add("w", &[1, 1], Tags::default());
    let mut v = vec![0.0; 64];
    v[0] = 1.0;
    Theta::new(Tensor::from_slice(&Device::cpu(), &v, &[64]).to_dtype(dtype), &Arc::new(layout))
}

fn first(theta: &Theta) -> f64 {
    theta.values().to_vec::<f64>().unwrap()[0]
}

fn update(g: f64) -> Tensor {
    let mut v = vec![0.0f64; 64];
    v[0] = g;
    Tensor::from_slice(&Device::cpu(), &v, &[64])
}

#[test]
fn two_steps_have_their_golden_values() {
    let mut theta = single(DType::F64);
    let mut adamw = AdamW::new(&theta, 0.3, &[]);
    for (g, expected) in [(0.1, 0.9961000003), (-0.2, 0.9963018208)] {
        adamw.step(&mut theta, &update(g), 0.003);
        assert!((first(&theta) - expected).abs() < 2e-9, "{}", first(&theta));
    }
    let mut theta = single(DType::F64);
    let mut sgd = Sgd::new(&theta, 0.9, 1e-3, &[]);
    for (g, expected) in [(0.1, 0.8384), (-0.2, 1.01305856)] {
        sgd.step(&mut theta, &update(g), 1.6);
        assert!((first(&theta) - expected).abs() < 1e-9, "{}", first(&theta));
    }
}

#[test]
fn an_update_that_is_not_finite_moves_nothing_and_clipping_bounds_the_step() {
    let mut theta = single(DType::F64);
    let mut sgd = Sgd::new(&theta, 0.0, 0.0, &[]);
    sgd.clip = 0.5;
    sgd.step(&mut theta, &update(f64::NAN), 1.0);
    assert_eq!(first(&theta), 1.0);
    sgd.step(&mut theta, &update(-100.0), 1.0);
    assert!((first(&theta) - 1.5).abs() < 1e-7);
}

#[test]
fn what_has_one_axis_and_the_positions_do_not_decay() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (mut theta, _) = started(&device, &model);
        let (before, zero) = (host(theta.values()), theta.values().zeros_like());
        Sgd::new(&theta, 0.0, 0.5, &[]).step(&mut theta, &zero, 0.1);
        let after = host(theta.values());
        for (_, p) in theta.layout().owned() {
            let factor = if p.shape.len() < 2 || p.name == "pos_embed" { 1.0 } else { 0.95 };
            let expected: Vec<f32> = before[p.range()].iter().map(|x| x * factor).collect();
            close(&after[p.range()], &expected, 1e-6);
        }
    }
}

#[test]
fn an_update_longer_than_the_bound_is_cut_to_it_and_a_shorter_one_is_not() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        let gradient = step(&Extragradient::none(CE), &model, &at, &batch, 0.0).update;
        let length = norm(&host(&gradient));
        for (clip, expected) in [(length / 3.0, length / 3.0), (length * 3.0, length)] {
            let (mut theta, before) = (at.0.clone(), host(at.0.values()));
            let mut sgd = Sgd::new(&theta, 0.0, 0.0, &[]);
            sgd.clip = clip;
            sgd.step(&mut theta, &gradient, 1.0);
            let moved: Vec<f32> = host(theta.values()).iter().zip(&before).map(|(a, b)| a - b).collect();
            assert!((norm(&moved) / expected - 1.0).abs() < 1e-4, "{clip}: {}, {expected}", norm(&moved));
        }
    }
}
