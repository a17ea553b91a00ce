//! Perturbations have the length that their geometry gives them (specification, sections 3.2 and 12, invariants 4 and 8).

mod common;

use common::*;
use lethe_autograd::{ParamLayout, Tags, Var};
use lethe_nn::{Forward, Pass, State, Theta};
use lethe_optim::{Adaptive, Batch, Extragradient, Geometry, Scale, Scope, SliceIndex};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::sync::Arc;

fn adaptive(scale: Scale) -> Geometry {
    Geometry::Adaptive(Adaptive { scale, eta: 0.0, scope: Scope::All })
}

const ALL: [Geometry; 4] = [
    Geometry::Euclidean,
    Geometry::Adaptive(Adaptive { scale: Scale::Before, eta: 0.0, scope: Scope::All }),
    Geometry::Adaptive(Adaptive { scale: Scale::After, eta: 0.0, scope: Scope::All }),
    Geometry::Adaptive(Adaptive { scale: Scale::Both, eta: 0.0, scope: Scope::All }),
];

#[test]
fn the_three_variants_have_their_golden_values() {
    for device in Device::all_for_tests() {
        let (theta, p) = (theta(&device, &[2.0, -0.5, 0.0]), padded(&device, &[1.0, 2.0, 3.0]));
        let epsilon = |scale| adaptive(scale).direction(&theta, p.clone()).epsilon(1.0);
        golden(&epsilon(Scale::Before), &[0.894427, 0.447214, 0.0]);
        golden(&epsilon(Scale::After), &[0.534522, 0.267261, 0.0]);
        golden(&epsilon(Scale::Both), &[1.788854, 0.223607, 0.0]);
        assert_eq!(epsilon(Scale::Both).shape(), theta.values().shape());
    }
}

#[test]
fn eta_and_scope_change_the_scaling_of_what_they_name() {
    for device in Device::all_for_tests() {
        let mut layout = ParamLayout::new();
        layout.add("bias", &[2], Tags::default());
        layout.add("weight", &[1, 2], Tags::default());
        let place = |values: [f32; 4]| {
            let mut v = vec![0.0; 128];
            (v[0], v[1], v[64], v[65]) = values.into();
            Tensor::from_slice(&device, &v, &[128])
        };
        let theta = Theta::new(place([2.0, -0.5, 2.0, -0.5]), &Arc::new(layout));
        for (scope, t) in [(Scope::All, [2.1, 0.6, 2.1, 0.6]), (Scope::Matrices, [1.0, 1.0, 2.1, 0.6])] {
            for (scale, power) in [(Scale::Before, 1), (Scale::After, 1), (Scale::Both, 2)] {
                let geometry = Geometry::Adaptive(Adaptive { scale, eta: 0.1, scope });
                let p = [1.0f32, 2.0, 3.0, 4.0];
                let epsilon = host(&geometry.direction(&theta, place(p)).epsilon(0.5));
                let scaled = |i: usize, k| f64::from(p[i]) * f64::powi(t[i], k);
                let measured = if scale == Scale::After { 0 } else { 1 };
                let n = (0..4).map(|i| scaled(i, measured).powi(2)).sum::<f64>().sqrt();
                for (i, at) in [0, 1, 64, 65].into_iter().enumerate() {
                    let expected = 0.5 * scaled(i, power) / n;
                    assert!(
                        (f64::from(epsilon[at]) - expected).abs() < 1e-6,
                        "{geometry:?}: {} {expected}",
                        epsilon[at]
                    );
                }
                assert_eq!(epsilon.iter().filter(|e| **e != 0.0).count(), 4, "padding stays zero");
            }
        }
    }
}

