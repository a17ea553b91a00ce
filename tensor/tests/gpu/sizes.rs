//! Sizes at which a thread would run long if the work were not cut: software adapters stop a thread after 65,535 turns of all its loops, and
//! drivers end one that takes seconds. And sums of so many terms that a chain of additions would lose digits.

use super::{check, devices, normal};
use lethe_tensor::plan::{Likelihood, PoolKind};
use lethe_tensor::{ConvOptions, DType, Device, PoolOptions, Tensor};

/// One device is enough here: the kernels themselves are compared elsewhere.
fn on_gpu(f: impl Fn(&Device)) {
    devices().first().iter().for_each(|device| f(device));
}

fn ones(device: &Device, shape: &[usize]) -> Tensor {
    Tensor::ones(device, DType::F32, shape)
}

fn floats(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

/// Numbers that do not cancel, so that a chain of roundings shows.
fn positive(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| 0.5 + (i.wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1u32 << 24) as f32).collect()
}

#[track_caller]
fn near(got: f32, expected: f64, relative: f64) {
    let off = (f64::from(got) - expected).abs() / expected.abs();
    assert!(off <= relative, "{got}, expected {expected}: off by {off:e}");
}

#[test]
fn running_sums_go_on_beyond_65535() {
    on_gpu(|device| {
        for reverse in [false, true] {
            let y = floats(&ones(device, &[70_000, 2]).cumsum(0, reverse));
            let at = |i: usize| if reverse { 70_000 - i } else { i + 1 } as f32;
            assert!(y.iter().enumerate().all(|(i, v)| *v == at(i / 2)), "columns, reverse {reverse}");
        }
        let (n, x) = (1_000_003, positive(1_000_003));
        let mut sum = 0.0;
        let exact: Vec<f64> = x.iter().map(|v| (sum += f64::from(*v), sum).1).collect();
        for shape in [[1, n, 1], [n, 1, 1]] {
            let axis = if shape[0] == 1 { 1 } else { 0 };
            let y = floats(&Tensor::from_slice(device, &x, &shape).cumsum(axis, false));
            y.iter().zip(&exact).for_each(|(y, e)| near(*y, *e, 1e-6));
        }
    });
}

#[test]
fn sums_of_millions_keep_their_digits() {
    on_gpu(|device| {
        let n = 10_000_000;
        let x = positive(n);
        let [even, odd] = [0, 1].map(|i| x.iter().skip(i).step_by(2).map(|v| f64::from(*v)).sum::<f64>());
        let t = Tensor::from_slice(device, &x, &[n / 2, 2]);
        let columns = floats(&t.sum_axes(&[0], false));
        near(columns[0], even, 1e-6);
        near(columns[1], odd, 1e-6);
        near(floats(&t.sum())[0], even + odd, 1e-6);
        near(floats(&t.mean())[0], (even + odd) / n as f64, 1e-6);
        let row = t.reshape(&[1, n]);
        near(floats(&row.matmul(&ones(device, &[n, 1])))[0], even + odd, 3e-6);
    });
}

#[test]
fn two_hundred_thousand_indices_meet_in_four_places() {
    on_gpu(|device| {
        let k = 200_000;
        let index: Vec<u32> = (0..k as u32).map(|i| i % 4).collect();
        let index = Tensor::from_slice(device, &index, &[k]);
        let zeros = Tensor::zeros(device, DType::F32, &[4]);
        let x = positive(k);
        let src = Tensor::from_slice(device, &x, &[k]);
        let exact = |i: usize| x.iter().skip(i).step_by(4).map(|v| f64::from(*v)).sum::<f64>();
        for y in [zeros.scatter_add(0, &index, &src), zeros.index_add(0, &index, &src)] {
            floats(&y).iter().enumerate().for_each(|(i, v)| near(*v, exact(i), 1e-6));
        }
        // All of them in one place of a table that is large.
        let (k, table) = (40_000, Tensor::zeros(device, DType::F32, &[20_000, 64]));
        let same = Tensor::full(device, DType::U32, &[k], 7.0);
        let y = floats(&table.index_add(0, &same, &ones(device, &[k, 64])).slice(0, 7, 8));
        assert_eq!(y, vec![k as f32; 64]);
    });
}

#[test]
fn windows_of_90000_are_pooled() {
    let x = normal(&[1, 1, 301, 300], 1);
    let options = PoolOptions::new(300, 1, 0);
    let f = |t: &[Tensor]| {
        let (x, dy) = (&t[0], &t[1]);
        let (y, index) = x.max_pool2d_with_indices(&options);
        let max = options.plan(PoolKind::Max, x);
        let mean = options.plan(PoolKind::Average { count_pad: false }, x);
        vec![
            y,
            dy.pool2d_backward(&max, Some(&index)),
            index,
            x.avg_pool2d(&options, false),
            dy.pool2d_backward(&mean, None),
            x.adaptive_avg_pool2d([1, 1]),
            x.adaptive_avg_pool2d([2, 1]),
        ]
    };
    check("300 by 300", &[x, normal(&[1, 1, 2, 1], 2)], f, 1e-6);
    let long = PoolOptions { kernel: [1, 70_000], stride: [1, 3], padding: [0, 5] };
    let f = |t: &[Tensor]| {
        let (y, index) = t[0].max_pool2d_with_indices(&long);
        vec![y, index, t[0].avg_pool2d(&long, true)]
    };
    check("a row of 70,000", &[normal(&[1, 1, 1, 70_100], 3)], f, 1e-6);
    let many = PoolOptions { kernel: [70, 70], stride: [1, 1], padding: [35, 35] };
    let f = |t: &[Tensor]| vec![t[1].pool2d_backward(&many.plan(PoolKind::Average { count_pad: true }, &t[0]), None)];
    check("windows that overlap", &[normal(&[1, 1, 70, 70], 4), normal(&[1, 1, 71, 71], 5)], f, 1e-6);
}

