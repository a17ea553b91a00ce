//! What the tests of steps share: devices, small models away from their start, and arithmetic on the host in doubles.
#![allow(dead_code)] // each test program uses a part

use lethe_autograd::{ParamLayout, Tags, Var};
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::models::{Pooling, ResNet, ResNetConfig, Vit, VitConfig};
use lethe_nn::{Forward, Model, State, Theta};
use lethe_optim::{Batch, Direction, Extragradient, Perturbation, SliceIndex, StepOutput};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

pub const CE: TaskLoss = TaskLoss { likelihood: Likelihood::Softmax, smoothing: 0.0 };
pub const BCE: TaskLoss = TaskLoss { likelihood: Likelihood::Sigmoid, smoothing: 0.0 };

/// OBF with λ = 1/10.
pub fn obf(gamma: f64) -> Perturbation {
    Perturbation::obf(0.1, gamma, Likelihood::Softmax)
}

/// Every kind that moves θ.
pub fn kinds() -> [Perturbation; 3] {
    [Perturbation::Steepest, obf(1.0), Perturbation::Random]
}

pub fn vit() -> Vit {
    Vit::new(vit_config())
}

fn vit_config() -> VitConfig {
    let sizes = VitConfig { image: [4, 4], patch: 2, width: 8, depth: 2, heads: 2, mlp: 16, ..VitConfig::small(2, 10) };
    VitConfig { channels: 1, pooling: Pooling::Mean, head_bias: None, ..sizes }
}

/// With a class token.
pub fn token_vit() -> Vit {
    Vit::new(VitConfig { pooling: Pooling::ClassToken, ..vit_config() })
}

pub fn resnet() -> ResNet {
    ResNet::new(&ResNetConfig { width: 4, blocks: vec![1, 1], channels: 1, ..ResNetConfig::cifar18(10) })
}

pub fn batch(device: &Device, n: usize) -> Batch {
    let labels: Vec<u32> = (0..n as u32).map(|i| i * 7 % 10).collect();
    Batch {
        inputs: Tensor::normal(&Device::cpu(), DType::F32, &[n, 1, 4, 4], Draw::new(1, [0; 3]))
            .to_device(device)
            .unwrap(),
        targets: Tensor::from_slice(device, &labels, &[n]),
    }
}

/// A model's θ and state, away from the start (where the head is zero).
pub fn started(device: &Device, model: &dyn Model) -> (Theta, State) {
    let (theta, state) = model.init(&Device::cpu(), 3);
    let mut noise = vec![0f32; theta.layout().len()];
    for (id, p) in theta.layout().owned() {
        let n = Tensor::normal(&Device::cpu(), DType::F32, &[p.numel()], Draw::new(9, [id.0 as u32, 0, 0]));
        noise[p.range()].copy_from_slice(&n.mul_scalar(0.2).to_vec::<f32>().unwrap());
    }
    let noise = Tensor::from_slice(&Device::cpu(), &noise, &[noise.len()]);
    let theta = Theta::new(theta.values().add(&noise), theta.layout());
    (theta.to_device(device).unwrap(), state.to_device(device).unwrap())
}

/// A step's result for a model.
pub fn step(rule: &Extragradient, model: &dyn Model, at: &(Theta, State), batch: &Batch, rho: f64) -> StepOutput {
    rule.gradient(&at.0, &at.1, batch, rho, 0, &|f: &Forward<'_>, x: &Var| model.forward(f, x))
}

/// The update gradient alone.
pub fn update(rule: &Extragradient, model: &dyn Model, at: &(Theta, State), batch: &Batch, rho: f64) -> Vec<f32> {
    step(rule, model, at, batch, rho).update.to_vec().unwrap()
}

/// The direction of the whole batch as one slice.
pub fn direction(rule: &Extragradient, model: &dyn Model, at: &(Theta, State), batch: &Batch) -> Direction {
    let ascent =
        rule.ascent(&at.0, &at.1, batch, SliceIndex::default(), &|f: &Forward<'_>, x: &Var| model.forward(f, x));
    rule.geometry.direction(&at.0, ascent.p)
}

/// A θ of one parameter of shape (1, n).
pub fn theta(device: &Device, values: &[f32]) -> Theta {
    let mut layout = ParamLayout::new();
    layout.add("w", &[1, values.len()], Tags::default());
    Theta::new(padded(device, values), &Arc::new(layout))
}

/// A vector of that layout.
pub fn padded(device: &Device, values: &[f32]) -> Tensor {
    let mut v = values.to_vec();
    v.resize(values.len().next_multiple_of(64), 0.0);
    Tensor::from_slice(device, &v, &[v.len()])
}

pub fn host(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

pub fn norm(v: &[f32]) -> f64 {
    dot(v, v).sqrt()
}

pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The length of a − b as a share of b's.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(b)
}

/// That a and b differ by at most `tolerance` of b's largest element.
#[track_caller]
pub fn close(a: &[f32], b: &[f32], tolerance: f32) {
    let scale = b.iter().fold(0f32, |m, x| m.max(x.abs()));
    let off = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    // A maximum leaves NaN out.
    assert!(a.iter().chain(b).all(|x| x.is_finite()), "not finite");
    assert!(a.len() == b.len() && off <= tolerance * scale, "off by {off:e} of {scale:e}");
}

/// That the first elements are these golden values, given with six decimals.
#[track_caller]
pub fn golden(got: &Tensor, expected: &[f64]) {
    for (a, b) in host(got).iter().zip(expected) {
        assert!((f64::from(*a) - b).abs() < 1e-6, "{a} {b}");
    }
}
