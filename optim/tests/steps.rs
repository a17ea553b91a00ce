//! Golden values of the optimisers (specification 4.1, 4.2), and the invariants of the extragradient step (section 12).

use lethe_autograd::{ParamLayout, Tags, Var};
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::models::{Pooling, ResNet, ResNetConfig, Vit, VitConfig};
use lethe_nn::{Forward, Model, State, Theta};
use lethe_optim::{AdamW, Batch, Extragradient, Optimizer, Perturbation, Sgd};
use lethe_tensor::random::Draw;
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

fn vit() -> Vit {
    let config = VitConfig {
        image: [4, 4],
        patch: 2,
        width: 8,
        depth: 2,
        heads: 2,
        mlp: 16,
        channels: 1,
        ..VitConfig::small(2, 10)
    };
    Vit::new(VitConfig { pooling: Pooling::Mean, head_bias: None, ..config })
}

fn batch(n: usize) -> Batch {
    let cpu = Device::cpu();
    let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % 10).collect();
    Batch {
        inputs: Tensor::normal(&cpu, DType::F32, &[n, 1, 4, 4], Draw::new(1, [0; 3])),
        labels: Tensor::from_slice(&cpu, &labels, &[n]),
    }
}

/// A model, and parameters away from its start (where the head is zero).
fn started(model: &dyn Model) -> (Theta, State) {
    let (theta, state) = model.init(&Device::cpu(), 3);
    let mut noise = vec![0f32; theta.layout().len()];
    for (id, p) in theta.layout().owned() {
        let n = Tensor::normal(&Device::cpu(), DType::F32, &[p.numel()], Draw::new(9, [id.0 as u32, 0, 0]));
        noise[p.range()].copy_from_slice(&n.mul_scalar(0.2).to_vec::<f32>().unwrap());
    }
    let noise = Tensor::from_slice(&Device::cpu(), &noise, &[noise.len()]);
    (Theta::new(theta.values().add(&noise), theta.layout()), state)
}

const CE: TaskLoss = TaskLoss { likelihood: Likelihood::Softmax, smoothing: 0.0 };

fn update_of(step: Extragradient, model: &dyn Model, at: &(Theta, State), batch: &Batch, rho: f64) -> Vec<f32> {
    let f = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    step.gradient(&at.0, &at.1, batch, rho, 0, &f).update.to_vec().unwrap()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    let scale = b.iter().fold(0f32, |m, x| m.max(x.abs()));
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * scale), "the vectors differ");
}

#[test]
fn slices_average_and_a_radius_of_zero_is_the_plain_gradient() {
    let (model, batch) = (vit(), batch(8));
    let at = started(&model);
    let before = at.0.values().to_vec::<f32>().unwrap();
    let plain = update_of(Extragradient::none(CE), &model, &at, &batch, 0.0);
    let obf = Perturbation::obf(0.1, 1.0, Likelihood::Softmax);
    for perturbation in [Perturbation::None, Perturbation::Steepest, obf] {
        let sliced = Extragradient::sam(perturbation, CE).slices_of(2);
        close(&update_of(sliced, &model, &at, &batch, 0.0), &plain, 1e-5);
    }
    let whole = Extragradient::sam(obf, CE);
    assert_eq!(update_of(whole, &model, &at, &batch, 0.1), update_of(whole.slices_of(8), &model, &at, &batch, 0.1));
    assert_eq!(at.0.values().to_vec::<f32>().unwrap(), before);
}

#[test]
fn steepest_ascent_raises_the_loss_and_forgetting_lowers_the_labels_likelihood() {
    let (model, batch) = (vit(), batch(8));
    let at = started(&model);
    let run = |p| {
        let f = |f: &Forward<'_>, x: &Var| model.forward(f, x);
        let out = Extragradient::sam(p, CE).gradient(&at.0, &at.1, &batch, 0.05, 0, &f);
        (out.loss.item::<f32>().unwrap(), out.perturbed_loss.item::<f32>().unwrap())
    };
    for p in [Perturbation::Steepest, Perturbation::obf(0.0, 0.0, Likelihood::Softmax)] {
        let (before, after) = run(p);
        assert!(after > before, "{p:?}: {before} {after}");
    }
}

#[test]
fn running_statistics_move_in_the_first_pass_alone() {
    let model = ResNet::new(&ResNetConfig { width: 4, blocks: vec![1, 1], channels: 1, ..ResNetConfig::cifar18(10) });
    let (batch, at) = (batch(8), started(&model));
    let f = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    let state = |p: Perturbation| {
        let out = Extragradient::sam(p, CE).slices_of(4).gradient(&at.0, &at.1, &batch, 0.5, 0, &f);
        out.state.values().to_vec::<f32>().unwrap()
    };
    let plain = state(Perturbation::None);
    assert_eq!(plain, state(Perturbation::Steepest));
    assert_ne!(plain, at.1.values().to_vec::<f32>().unwrap());
}