#[test]
fn the_scope_of_the_original_asam_is_what_is_called_weight() {
    for device in Device::all_for_tests() {
        let mut layout = ParamLayout::new();
        let names = ["pos_embed", "norm1.weight", "norm1.bias", "fc.weight"];
        for (name, axes) in names.iter().zip([2, 1, 1, 2]) {
            layout.add(name, &vec![1; axes], Tags::default());
        }
        let place = |values: [f32; 4]| {
            let mut v = vec![0.0; 4 * 64];
            values.iter().enumerate().for_each(|(i, x)| v[i * 64] = *x);
            Tensor::from_slice(&device, &v, &[v.len()])
        };
        let theta = Theta::new(place([9.0, -2.0, 9.0, 1.5]), &Arc::new(layout));
        let asam = |scale| Geometry::Adaptive(Adaptive { scale, eta: 0.5, scope: Scope::Weights });
        // T is (1, 2.5, 1, 2) and p is (3, 2, 4, 6): T p is (3, 5, 4, 12), of length √194.
        let p = place([3.0, 2.0, 4.0, 6.0]);
        let epsilon = |scale| host(&asam(scale).direction(&theta, p.clone()).epsilon(194f64.sqrt()));
        for (scale, expected) in [(Scale::Before, [3.0, 5.0, 4.0, 12.0]), (Scale::Both, [3.0, 12.5, 4.0, 24.0])] {
            let epsilon = epsilon(scale);
            for (i, expected) in expected.into_iter().enumerate() {
                assert!((epsilon[i * 64] - expected).abs() < 1e-4, "{scale:?}, {}: {}", names[i], epsilon[i * 64]);
            }
        }
    }
}

#[test]
fn a_perturbation_is_as_long_as_its_geometry_says() {
    let model = vit();
    for device in Device::all_for_tests() {
        let (at, batch) = (started(&device, &model), batch(&device, 8));
        for (kind, geometry) in kinds().into_iter().flat_map(|k| ALL.map(|g| (k, g))) {
            let rule = Extragradient { geometry, ..Extragradient::sam(kind, CE) };
            let direction = direction(&rule, &model, &at, &batch);
            let length = norm(&host(&direction.epsilon(0.3)));
            let Geometry::Adaptive(Adaptive { scale, .. }) = geometry else {
                assert!((length - 0.3).abs() < 3e-6, "{kind:?}: {length}");
                continue;
            };
            let (weights, raw) = (host(at.0.values()), host(&direction.raw()));
            let scaled: Vec<f32> = weights.iter().zip(&raw).map(|(w, p)| w.abs() * p).collect();
            let factor = if scale == Scale::Before { 1.0 } else { norm(&scaled) / norm(&raw) };
            assert!((length / (0.3 * factor) - 1.0).abs() < 1e-5, "{kind:?} {geometry:?}: {length}, {factor}");
        }
    }
}

#[test]
fn no_direction_is_no_perturbation() {
    for device in Device::all_for_tests() {
        let (theta, zero) = (theta(&device, &[2.0, -0.5, 0.0]), padded(&device, &[0.0; 3]));
        for geometry in ALL {
            let direction = geometry.direction(&theta, zero.clone());
            assert!(host(&direction.epsilon(1e3)).iter().all(|e| *e == 0.0), "{geometry:?}");
            assert_eq!(host(direction.step_from(&theta, 1e3).values()), host(theta.values()));
        }
    }
}

/// `relu(x w1ᵀ) w2ᵀ` at (k w1, w2 / k): the same function for every k > 0.
struct Rescaled {
    theta: Theta,
    batch: Batch,
    state: State,
}

impl Rescaled {
    fn by(device: &Device, k: f64) -> Rescaled {
        let draw = |shape: &[usize], i| Tensor::normal(&Device::cpu(), DType::F32, shape, Draw::new(4, [i, 0, 0]));
        let mut layout = ParamLayout::new();
        layout.add("w1", &[8, 8], Tags::default());
        layout.add("w2", &[8, 8], Tags::default());
        let parts = [draw(&[64], 0).mul_scalar(k), draw(&[64], 1).mul_scalar(1.0 / k)];
        let values = Tensor::concat(&parts.each_ref(), 0).to_device(device).unwrap();
        let batch = Batch {
            inputs: draw(&[6, 8], 2).to_device(device).unwrap(),
            targets: Tensor::from_slice(device, &[0u32, 1, 2, 3, 4, 5], &[6]),
        };
        let state = State::new(Tensor::zeros(device, DType::F32, &[0]), &Arc::new(ParamLayout::new()));
        Rescaled { theta: Theta::new(values, &Arc::new(layout)), batch, state }
    }