#[test]
fn rows_of_seventeen_million_are_whole() {
    on_gpu(|device| {
        let n = 17_000_001;
        let mut x = vec![0.0f32; n];
        x[16_999_999] = 2.0;
        let t = Tensor::from_slice(device, &x, &[1, n]);
        assert_eq!(t.argmax(1, false).to_vec::<u32>().unwrap(), [16_999_999]);
        assert_eq!(t.argmin(1, false).to_vec::<u32>().unwrap(), [0]);
        let sum = (n - 1) as f64 + 2f64.exp();
        let y = t.softmax(1);
        near(floats(&y.slice(1, 16_999_999, n))[0], 2f64.exp() / sum, 1e-6);
        near(floats(&y.slice(1, 0, 1))[0], 1.0 / sum, 1e-6);
        near(floats(&y.sum())[0], 1.0, 1e-6);
    });
}

#[test]
fn long_rows_have_the_losses_norms_and_gradients_of_short_ones() {
    let (rows, n) = (2, 300_001);
    let x = normal(&[rows, n], 1);
    let label = Tensor::from_slice(&Device::cpu(), &[299_999u32, u32::MAX], &[rows]);
    let soft = normal(&[rows, n], 2).softmax(1);
    let f = |t: &[Tensor]| {
        let (y, log) = (t[0].softmax(1), t[0].log_softmax(1));
        let mut out =
            vec![y.softmax_backward(&t[1], 1, false), log.softmax_backward(&t[1], 1, true), log, t[0].argmax(1, true)];
        for (target, smoothing) in [(&t[2], 0.0), (&t[2], 0.1), (&t[3], 0.1)] {
            for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
                let (loss, grad) = t[0].cross_entropy_with_grad(target, likelihood, smoothing);
                let scale = if likelihood == Likelihood::Sigmoid { 1.0 / n as f64 } else { 1.0 };
                out.extend([loss.mul_scalar(scale), grad]);
            }
        }
        let (y, stats) = t[0].layer_norm_with_stats(&t[4], &t[5], 1e-5);
        let [dx, dw, db] = t[0].layer_norm_backward(&t[4], &t[1], &stats, 1e-5);
        out.extend([y, stats, dx, dw, db]);
        out
    };
    let inputs = [x, normal(&[rows, n], 3), label, soft, normal(&[n], 4), normal(&[n], 5)];
    check("long rows", &inputs, f, 3e-6);
}

#[test]
fn planes_of_many_pixels_are_normalised() {
    let inputs = [normal(&[2, 1, 300_001], 1), normal(&[1], 2), normal(&[1], 3), normal(&[2, 1, 300_001], 4)];
    let f = |t: &[Tensor]| {
        let (mean, var) = (t[1].zeros_like(), t[1].zeros_like().add_scalar(1.0));
        let out = t[0].batch_norm(&t[1], &t[2], [&mean, &var], 1e-5, 0.1);
        let [dx, dw, db] = t[0].batch_norm_backward(&t[1], &t[3], &out.stats, 1e-5);
        let per_element = 1.0 / 600_002.0;
        vec![
            out.y,
            out.stats,
            out.running_mean,
            out.running_var,
            dx,
            dw.mul_scalar(per_element),
            db.mul_scalar(per_element),
        ]
    };
    check("planes", &inputs, f, 3e-6);
}

#[test]
fn convolutions_take_long_sequences_and_large_kernels() {
    let sequence = ConvOptions { padding: [[0; 2], [2; 2]], stride: [1, 3], ..ConvOptions::default() };
    let image = ConvOptions::new(1, 10);
    let cases = [
        (sequence, [1, 2, 1, 70_000], [3, 2, 1, 5]),
        (image, [1, 2, 130, 129], [1, 2, 120, 121]),
        (ConvOptions::new(1, 1), [1, 2, 300, 300], [2, 2, 3, 3]),
    ];
    for (options, x, w) in cases {
        let g = options.geometry(&x, &w);
        let terms = (w[1] * w[2] * w[3]) as f64;
        let pixels = (g.output[0] * g.output[1]) as f64;
        let f = |t: &[Tensor]| {
            vec![
                t[0].conv2d(&t[1], None, &options).mul_scalar(1.0 / terms.sqrt()),
                t[2].conv2d_input_grad(&t[1], None, &g).mul_scalar(1.0 / terms.sqrt()),
                t[0].conv2d_weight_grad(&t[2], &g).mul_scalar(1.0 / pixels.sqrt()),
            ]
        };
        check(&format!("{x:?} by {w:?}"), &[normal(&x, 1), normal(&w, 2), normal(&g.y_shape(), 3)], f, 5e-6);
    }
}
