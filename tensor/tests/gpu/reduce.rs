//! Reductions along every axis, short and long, few and many.

use super::{check, check_by, devices, normal, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::{DType, Device, Tensor, store};

#[test]
fn sums_of_any_axis_are_right() {
    for shape in
        [[1, 1, 1], [3, 5, 7], [2, 300, 3], [1, 1000, 70], [40, 9000, 1], [2, 20_000, 2], [5000, 3, 1], [64, 1, 64]]
    {
        let x = normal(&shape, 1);
        for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2]] {
            let terms: usize = axes.iter().map(|a| shape[*a]).product();
            let axes: Vec<isize> = axes.iter().map(|a| *a as isize).collect();
            let bound = 3e-7 * (terms as f64).sqrt();
            let f = |t: &[Tensor]| vec![t[0].sum_axes(&axes, false), t[0].mean_axes(&axes, true)];
            check(&format!("{shape:?} over {axes:?}"), std::slice::from_ref(&x), f, bound);
        }
    }
}

#[test]
fn extremes_and_their_places_are_exact() {
    for shape in [[1, 1, 1], [3, 5, 7], [2, 300, 3], [3, 3000, 1], [1, 700, 70]] {
        let x = normal(&shape, 2).mul_scalar(4.0).to_dtype(DType::I32).to_dtype(DType::F32); // with ties
        for axis in 0..3isize {
            let f = |t: &[Tensor]| {
                let t = &t[0];
                vec![
                    t.max_axes(&[axis], false),
                    t.min_axes(&[axis], false),
                    t.argmax(axis, false),
                    t.argmin(axis, false),
                ]
            };
            check(&format!("{shape:?} over {axis}"), std::slice::from_ref(&x), f, 0.0);
        }
    }
    let low = Tensor::full(&Device::cpu(), DType::F32, &[2, 5], f64::NEG_INFINITY);
    check("of infinities", &[low], |t| vec![t[0].max_axes(&[1], false)], 0.0);
}

#[test]
fn products_and_empty_lines_have_their_values() {
    let x = normal(&[4, 30], 3);
    check("product", &[x], |t| vec![t[0].prod_axes(&[1], false)], 1e-6);
    let none = Tensor::zeros(&Device::cpu(), DType::F32, &[3, 0]);
    check("of none", &[none], |t| vec![t[0].sum_axes(&[1], false), t[0].prod_axes(&[1], false)], 0.0);
}

#[test]
fn sums_add_to_their_destination() {
    for device in devices().iter() {
        for (rows, columns) in [(3, 65), (1000, 64), (20_000, 1)] {
            let x = Tensor::ones(device, DType::F32, &[rows, columns]);
            for start in [64, 5] {
                let mut vector = Tensor::ones(device, DType::F32, &[256]);
                lethe_tensor::defer(|| store(&x.sum_axes(&[0], false), &mut vector, start, true));
                let got: Vec<f32> = vector.to_vec().unwrap();
                for (i, v) in got.iter().enumerate() {
                    let inside = (start..start + columns).contains(&i);
                    assert_eq!(*v, if inside { 1.0 + rows as f32 } else { 1.0 }, "{rows} by {columns} at {start}: {i}");
                }
            }
        }
    }
}

#[test]
fn means_of_squares_keep_their_digits() {
    let x = normal(&[100_003], 4);
    check_by("squares", &[x], |t| vec![t[0].square().sum_axes(&[0], false)], |_, e| 1e-6 * e);
}

#[test]
fn the_first_nan_is_the_extreme_wherever_it_stands() {
    for shape in [[1usize, 5, 1], [3, 40, 1], [2, 3000, 1], [1, 70_000, 1], [2, 9, 5], [1, 700, 3], [2, 20_000, 2]] {
        let [outer, n, inner] = shape;
        let mut data: Vec<f32> = normal(&shape, 3).to_vec().unwrap();
        for line in 0..outer * inner {
            for place in [n - 1, n / 2 + line % 3, n / 2 + 1] {
                data[(line / inner * n + place.min(n - 1)) * inner + line % inner] = f32::NAN;
            }
            data[line / inner * n * inner + line % inner] = f32::INFINITY;
        }
        let x = Tensor::from_slice(&Device::cpu(), &data, &shape);
        let f = |t: &[Tensor]| {
            let t = &t[0];
            vec![
                t.argmax(1, false),
                t.argmin(1, false),
                t.max_axes(&[1], false),
                t.min_axes(&[1], false),
                t.topk(1, 1).1,
            ]
        };
        check(&format!("{shape:?}"), &[x], f, 0.0);
    }
}

#[test]
fn norms_whose_squares_have_no_number_are_right() {
    for n in [1usize, 3, 300, 20_000] {
        for (size, bound) in
            [(1e-30f64, 1e-36), (1e-25, 1e-31), (1e-15, 1e-21), (1.0, 1e-6), (1e15, 1e9), (1e25, 1e19), (1e36, 1e30)]
        {
            let x = normal(&[n], 4).add_scalar(0.1).mul_scalar(size).force().clone();
            let bound = bound * (n as f64).sqrt();
            check_by(&format!("{n} of {size:e}"), &[x], |t| vec![t[0].norm()], |_, _| bound);
        }
    }
    let odd = [vec![0.0f32; 7], vec![f32::INFINITY, 1.0], vec![f32::NAN, f32::INFINITY], vec![3e38, 3e38], vec![]];
    for x in odd {
        let what = format!("{x:?}");
        // In doubles two of 3e38 have a norm, in f32 they have none.
        let f = |t: &[Tensor]| vec![t[0].norm().clamp_max(f64::from(f32::MAX)).to_dtype(DType::F32)];
        check(&what, &[Tensor::from_slice(&Device::cpu(), &x, &[x.len()])], f, 0.0);
    }
}

#[test]
fn long_norms_go_in_windows() {
    let Some(device) = open(GpuOptions { binding_limit: Some(4 << 20), ..GpuOptions::default() }) else { return };
    let x = Tensor::full(&device, DType::F32, &[3_000_000], 1e-25);
    let norm: f32 = x.norm().item().unwrap();
    assert!((norm / 1.732_050_8e-22 - 1.0).abs() < 1e-5, "{norm:e}");
}
