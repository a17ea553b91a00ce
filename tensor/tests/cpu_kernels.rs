//! The fast kernels against the scalar reference in double precision: expressions, products, reductions, copies, optimiser steps.

#[path = "shared/functions.rs"]
mod functions;

use functions::{ANY, OF_POSITIVE};
use lethe_tensor::cpu::CpuDevice;
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, INFER, Tensor};

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F32, shape, Draw::new(seed, [0; 3])).force().clone()
}

/// `f` in f32 on the fast kernels, against f64 on the reference: `|error| ≤ bound · scale` element by element.
fn check(what: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor, bound: f64) {
    let got: Vec<f32> = f(inputs).to_vec().unwrap();
    let wide: Vec<Tensor> =
        inputs.iter().map(|t| if t.dtype() == DType::F32 { t.to_dtype(DType::F64) } else { t.clone() }).collect();
    let expected: Vec<f64> = f(&wide).to_vec().unwrap();
    assert_eq!(got.len(), expected.len());
    for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
        let (g, e) = (f64::from(*g), *e);
        let same = g == e || g.is_nan() && e.is_nan() || (g - e).abs() <= bound * (1.0 + e.abs());
        assert!(same, "{what}, element {i}: {g}, expected {e}");
    }
}

#[test]
fn functions_of_one_number_have_their_stated_errors() {
    let edge = [0.0, -0.0, 1e-30, -1e-7, 0.5, -3.0, 14.0, -14.0, 80.0, -80.0, 1e4];
    let mut data: Vec<f32> = normal(&[3000], 1).mul_scalar(4.0).to_vec().unwrap();
    data.extend(edge.map(|x| x as f32));
    let x = Tensor::from_slice(&Device::cpu(), &data, &[data.len()]);
    let positive = x.abs().add_scalar(1e-3).force().clone();
    for (name, f) in ANY {
        check(name, std::slice::from_ref(&x), |t| f(&t[0]), 5e-7);
    }
    for (name, f) in OF_POSITIVE {
        check(name, std::slice::from_ref(&positive), |t| f(&t[0]), 5e-7);
    }
}

#[test]
fn expressions_take_operands_of_any_strides() {
    for (rows, columns) in [(1, 1), (3, 5), (17, 300), (70, 1024), (5, 4097)] {
        let full = normal(&[rows, columns], 1);
        let others = [
            normal(&[columns], 2),
            normal(&[rows, 1], 3),
            normal(&[1, 1], 4),
            normal(&[columns, rows], 5).t(),
            normal(&[rows, 2 * columns], 6).slice_step(1, 1, 2 * columns, 2),
            normal(&[rows, columns], 7).flip(&[0, 1]),
        ];
        for other in others {
            let f = |t: &[Tensor]| {
                let y = &(&t[0] * &t[1]) + &t[1].sub(&t[0]).tanh();
                t[0].lt(&t[1]).where_(&y, &t[0].maximum(&y)).add_scalar(0.25)
            };
            check("mixed", &[full.clone(), other], f, 3e-7);
        }
    }
}

#[test]
fn comparisons_treat_nan_as_unordered_and_extremes_pass_it_on() {
    let cpu = Device::cpu();
    let a = Tensor::from_slice(&cpu, &[1.0f32, f32::NAN, 2.0, f32::INFINITY, 0.0], &[5]);
    let b = Tensor::from_slice(&cpu, &[1.0f32, 1.0, f32::NAN, f32::INFINITY, -0.0], &[5]);
    let bits = |t: Tensor| t.to_vec::<u32>().unwrap();
    assert_eq!(bits(a.eq(&b)), [1, 0, 0, 1, 1]);
    assert_eq!(bits(a.ne(&b)), [0, 1, 1, 0, 0]);
    assert_eq!(bits(a.lt(&b)), [0; 5]);
    assert_eq!(bits(a.le(&b)), [1, 0, 0, 1, 1]);
    for t in [a.maximum(&b), a.minimum(&b)] {
        let v = t.to_vec::<f32>().unwrap();
        assert!(v[1].is_nan() && v[2].is_nan() && !v[0].is_nan());
    }
}

#[test]
fn random_numbers_are_the_same_in_vectors_and_alone() {
    let draw = Draw::new(11, [1, 2, 3]);
    let v: Vec<f32> = Tensor::uniform(&Device::cpu(), DType::F32, &[70_001], draw).to_vec().unwrap();
    assert!(v.iter().enumerate().all(|(i, x)| *x == draw.uniform(i) as f32));
}

#[test]
fn products_take_broadcast_batches_and_a_bias() {
    check("batch", &[normal(&[3, 1, 9, 20], 3), normal(&[5, 20, 7], 4)], |t| t[0].matmul(&t[1]), 4e-6);
    check("shared", &[normal(&[3, 4, 20], 3), normal(&[20, 7], 4)], |t| t[0].matmul(&t[1]), 4e-6);
    check(
        "bias",
        &[normal(&[2, 6, 20], 5), normal(&[7, 20], 6), normal(&[7], 7)],
        |t| t[0].linear(&t[1], Some(&t[2])),
        4e-6,
    );
}

#[test]
fn sums_match_over_every_axis() {
    for shape in [[1, 1, 1], [3, 70, 5], [2, 1000, 33], [4, 3, 20_000], [1, 1, 70_001]] {
        let x = normal(&shape, 1);
        for axes in [&[0isize][..], &[1], &[2], &[0, 2], &[]] {
            let n = shape.iter().product::<usize>() as f64;
            check("sum", std::slice::from_ref(&x), |t| t[0].sum_axes(axes, false), 1e-6 * n.sqrt());
            check("sum_squares", std::slice::from_ref(&x), |t| t[0].sum_squares_axes(axes, true), 2e-6);
            check("max", std::slice::from_ref(&x), |t| t[0].max_axes(axes, false), 0.0);
        }
    }
}

