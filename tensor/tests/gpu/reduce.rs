//! Reductions along every axis, short and long, few and many.

use super::{check, check_by, devices, normal};
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
            let f = |t: &[Tensor]| vec![t[0].sum(&axes, false), t[0].mean(&axes, true)];
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
                vec![t.max(&[axis], false), t.min(&[axis], false), t.argmax(axis, false), t.argmin(axis, false)]
            };
            check(&format!("{shape:?} over {axis}"), std::slice::from_ref(&x), f, 0.0);
        }
    }
    let low = Tensor::full(&Device::cpu(), DType::F32, &[2, 5], f64::NEG_INFINITY);
    check("of infinities", &[low], |t| vec![t[0].max(&[1], false)], 0.0);
}

#[test]
fn products_and_empty_lines_have_their_values() {
    let x = normal(&[4, 30], 3);
    check("product", &[x], |t| vec![t[0].prod(&[1], false)], 1e-6);
    let none = Tensor::zeros(&Device::cpu(), DType::F32, &[3, 0]);
    check("of none", &[none], |t| vec![t[0].sum(&[1], false), t[0].prod(&[1], false)], 0.0);
}

#[test]
fn sums_add_to_their_destination() {
    for device in devices().iter() {
        for (rows, columns) in [(3, 65), (1000, 64), (20_000, 1)] {
            let x = Tensor::ones(device, DType::F32, &[rows, columns]);
            for start in [64, 5] {
                let mut vector = Tensor::ones(device, DType::F32, &[256]);
                lethe_tensor::defer(|| store(&x.sum(&[0], false), &mut vector, start, true));
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
    check_by("squares", &[x], |t| vec![t[0].square().sum(&[0], false)], |_, e| 1e-6 * e);
}
