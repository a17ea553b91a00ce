//! Output bias forgetting through whole networks (specification, sections 1.5 and 12, invariants 1 to 3).

mod common;

use common::*;
use lethe_autograd::{Var, gradient};
use lethe_nn::loss::{Likelihood, Obf, TaskLoss};
use lethe_nn::{Forward, Model, Pass, State, Theta};
use lethe_optim::{Batch, Extragradient, Perturbation, SliceIndex};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

fn logits(model: &dyn Model, at: &(Theta, State), batch: &Batch) -> Tensor {
    let params = at.0.constants();
    let f = Forward::new(&params, &at.1, Pass::train(0, 0, 0));
    model.forward(&f, &Var::constant(&batch.inputs)).tensor().clone()
}

/// The mean of L(U, z) over a batch, and its gradient.
fn to_uniform(model: &dyn Model, at: &(Theta, State), batch: &Batch, loss: TaskLoss) -> (f32, Vec<f32>) {
    let (value, slope) = gradient(at.0.values(), at.0.layout(), |params| {
        let f = Forward::new(params, &at.1, Pass::train(0, 0, 0));
        let z = model.forward(&f, &Var::constant(&batch.inputs));
        // Smoothed wholly, the label is gone.
        TaskLoss { smoothing: 1.0, ..loss }.mean(&z, &batch.targets)
    });
    (value.item().unwrap(), host(&slope))
}

#[test]
fn whole_forgetting_descends_to_the_uniform_likelihoods() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        for loss in [CE, BCE] {
            let rule = Extragradient::sam(Perturbation::obf(0.0, 1.0, loss.likelihood), loss);
            let (before, slope) = to_uniform(&model, &at, &batch, loss);
            let p = rule
                .ascent(&at.0, &at.1, &batch, SliceIndex::default(), &|f: &Forward<'_>, x: &Var| model.forward(f, x))
                .p;
            let off = distance(&host(&p), &slope.iter().map(|x| -x).collect::<Vec<_>>());
            assert!(off < 1e-6, "{loss:?}: off by {off:e} of its length");
            let moved = rule.geometry.direction(&at.0, p).step_from(&at.0, 0.01);
            let (after, _) = to_uniform(&model, &(moved, at.1.clone()), &batch, loss);
            assert!(after < before, "{loss:?}: {before} {after}");
        }
    }
}

#[test]
fn without_forgetting_the_seed_is_the_label_against_uniform_whatever_is_predicted() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            let seed = host(&Obf::new(0.1, 0.0, likelihood).seed(&logits(&model, &at, &batch), &batch.targets));
            let labels: Vec<u32> = batch.targets.to_vec().unwrap();
            let expected = |i: usize| (0.1 - f64::from(u8::from(labels[i / 10] as usize == i % 10))) / 8.0;
            assert!(seed.iter().enumerate().all(|(i, s)| (f64::from(*s) - expected(i)).abs() < 1e-8), "{seed:?}");
            let epsilon = |gamma| {
                let rule = Extragradient::sam(Perturbation::obf(0.1, gamma, likelihood), CE);
                host(&direction(&rule, &model, &at, &batch).epsilon(0.1))
            };
            close(&epsilon(1e-12), &epsilon(0.0), 1e-6);
            let certain: Vec<f32> = (0..80).map(|i| if i % 3 == 0 { 1e4 } else { -1e4 }).collect();
            let certain = Tensor::from_slice(&device, &certain, &[8, 10]);
            assert_eq!(host(&Obf::new(0.1, 0.0, likelihood).seed(&certain, &batch.targets)), seed, "{likelihood:?}");
        }
        // With softmax no seed raises the logits of a row as a whole.
        for gamma in [0.3, 1.0] {
            let seed = Obf::new(0.1, gamma, Likelihood::Softmax).seed(&logits(&model, &at, &batch), &batch.targets);
            let sums = host(&seed.sum_axes(&[-1], false));
            assert!(sums.len() == 8 && sums.iter().all(|sum| sum.abs() < 1e-7), "{sums:?}");
        }
    }
}

#[test]
fn alpha_rises_with_the_likelihood_of_the_label() {
    for device in Device::all_for_tests() {
        for (likelihood, lambda) in
            [Likelihood::Softmax, Likelihood::Sigmoid].into_iter().flat_map(|l| [(l, 0.25), (l, 0.5)])
        {
            let z: Vec<f32> = (0..81).flat_map(|i| [(i as f32 - 40.0) / 4.0, 0.0]).collect();
            let z = Tensor::from_slice(&device, &z, &[81, 2]);
            let labels = Tensor::from_slice(&device, &[0u32; 81], &[81]);
            let alpha = host(&Obf::new(lambda, 0.8, likelihood).alpha(&z, &labels));
            assert!(alpha.windows(2).all(|w| w[0] <= w[1] + 1e-6), "{alpha:?}");
            assert!(
                alpha[0].abs() < 1e-6
                    && (alpha[80] - 0.8).abs() < 1e-3
                    && alpha.iter().all(|a| (-1e-6..=0.8001).contains(a))
            );
            // ŷ = σ(z) for both: of two classes, and by itself. Below λ there is nothing to forget.
            for (i, a) in alpha.iter().enumerate() {
                let y = 1.0 / (1.0 + (-(i as f64 - 40.0) / 4.0).exp());
                let expected = 0.8 * ((1.0 - lambda / y) / (1.0 - lambda)).max(0.0);
                assert!((f64::from(*a) - expected).abs() < 1e-5, "{a} {expected}");
            }
        }
    }
}

#[test]
fn the_seed_is_the_slope_of_the_objective_with_alpha_held() {
    let cpu = Device::cpu();
    let z = Tensor::normal(&cpu, DType::F64, &[3, 5], Draw::new(2, [0; 3]));
    let labels = Tensor::from_slice(&cpu, &[1u32, 4, 0], &[3]);
    for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
        let obf = Obf::new(0.2, 0.7, likelihood);
        let alpha: Vec<f64> = obf.alpha(&z, &labels).to_vec().unwrap();
        let alpha = Tensor::from_slice(&cpu, &alpha, &[3]);
        let task = |smoothing| TaskLoss { likelihood, smoothing };
        // L^BF = (1 − α) L(e_y, z) − L(U, z), from the task loss alone.
        let value = |z: &Tensor| -> f64 {
            let rows = |smoothing| task(smoothing).rows(&Var::constant(z), &labels).tensor().clone();
            let kept = alpha.rsub_scalar(1.0).mul(&rows(0.0));
            kept.sub(&rows(1.0)).mean().item().unwrap()
        };
        let seed: Vec<f64> = obf.seed(&z, &labels).to_vec().unwrap();
        for (i, expected) in seed.iter().enumerate() {
            let mut unit = vec![0.0; 15];
            unit[i] = 1e-5;
            let unit = Tensor::from_slice(&cpu, &unit, &[3, 5]);
            let slope = (value(&z.add(&unit)) - value(&z.sub(&unit))) / 2e-5;
            assert!((slope - expected).abs() < 1e-8, "{likelihood:?}: {slope} {expected}");
        }
    }
}
