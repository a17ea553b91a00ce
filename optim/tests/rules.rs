//! Every rule against the same equations written out in doubles: groups, frozen parameters, decay, clipping, and a step that is no number.

mod common;

use common::norm;
use lethe_autograd::{ParamLayout, Tags};
use lethe_nn::Theta;
use lethe_optim::{Adam, AdamW, Descent, Group, Lion, Optimizer, RmsProp, Sgd, StepInputs, UpdateRule};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Numeric, Tensor};
use std::sync::Arc;

const DECAY: f64 = 0.1;
const CLIP: f64 = 2.0;
const STEPS: usize = 6;
/// The step whose gradient is no number.
const BROKEN: usize = 3;
const GROUPS: [Group; 3] =
    [Group { lr_scale: 1.0, decay_scale: 1.0 }, Group { lr_scale: 0.3, decay_scale: 2.0 }, Group::FROZEN];

/// A parameter of each kind: its number of elements, what its group makes of rate and decay, and its tags.
fn parameters() -> [(usize, f64, f64, Tags); 5] {
    let tags = |group, decayed, frozen| Tags { group, decayed, frozen };
    [
        (100, 1.0, DECAY, tags(0, true, false)),
        (64, 1.0, 0.0, tags(0, false, false)),
        (130, 0.3, 2.0 * DECAY, tags(1, true, false)),
        (70, 0.0, 0.0, tags(2, true, false)),
        (5, 0.0, DECAY, tags(0, true, true)),
    ]
}

fn layout() -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (i, (n, _, _, tags)) in parameters().into_iter().enumerate() {
        layout.add(&format!("p{i}"), &[1, n], tags);
    }
    Arc::new(layout)
}

/// Numbers for the parameters, and 0 between them.
fn drawn(layout: &ParamLayout, stream: u32) -> Vec<f64> {
    let all = Tensor::normal(&Device::cpu(), DType::F32, &[layout.len()], Draw::new(7, [stream, 0, 0]));
    let all: Vec<f32> = all.to_vec().unwrap();
    let mut v = vec![0.0; layout.len()];
    layout.owned().for_each(|(_, p)| p.range().for_each(|i| v[i] = f64::from(all[i])));
    v
}

/// What an element of θ and those beside it become at step k, by the rule's equations.
type Equations = fn(theta: f64, g: f64, state: &mut [f64; 2], lr: f64, decay: f64, k: i32) -> f64;

fn adam(theta: f64, g: f64, [m, v]: &mut [f64; 2], lr: f64, decay: f64, k: i32) -> f64 {
    let g = g + decay * theta;
    adamw(theta, g, [m, v], lr, 0.0, k)
}

fn adamw(theta: f64, g: f64, [m, v]: [&mut f64; 2], lr: f64, decay: f64, k: i32) -> f64 {
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.95 * *v + 0.05 * g * g;
    let (mean, square) = (*m / (1.0 - 0.9f64.powi(k)), *v / (1.0 - 0.95f64.powi(k)));
    theta * (1.0 - lr * decay) - lr * mean / (square.sqrt() + 1e-3)
}

fn lion(theta: f64, g: f64, [m, _]: &mut [f64; 2], lr: f64, decay: f64, _: i32) -> f64 {
    let u = 0.9 * *m + 0.1 * g;
    *m = 0.99 * *m + 0.01 * g;
    theta * (1.0 - lr * decay) - lr * if u == 0.0 { 0.0 } else { u.signum() }
}

fn rmsprop(theta: f64, g: f64, [v, _]: &mut [f64; 2], lr: f64, decay: f64, _: i32) -> f64 {
    let g = g + decay * theta;
    *v = 0.99 * *v + 0.01 * g * g;
    theta - lr * g / (v.sqrt() + 1e-3)
}

fn momentum(theta: f64, g: f64, [b, _]: &mut [f64; 2], lr: f64, decay: f64, _: i32) -> f64 {
    *b = 0.9 * *b + g;
    theta * (1.0 - lr * decay) - lr * *b
}

fn nesterov(theta: f64, g: f64, [b, _]: &mut [f64; 2], lr: f64, decay: f64, _: i32) -> f64 {
    *b = 0.9 * *b + g;
    theta * (1.0 - lr * decay) - lr * (g + 0.9 * *b)
}

/// A rule from outside: RMSprop's direction, kept by a momentum that is bounded.
#[derive(Clone)]
struct Own;

impl UpdateRule<3> for Own {
    const NAME: &'static str = "own";
    const VECTORS: [&'static str; 3] = ["theta", "own.square", "own.bounded"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, v, b]: [X; 3], at: StepInputs<X>) -> [X; 3] {
        let v = v * 0.9 + at.grad.square() * 0.1;
        let b = (b * 0.5 + at.grad / (v.sqrt() + 1e-3)).tanh();
        [theta - at.lr * b.if_less(b.abs(), at.grad.min(b), b), v, b]
    }
}

fn own(theta: f64, g: f64, [v, b]: &mut [f64; 2], lr: f64, _: f64, _: i32) -> f64 {
    *v = 0.9 * *v + 0.1 * g * g;
    *b = (0.5 * *b + g / (v.sqrt() + 1e-3)).tanh();
    theta - lr * if *b < 0.0 { g.min(*b) } else { *b }
}