#[test]
fn copies_of_views_keep_every_element() {
    let x = normal(&[5, 37, 19], 1);
    let views =
        [x.permute(&[2, 0, 1]), x.t(), x.flip(&[1]), x.slice_step(2, 1, 19, 3), x.slice(1, 5, 6).expand(&[5, 4, 19])];
    for v in views {
        let places: Vec<usize> = v.layout().offsets().collect();
        let all: Vec<f32> = x.to_vec().unwrap();
        assert_eq!(v.to_vec::<f32>().unwrap(), places.iter().map(|i| all[*i]).collect::<Vec<_>>());
    }
}

#[test]
fn results_are_the_same_with_any_number_of_threads() {
    let work = |threads: usize| -> Vec<f32> {
        let device = Device::Cpu(CpuDevice::with_threads(threads).unwrap());
        device.scope(|| {
            let (a, b) = (normal(&[200, 1500], 1), normal(&[1500, 150], 2));
            let y = a.matmul(&b).gelu();
            let z = Tensor::concat(
                &[&y.sum_axes(&[0], false), &y.sum_axes(&[1], false), &y.sum_squares_axes(&[], true).reshape(&[1])],
                0,
            );
            z.to_vec().unwrap()
        })
    };
    let one = work(1);
    assert!(one == work(2) && one == work(3));
}

#[test]
fn layer_norm_matches_in_both_directions() {
    for (rows, n) in [(1, 1), (3, 7), (300, 64), (5, 1500)] {
        let inputs = [normal(&[rows, n], 1), normal(&[n], 2), normal(&[n], 3), normal(&[rows, n], 4)];
        let forward = |t: &[Tensor]| t[0].layer_norm_with_stats(&t[1], &t[2], 1e-5);
        check("y", &inputs, |t| forward(t).0, 2e-6);
        for i in 0..3 {
            let backward = |t: &[Tensor]| t[0].layer_norm_backward(&t[1], &t[3], &forward(t).1, 1e-5)[i].clone();
            check("gradient", &inputs, backward, 1e-6 * (rows as f64).sqrt().max(4.0));
        }
    }
}

#[test]
fn attention_matches_packed_and_apart_in_both_directions() {
    use lethe_tensor::attention::{backward, forward, packed_plan, plan};
    for (heads, queries, keys, dim) in [(1, 1, 1, 1), (2, 17, 17, 16), (3, 65, 130, 20), (1, 197, 197, 64)] {
        let scale = 1.0 / (dim as f64).sqrt();
        let rows = |n, seed| normal(&[2, heads, n, dim], seed);
        let inputs = [rows(queries, 1), rows(keys, 2), rows(keys, 3), rows(queries, 4)];
        let p = |t: &[Tensor]| plan(&t[0], &t[1], &t[2], None, scale, false);
        check("o", &inputs, |t| forward(&p(t), &[&t[0], &t[1], &t[2]], None).0, 3e-6);
        for i in 0..3 {
            let f = |t: &[Tensor]| {
                let qkv = [&t[0], &t[1], &t[2]];
                let (o, lse) = forward(&p(t), &qkv, None);
                backward(&p(t), &qkv, &o, &lse, &t[3], None)[i].clone()
            };
            check("gradient", &inputs, f, 1e-5);
        }
        let inputs = [normal(&[2, queries, 3, heads, dim], 5), normal(&[2, queries, heads, dim], 6)];
        let f = |t: &[Tensor]| {
            let p = packed_plan(&t[0], scale, false);
            let (o, lse) = forward(&p, &[&t[0]], None);
            let g = backward(&p, &[&t[0]], &o, &lse, &t[1], None)[0].clone();
            Tensor::concat(&[&o.reshape(&[INFER]), &g.reshape(&[INFER])], 0)
        };
        check("packed", &inputs, f, 1e-5);
    }
}

#[test]
fn convolution_matches_in_all_three_passes() {
    use lethe_tensor::ConvOptions;
    let options = [
        ConvOptions::new(1, 1),
        ConvOptions::new(2, 1),
        ConvOptions { stride: [2, 3], padding: [[0, 2], [1, 0]], dilation: [2, 1], groups: 1 },
        ConvOptions { groups: 2, ..ConvOptions::new(1, 0) },
        ConvOptions { groups: 4, ..ConvOptions::new(1, 1) },
    ];
    for o in options {
        for (kernel, size) in [([1, 1], [5, 6]), ([3, 3], [9, 12]), ([2, 3], [7, 40])] {
            let (x, w) = ([10, 4, size[0], size[1]], [8, 4 / o.groups, kernel[0], kernel[1]]);
            let g = o.geometry(&x, &w);
            let inputs = [normal(&x, 1), normal(&w, 2), normal(&[8], 3), normal(&g.y_shape(), 4), normal(&[4], 5)];
            check("y", &inputs, |t| t[0].conv2d(&t[1], Some(&t[2]), &o), 1e-5);
            check("dx", &inputs, |t| t[3].conv2d_input_grad(&t[1], Some(&t[4]), &g), 1e-5);
            check("dw", &inputs, |t| t[0].conv2d_weight_grad(&t[3], &g), 3e-5);
        }
    }
}
