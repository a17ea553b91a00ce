//! Random directions: uniform on the sphere, a function of their key, and without a first backward pass.

mod common;

use common::*;
use lethe_autograd::{ParamLayout, Tags, Var};
use lethe_nn::{Forward, Model, Theta};
use lethe_optim::{Extragradient, Perturbation, SliceIndex};
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

fn epsilon(model: &dyn Model, device: &Device, seed: u64, index: SliceIndex, rho: f64) -> Vec<f32> {
    let rule = Extragradient { seed, ..Extragradient::sam(Perturbation::Random, CE) };
    let (theta, state) = started(device, model);
    let f = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    let ascent = rule.ascent(&theta, &state, &batch(device, 2), index, &f);
    host(&rule.geometry.direction(&theta, ascent.p).epsilon(rho))
}

#[test]
fn coordinates_have_mean_zero_and_the_variance_of_the_sphere() {
    const DRAWS: u64 = 64;
    let model = vit();
    for device in Device::all_for_tests() {
        let layout = model.blueprint().layout();
        let (d, rho) = (layout.count() as f64, 0.7);
        let all: Vec<f32> = (0..DRAWS)
            .flat_map(|update| {
                let v = epsilon(&model, &device, 0, SliceIndex { update, slice: 0 }, rho);
                assert!((norm(&v) - rho).abs() < 1e-5 * rho);
                layout.owned().flat_map(|(_, p)| v[p.range()].to_vec()).collect::<Vec<_>>()
            })
            .collect();
        let n = all.len() as f64;
        let mean = all.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let scale = rho / d.sqrt();
        // Five standard errors of a mean, and of a fourth moment that is 3 (1 − 2/(d + 2)) on the sphere: √(96/n) for normal numbers.
        assert!(mean.abs() < 5.0 * scale / n.sqrt(), "mean {mean:e}, scale {scale:e}");
        // Of each parameter by itself, and of each coordinate: five standard errors, √(2/n) for a variance of n normal numbers.
        let draws: Vec<&[f32]> = all.chunks_exact(layout.count()).collect();
        let variance = |range: std::ops::Range<usize>| {
            let sum: f64 = draws.iter().map(|v| dot(&v[range.clone()], &v[range.clone()])).sum();
            sum / (draws.len() * range.len()) as f64 / (scale * scale)
        };
        let mut start = 0;
        for (_, p) in layout.owned() {
            let (range, count) = (start..start + p.numel(), (DRAWS as usize * p.numel()) as f64);
            let found = variance(range.clone());
            assert!((found - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "{}: {found} of ρ²/d", p.name);
            start = range.end;
        }
        assert!((0..start).all(|i| (0.2..2.6).contains(&variance(i..i + 1))), "the variance of a coordinate");
        let fourth = all.iter().map(|x| (f64::from(*x) / scale).powi(4)).sum::<f64>() / n;
        assert!((fourth - 3.0 * d / (d + 2.0)).abs() < 5.0 * (96.0 / n).sqrt(), "fourth moment {fourth}");
    }
}

#[test]
fn draws_are_functions_of_seed_update_and_slice() {
    let model = vit();
    for device in Device::all_for_tests() {
        let draw = |seed, update, slice| epsilon(&model, &device, seed, SliceIndex { update, slice }, 1.0);
        let first = draw(1, 2, 3);
        assert_eq!(first, draw(1, 2, 3));
        for other in [draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 2), draw(1, 3, 2)] {
            assert!(dot(&first, &other).abs() < 0.2, "two draws are nearly across");
        }
    }
}

#[test]
fn frozen_parameters_and_padding_are_not_drawn() {
    for device in Device::all_for_tests() {
        let mut layout = ParamLayout::new();
        layout.add("a", &[70], Tags::default());
        layout.add("still", &[3], Tags { frozen: true, ..Tags::default() });
        layout.add("empty", &[0], Tags::default());
        let b = layout.add("b", &[64], Tags::default());
        layout.tie("b again", &[8, 8], b);
        let theta = Theta::new(Tensor::zeros(&device, DType::F32, &[256]), &Arc::new(layout));
        let state = lethe_nn::State::new(Tensor::zeros(&device, DType::F32, &[0]), &Arc::new(ParamLayout::new()));
        let f = |_: &Forward<'_>, x: &Var| x.reshape(&[2, 16]);
        let rule = Extragradient::sam(Perturbation::Random, CE);
        let p = host(&rule.ascent(&theta, &state, &batch(&device, 2), SliceIndex::default(), &f).p);
        let drawn: Vec<bool> = p.iter().map(|x| *x != 0.0).collect();
        let expected: Vec<bool> = (0..256).map(|i| !(70..192).contains(&i)).collect();
        assert_eq!(drawn, expected);
    }
}
