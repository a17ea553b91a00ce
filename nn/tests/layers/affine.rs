//! Linear layers, convolutions, embeddings.

use crate::harness::{Subject, input};
use crate::reference::{every, linear};
use lethe_nn::layers::{Conv, Conv1d, Conv2d, Conv3d, Embedding, Linear};
use lethe_nn::{Builder, Layer, Pass};
use lethe_tensor::{ConvOptions, Device, Tensor};

#[test]
fn linear_layers() {
    let (x, numbers) = input(&[2, 3, 5], 1);
    let starts: [fn(&mut Builder) -> Linear; 2] = [|b| Linear::new(b, 5, 4), |b| Linear::xavier(b, 5, 4)];
    for start in starts {
        let s = Subject::new(start);
        assert_eq!(s.names(), ["weight", "bias"]);
        let expected = linear(&numbers, &s.param("weight"), &s.param("bias"), 5);
        s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (expected, &[2, 3, 4]));
    }
    let s = Subject::new(|b| Linear::without_bias(b, 5, 4));
    assert_eq!(s.names(), ["weight"]);
    let expected = linear(&numbers, &s.param("weight"), &[], 5);
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (expected, &[2, 3, 4]));
}

/// Cross-correlation over three axes.
fn convolve(
    x: &[f64],
    [n, c_in, d, h, w]: [usize; 5],
    (weight, [c_out, kd, kh, kw]): (&[f64], [usize; 4]),
    bias: &[f64],
    [stride, padding, dilation]: [[usize; 3]; 3],
    groups: usize,
) -> Vec<f64> {
    let (extents, kernel, per) = ([d, h, w], [kd, kh, kw], c_in / groups);
    let out: [usize; 3] =
        std::array::from_fn(|i| (extents[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1);
    let mut y = vec![];
    for (s, o) in (0..n * c_out).map(|i| (i / c_out, i % c_out)) {
        for at in every(out) {
            let mut sum = bias.get(o).copied().unwrap_or(0.0);
            for (c, tap) in (0..per).flat_map(|c| every(kernel).map(move |t| (c, t))) {
                let place = |i: usize| {
                    (at[i] * stride[i] + tap[i] * dilation[i]).checked_sub(padding[i]).filter(|p| *p < extents[i])
                };
                let (Some(a), Some(b), Some(e)) = (place(0), place(1), place(2)) else { continue };
                let channel = o / (c_out / groups) * per + c;
                sum += x[(((s * c_in + channel) * d + a) * h + b) * w + e]
                    * weight[(((o * per + c) * kd + tap[0]) * kh + tap[1]) * kw + tap[2]];
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn convolutions_of_one_two_and_three_axes() {
    let (x, numbers) = input(&[2, 4, 9], 2);
    let options = ConvOptions { groups: 2, dilation: [2], ..ConvOptions::new(2, 1) };
    let s = Subject::new(|b| Conv1d::new(b, [4, 6], [3], options));
    assert_eq!(s.names(), ["weight", "bias"]);
    let settings = [[1, 1, 2], [0, 0, 1], [1, 1, 2]];
    let y = convolve(&numbers, [2, 4, 1, 1, 9], (&s.param("weight"), [6, 1, 1, 3]), &s.param("bias"), settings, 2);
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 6, 4]));

    let (x, numbers) = input(&[2, 3, 6, 5], 3);
    let s = Subject::new(|b| Conv2d::xavier(b, [3, 4], [3, 2], ConvOptions::new(1, 1)));
    let settings = [[1, 1, 1], [0, 1, 1], [1, 1, 1]];
    let y = convolve(&numbers, [2, 3, 1, 6, 5], (&s.param("weight"), [4, 1, 3, 2]), &s.param("bias"), settings, 1);
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[2, 4, 6, 6]));

    let (x, numbers) = input(&[1, 2, 4, 5, 3], 4);
    let s = Subject::new(|b| Conv3d::without_bias(b, [2, 3], [2, 3, 2], ConvOptions::new(1, 0)));
    assert_eq!(s.names(), ["weight"]);
    let settings = [[1, 1, 1], [0, 0, 0], [1, 1, 1]];
    let y = convolve(&numbers, [1, 2, 4, 5, 3], (&s.param("weight"), [3, 2, 3, 2]), &[], settings, 1);
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[1, 3, 3, 3, 2]));
}

/// The numbers at the start of one parameter.
fn started(build: impl FnOnce(&mut Builder), name: &str) -> Vec<f32> {
    let mut b = Builder::new();
    build(&mut b);
    let blueprint = b.finish();
    let (theta, _) = blueprint.init(&Device::cpu(), 1);
    let range = theta.layout().get(theta.layout().find(name).unwrap()).range();
    theta.values().to_vec::<f32>().unwrap()[range].to_vec()
}

#[track_caller]
fn uniform(numbers: &[f32], bound: f64) {
    let largest = numbers.iter().fold(0.0f32, |a, x| a.max(x.abs()));
    let deviation = (numbers.iter().map(|x| f64::from(x * x)).sum::<f64>() / numbers.len() as f64).sqrt();
    assert!(f64::from(largest) <= bound * 1.000001, "{largest} {bound}");
    assert!((deviation * 3f64.sqrt() / bound - 1.0).abs() < 0.1, "{deviation} {bound}");
}

#[test]
fn starts_have_pytorchs_bounds() {
    uniform(&started(|b| _ = Linear::new(b, 16, 200), "weight"), 0.25);
    uniform(&started(|b| _ = Linear::new(b, 16, 2000), "bias"), 0.25);
    uniform(&started(|b| _ = Linear::xavier(b, 50, 100), "weight"), 0.2);
    assert!(started(|b| _ = Linear::xavier(b, 50, 100), "bias").iter().all(|x| *x == 0.0));
    let options = ConvOptions { groups: 2, ..ConvOptions::new(1, 0) };
    uniform(&started(|b| _ = Conv::new(b, [8, 500], [2, 2], options), "weight"), 0.25);
    uniform(&started(|b| _ = Conv::new(b, [8, 2000], [2, 2], options), "bias"), 0.25);
    // Fans of 4 · 4 inputs and 50 · 4 outputs.
    uniform(&started(|b| _ = Conv::xavier(b, [8, 50], [2, 2], options), "weight"), (6.0f64 / 216.0).sqrt());
    let table = started(|b| _ = Embedding::new(b, 100, 50), "weight");
    let deviation = (table.iter().map(|x| f64::from(x * x)).sum::<f64>() / 5000.0).sqrt();
    assert!((deviation - 1.0).abs() < 0.05, "{deviation}");
}

#[test]
fn embeddings_read_rows_and_add_their_gradients() {
    let index = [1u32, 3, 0, 3, 2, 3];
    let x = Tensor::from_slice(&Device::cpu(), &index, &[2, 3]);
    let s = Subject::new(|b| Embedding::new(b, 4, 5));
    assert_eq!(s.names(), ["weight"]);
    let table = s.param("weight");
    let expected = index.iter().flat_map(|i| table[*i as usize * 5..][..5].to_vec()).collect();
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (expected, &[2, 3, 5]));
}
