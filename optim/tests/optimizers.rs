//! Golden values of the optimisers (specification, sections 4.1 and 4.2), and the bounds of their steps.

mod common;

use common::{CE, batch, close, host, norm, resnet, started, step, token_vit, vit};
use lethe_autograd::{ParamLayout, Tags};
use lethe_nn::{Model, Theta};
use lethe_optim::{AdamW, Extragradient, Optimizer, Sgd};
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

fn single(device: &Device, dtype: DType) -> Theta {
    let mut layout = ParamLayout::new();
    layout.add("w", &[1, 1], Tags::default());
    let mut v = vec![0.0; 64];
    v[0] = 1.0;
    let values = Tensor::from_slice(&Device::cpu(), &v, &[64]).to_dtype(dtype).force().clone();
    Theta::new(values.to_device(device).unwrap(), &Arc::new(layout))
}

fn first(theta: &Theta) -> f64 {
    let values = theta.values().to_device(&Device::cpu()).unwrap();
    values.to_dtype(DType::F64).to_vec::<f64>().unwrap()[0]
}

/// An update for such a θ.
fn update(theta: &Theta, g: f64) -> Tensor {
    let mut v = vec![0.0f64; 64];
    v[0] = g;
    let update = Tensor::from_slice(&Device::cpu(), &v, &[64]).to_dtype(theta.values().dtype()).force().clone();
    update.to_device(theta.values().device()).unwrap()
}

#[test]
fn two_steps_have_their_golden_values() {
    let single_precision = Device::all_for_tests().into_iter().map(|device| (device, DType::F32, 2e-7));
    for (device, dtype, tolerance) in single_precision.chain([(Device::cpu(), DType::F64, 2e-9)]) {
        let mut theta = single(&device, dtype);
        let mut adamw = AdamW::new(&theta, 0.3);
        for (g, expected) in [(0.1, 0.9961000003), (-0.2, 0.9963018208)] {
            let update = update(&theta, g);
            adamw.step(&mut theta, &update, 0.003);
            assert!((first(&theta) - expected).abs() < tolerance, "{} on {device}", first(&theta));
        }
        let mut theta = single(&device, dtype);
        let mut sgd = Sgd::new(&theta, 0.9, 1e-3);
        for (g, expected) in [(0.1, 0.8384), (-0.2, 1.01305856)] {
            let update = update(&theta, g);
            sgd.step(&mut theta, &update, 1.6);
            assert!((first(&theta) - expected).abs() < tolerance, "{} on {device}", first(&theta));
        }
    }
}

/// The first update of a warm-up has a rate of 0: it moves nothing, and counts.
#[test]
fn moments_move_at_a_rate_of_zero() {
    let mut theta = single(&Device::cpu(), DType::F64);
    let mut adamw = AdamW::new(&theta, 0.0);
    let [still, moving] = [0.1, -0.2].map(|g| update(&theta, g));
    adamw.step(&mut theta, &still, 0.0);
    assert_eq!(first(&theta), 1.0);
    adamw.step(&mut theta, &moving, 0.003);
    let (mean, square): (f64, f64) = (0.9 * 0.01 - 0.1 * 0.2, 0.999 * 1e-5 + 1e-3 * 0.04);
    let expected = 1.0 - 0.003 / (1.0 - 0.81) * mean / (square.sqrt() / (1.0 - 0.999f64.powi(2)).sqrt() + 1e-8);
    assert!((first(&theta) - expected).abs() < 1e-12, "{} {expected}", first(&theta));
}

#[test]
fn an_update_that_is_not_finite_moves_nothing_and_clipping_bounds_the_step() {
    let mut theta = single(&Device::cpu(), DType::F64);
    let mut sgd = Sgd::new(&theta, 0.0, 0.0);
    sgd.clip = 0.5;
    let [nan, long] = [f64::NAN, -100.0].map(|g| update(&theta, g));
    sgd.step(&mut theta, &nan, 1.0);
    assert_eq!(first(&theta), 1.0);
    sgd.step(&mut theta, &long, 1.0);
    assert!((first(&theta) - 1.5).abs() < 1e-7);
}

#[test]
fn what_has_one_axis_and_the_positions_do_not_decay() {
    let models: [Box<dyn Model>; 3] = [Box::new(vit()), Box::new(token_vit()), Box::new(resnet())];
    for (device, model) in Device::all_for_tests().iter().flat_map(|device| models.iter().map(move |m| (device, m))) {
        let (start, _) = started(device, &**model);
        let (before, zero) = (host(start.values()), start.values().zeros_like());
        let rules: [Box<dyn Optimizer>; 2] = [Box::new(Sgd::new(&start, 0.0, 0.5)), Box::new(AdamW::new(&start, 0.5))];
        for mut rule in rules {
            let mut theta = start.clone();
            rule.step(&mut theta, &zero, 0.1);
            let after = host(theta.values());
            for (_, p) in theta.layout().owned() {
                let still = p.shape.len() < 2 || ["pos_embed", "cls_token"].contains(&&p.name[..]);
                let expected: Vec<f32> = before[p.range()].iter().map(|x| x * if still { 1.0 } else { 0.95 }).collect();
                close(&after[p.range()], &expected, 1e-6);
            }
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
            // From 0 on, so that no digit of the step is lost.
            let mut theta = Theta::new(at.0.values().zeros_like(), at.0.layout());
            let mut sgd = Sgd::new(&theta, 0.0, 0.0);
            sgd.clip = clip;
            sgd.step(&mut theta, &gradient, 1.0);
            let moved = norm(&host(theta.values()));
            assert!(moved <= clip && (moved / expected - 1.0).abs() < 1e-5, "{clip}: {moved}, {expected}");
        }
    }
}

#[test]
fn gradients_whose_squares_have_no_number_are_clipped_or_stop_the_step() {
    let model = vit();
    for device in Device::all_for_tests() {
        let at = started(&device, &model);
        let layout = at.0.layout().clone();
        let wide = Tensor::ones(&device, DType::F32, &[layout.len()]).mul_scalar(1e25);
        let long = 1e25 * (layout.len() as f64).sqrt();
        for clip in [1.0, f64::INFINITY] {
            let mut theta = Theta::new(at.0.values().zeros_like(), at.0.layout());
            let mut adamw = AdamW::new(&theta, 0.0);
            adamw.clip = clip;
            let found = f64::from(adamw.step(&mut theta, &wide, 0.1).item::<f32>().unwrap());
            let moved = norm(&host(theta.values()));
            match clip {
                1.0 => assert!((found / long - 1.0).abs() < 1e-5 && moved > 0.0, "{found:e}, {moved}"),
                // Second moments of 1e50 would be infinite for good.
                _ => assert!(found == f64::INFINITY && moved == 0.0, "{found:e}, {moved}"),
            }
        }
    }
}