    fn logits(f: &Forward<'_>, x: &Var) -> Var {
        let part = |i| f.param(lethe_autograd::ParamId(i));
        x.linear(&part(0), None).relu().linear(&part(1), None)
    }

    /// ε of each layer.
    fn epsilon(&self, geometry: Geometry, loss_factor: f64) -> [Vec<f32>; 2] {
        let rule = Extragradient::sam(kinds()[0], CE);
        let p = rule.ascent(&self.theta, &self.state, &self.batch, SliceIndex::default(), &Self::logits).p;
        let mut epsilon = host(&geometry.direction(&self.theta, p.mul_scalar(loss_factor)).epsilon(0.1));
        let second = epsilon.split_off(64);
        [epsilon, second]
    }
}

#[test]
fn a_factor_of_the_loss_changes_no_perturbation() {
    for device in Device::all_for_tests() {
        let net = Rescaled::by(&device, 1.0);
        for geometry in ALL {
            let (plain, scaled) = (net.epsilon(geometry, 1.0), net.epsilon(geometry, 1e3));
            plain.iter().zip(&scaled).for_each(|(a, b)| close(a, b, 1e-5));
        }
    }
}

#[test]
fn only_asams_both_follows_a_rescaling_of_layers() {
    const K: f32 = 4.0;
    let differ = |a: &[f32], b: &[f32]| norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) > 0.1 * norm(b);
    let times = |v: &[f32], k: f32| v.iter().map(|x| x * k).collect::<Vec<f32>>();
    for device in Device::all_for_tests() {
        let (net, scaled) = (Rescaled::by(&device, 1.0), Rescaled::by(&device, K.into()));
        let params = [&net, &scaled].map(|n| n.theta.constants());
        let logits = [0, 1].map(|i| {
            let f = Forward::new(&params[i], &net.state, Pass::evaluate());
            host(Rescaled::logits(&f, &Var::constant(&net.batch.inputs)).tensor())
        });
        close(&logits[0], &logits[1], 1e-5);
        for geometry in ALL {
            let ([a1, a2], [b1, b2]) = (net.epsilon(geometry, 1.0), scaled.epsilon(geometry, 1.0));
            let follows = !differ(&b1, &times(&a1, K)) && !differ(&b2, &times(&a2, 1.0 / K));
            let Geometry::Adaptive(Adaptive { scale, .. }) = geometry else {
                assert!(differ(&b1, &a1) && differ(&b2, &a2) && !follows);
                continue;
            };
            match scale {
                Scale::Before => [(&a1, &b1), (&a2, &b2)].iter().for_each(|(a, b)| close(a, b, 1e-5)),
                Scale::After => assert!(differ(&b1, &a1) && differ(&b2, &a2) && !follows),
                Scale::Both => {
                    close(&b1, &times(&a1, K), 1e-5);
                    close(&b2, &times(&a2, 1.0 / K), 1e-5);
                }
            }
        }
    }
}

#[test]
fn directions_of_any_size_perturb_and_infinite_ones_are_no_numbers() {
    for device in Device::all_for_tests() {
        let theta = theta(&device, &[2.0, -0.5, 1.0]);
        // The specification divides by ‖p‖ + 1e-12: from there down a perturbation shrinks with its direction.
        for size in [1e-5f32, 1e-3, 1.0, 1e19, 1e25, 1e30, 5e36] {
            let p = padded(&device, &[2.0 * size, -3.0 * size, 6.0 * size]);
            golden(&Geometry::Euclidean.direction(&theta, p.clone()).epsilon(0.7), &[0.2, -0.3, 0.6]);
            let moved = host(Geometry::Euclidean.direction(&theta, p).step_from(&theta, 0.7).values());
            assert!((moved[0] - 2.2).abs() < 1e-4 && (moved[1] + 0.8).abs() < 1e-4, "{size:e}: {moved:?}");
        }
        for p in [[f32::INFINITY, 1.0, 0.0], [f32::NAN, 1.0, 0.0], [3e38, 3e38, 3e38]] {
            let epsilon = host(&Geometry::Euclidean.direction(&theta, padded(&device, &p)).epsilon(0.7));
            assert!(epsilon.iter().any(|e| e.is_nan()), "{p:?}: {epsilon:?}");
        }
    }
}