/// Trains on every device, and compares θ and the vectors with the equations after each step.
fn agrees<R: UpdateRule<V>, const V: usize>(rule: impl Fn() -> R, equations: Equations) {
    let layout = layout();
    let single = Device::all_for_tests().into_iter().map(|device| (device, DType::F32, 3e-6));
    for (device, dtype, tolerance) in single.chain([(Device::cpu(), DType::F64, 1e-12)]) {
        let on = |v: &[f64]| {
            let t = Tensor::from_slice(&Device::cpu(), v, &[v.len()]).to_dtype(dtype).force().clone();
            t.to_device(&device).unwrap()
        };
        let host =
            |t: &Tensor| -> Vec<f64> { t.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap() };
        let mut expected = drawn(&layout, 0);
        let mut state = vec![[0.0; 2]; layout.len()];
        let mut theta = Theta::new(on(&expected), &layout);
        let mut descent = Descent::with_groups(rule(), &theta, DECAY, &GROUPS);
        descent.clip = CLIP;
        for step in 1..=STEPS {
            let mut g = drawn(&layout, step as u32);
            let length = norm(&g.iter().map(|x| *x as f32).collect::<Vec<_>>());
            if step == BROKEN {
                g[3] = f64::INFINITY;
            }
            let lr = 0.01 * step as f64;
            let found = host(&descent.step(&mut theta, &on(&g), lr))[0];
            if step == BROKEN {
                assert!(!found.is_finite());
            } else {
                assert!((found / length - 1.0).abs() < 1e-5);
                let clip = (CLIP / (length + 1e-6)).min(1.0);
                for ((_, p), (_, scale, decay, _)) in layout.owned().zip(parameters()) {
                    for i in p.range().filter(|_| scale != 0.0) {
                        expected[i] =
                            equations(expected[i], g[i] * clip, &mut state[i], lr * scale, decay, step as i32);
                    }
                }
            }
            let vectors: Vec<Vec<f64>> = (0..V - 1).map(|k| state.iter().map(|s| s[k]).collect()).collect();
            let kept: Vec<(&str, Vec<f64>)> = descent.state().into_iter().map(|(name, t)| (name, host(t))).collect();
            let pairs = [("θ", host(theta.values()), &expected)];
            let pairs =
                pairs.into_iter().chain(kept.into_iter().zip(&vectors).map(|((name, got), want)| (name, got, want)));
            for (name, got, want) in pairs {
                for (i, (g, w)) in got.iter().zip(want).enumerate() {
                    let case = format!("{} on {device:?} in {dtype}, step {step}: {name}[{i}]", R::NAME);
                    assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "{case}: {g}, expected {w}");
                }
            }
        }
        assert_eq!(descent.steps(), STEPS as u64);
    }
}

#[test]
fn adamw_follows_its_equations() {
    let rule = || AdamW { betas: [0.9, 0.95], eps: 1e-3 };
    agrees(rule, |theta, g, [m, v], lr, decay, k| adamw(theta, g, [m, v], lr, decay, k));
}

#[test]
fn adam_follows_its_equations() {
    agrees(|| Adam { betas: [0.9, 0.95], eps: 1e-3 }, adam);
}

#[test]
fn lion_follows_its_equations() {
    agrees(Lion::default, lion);
}

#[test]
fn rmsprop_follows_its_equations() {
    agrees(|| RmsProp { alpha: 0.99, eps: 1e-3 }, rmsprop);
}

#[test]
fn sgd_follows_its_equations() {
    agrees(|| Sgd { momentum: 0.9, nesterov: false }, momentum);
    agrees(|| Sgd { momentum: 0.9, nesterov: true }, nesterov);
}

#[test]
fn a_rule_from_outside_follows_its_equations() {
    agrees(|| Own, own);
}

/// What is restored goes on to the bit as what was never stopped.
#[test]
fn a_restored_optimiser_goes_on() {
    let layout = layout();
    for device in Device::all_for_tests() {
        let on = |stream| {
            let v: Vec<f32> = drawn(&layout, stream).iter().map(|x| *x as f32).collect();
            Tensor::from_slice(&device, &v, &[v.len()])
        };
        let mut theta = Theta::new(on(0), &layout);
        let mut whole = Descent::with_groups(AdamW::default(), &theta, DECAY, &GROUPS);
        (1..3).for_each(|i| _ = whole.step(&mut theta, &on(i), 0.1));
        let mut second = Descent::with_groups(AdamW::default(), &theta, DECAY, &GROUPS);
        second.restore(whole.state().into_iter().map(|(_, t)| t.clone()).collect(), whole.steps());
        let mut other = theta.clone();
        whole.step(&mut theta, &on(3), 0.1);
        second.step(&mut other, &on(3), 0.1);
        assert_eq!(common::host(theta.values()), common::host(other.values()));
    }
}

#[test]
#[should_panic(expected = "p2 is in parameter group 1")]
fn every_parameter_has_a_group() {
    let layout = layout();
    let theta = Theta::new(Tensor::zeros(&Device::cpu(), DType::F32, &[layout.len()]), &layout);
    Descent::with_groups(Lion::default(), &theta, 0.0, &GROUPS[..1]);
}
