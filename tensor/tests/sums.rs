//! Sums of millions on the CPU keep the digits of single precision, whatever operation makes them: terms that do not cancel, against doubles.

use lethe_tensor::plan::{Likelihood, PoolKind};
use lethe_tensor::{ConvOptions, DType, Device, PoolOptions, Tensor};

const N: usize = 2_000_000;
/// A chain of this many additions would be off by a hundred times as much.
const BOUND: f64 = 2e-6;
/// Products, and convolutions with several channels, add up blocks of up to 512 terms in registers, where equal terms are all rounded alike.
const PRODUCTS: f64 = 1e-5;

fn positive(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| 0.5 + (i.wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1u32 << 24) as f32).collect()
}

fn tensor(x: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(&Device::cpu(), x, shape)
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(&Device::cpu(), DType::F32, shape)
}

/// Equal numbers: what is rounded away from random ones evens out.
fn tenths(shape: &[usize]) -> Tensor {
    Tensor::full(&Device::cpu(), DType::F32, shape, 0.1)
}

/// The number that stands for a tenth.
fn tenth() -> f64 {
    f64::from(0.1f32)
}

#[track_caller]
fn near(what: &str, got: &Tensor, expected: &[f64]) {
    within(BOUND, what, got, expected);
}

#[track_caller]
fn within(bound: f64, what: &str, got: &Tensor, expected: &[f64]) {
    let got: Vec<f32> = got.contiguous().to_vec().unwrap();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        let off = (f64::from(*g) - e).abs() / e.abs();
        assert!(off <= bound, "{what}: {g}, expected {e}: off by {off:e}");
    }
}

/// Sums of every `of`-th number.
fn columns(x: &[f32], of: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..of).map(|i| x.iter().skip(i).step_by(of).map(|v| f(f64::from(*v))).sum()).collect()
}

#[test]
fn reductions_keep_their_digits() {
    let x = positive(N);
    for inner in [1, 2, 5, 64] {
        let t = tensor(&x, &[N / inner, inner]);
        near("columns", &t.sum_axes(&[0], false), &columns(&x, inner, |v| v));
        near("squares", &t.sum_squares_axes(&[0], false), &columns(&x, inner, |v| v * v));
    }
    let all = columns(&x, 1, |v| v)[0];
    near("all", &tensor(&x, &[N]).sum(), &[all]);
    near("mean", &tensor(&x, &[20, N / 20]).mean(), &[all / N as f64]);
    near("the last of a running sum", &tensor(&x, &[N, 1]).cumsum(0, false).slice(0, N - 1, N), &[all]);
    near("a product", &tensor(&x, &[1, N]).matmul(&ones(&[N, 1])), &[all]);
    near("products", &tensor(&x, &[N / 4, 4]).t().matmul(&ones(&[N / 4, 3])).slice(1, 0, 1), &columns(&x, 4, |v| v));
}

#[test]
fn what_indices_add_keeps_its_digits() {
    let x = positive(N);
    let index: Vec<u32> = (0..N as u32).map(|i| i % 4).collect();
    let index = Tensor::from_slice(&Device::cpu(), &index, &[N]);
    let zeros = ones(&[4]).zeros_like();
    near("scatter_add", &zeros.scatter_add(0, &index, &tensor(&x, &[N])), &columns(&x, 4, |v| v));
    near("index_add", &zeros.index_add(0, &index, &tensor(&x, &[N])), &columns(&x, 4, |v| v));
    let few = index.slice(0, 0, 4 * 1000);
    near("index_add, a thousand", &zeros.index_add(0, &few, &tenths(&[4 * 1000])), &[1000.0 * tenth(); 4]);
}

#[test]
fn normalisations_and_losses_keep_their_digits() {
    let x = positive(N);
    // x̂ of one row after the other is ±1: the gradient of the weight is a sum of what it multiplies.
    let rows = N / 2;
    let pairs: Vec<f32> = (0..N).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let (pairs, weight) = (tensor(&pairs, &[rows, 2]), ones(&[2]));
    let dy = tensor(&x, &[rows, 2]);
    let (_, stats) = pairs.layer_norm_with_stats(&weight, &weight, 0.0);
    let [_, dw, db] = pairs.layer_norm_backward(&weight, &dy, &stats, 0.0);
    let sums = columns(&x, 2, |v| v);
    near("layer norm, weight", &dw, &[sums[0], -sums[1]]);
    near("layer norm, bias", &db, &sums);

    let mean = columns(&x, 1, |v| v)[0] / N as f64;
    let var = columns(&x, 1, |v| (v - mean).powi(2))[0] / N as f64;
    for shape in [vec![N, 1], vec![4, 1, N / 4]] {
        let one = ones(&[1]);
        let out = tensor(&x, &shape).batch_norm(&one, &one, [&one, &one], 0.0, 1.0);
        near("batch norm", &out.stats, &[mean, 1.0 / var.sqrt()]);
        let [_, _, db] = tensor(&x, &shape).batch_norm_backward(&one, &tensor(&x, &shape), &out.stats, 0.0);
        near("batch norm, bias", &db, &[mean * N as f64]);
    }

    let labels = Tensor::zeros(&Device::cpu(), DType::U32, &[1]);
    let loss = tensor(&x, &[1, N]).cross_entropy(&labels, Likelihood::Softmax, 0.0);
    let lse = columns(&x, 1, f64::exp)[0].ln() - f64::from(x[0]);
    near("cross-entropy", &loss, &[lse]);
    let loss = tensor(&x, &[1, N]).cross_entropy(&labels, Likelihood::Sigmoid, 0.0);
    near("sigmoid cross-entropy", &loss, &[columns(&x, 1, |v| v.exp().ln_1p())[0] - f64::from(x[0])]);
}

#[test]
fn gradients_of_convolutions_keep_their_digits() {
    let (h, w) = (1000, 1000);
    let x = positive(h * w);
    for (batch, h, w) in [(1, h, w), (100, 100, 100)] {
        let options = ConvOptions::new(1, 0);
        let g = options.geometry(&[batch, 1, h, w], &[1, 1, 1, 1]);
        let dw = tensor(&x, &[batch, 1, h, w]).conv2d_weight_grad(&ones(&g.y_shape()), &g);
        near("weight", &dw, &columns(&x, 1, |v| v));
    }
}

#[test]
fn rows_of_equal_numbers_are_normalised() {
    let one = ones(&[N]);
    let (_, stats) = tenths(&[1, N]).layer_norm_with_stats(&one, &one, 1e-5);
    near("mean", &stats.reshape(&[2]).slice(0, 0, 1), &[tenth()]);
    let signs: Vec<f32> = (0..N).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let (_, stats) = (&tensor(&signs, &[1, N]) * &tenths(&[1, N])).layer_norm_with_stats(&one, &one, 1e-5);
    near("deviation", &stats.reshape(&[2]).slice(0, 1, 2), &[1.0 / (tenth() * tenth() + 1e-5).sqrt()]);

    // What is equal in dy, or follows x̂, does not reach x.
    let x = tensor(&signs, &[1, N]);
    let (_, stats) = x.layer_norm_with_stats(&one, &one, 0.0);
    for dy in [tenths(&[1, N]), &x * &tenths(&[1, N])] {
        let [dx, ..] = x.layer_norm_backward(&one, &dy, &stats, 0.0);
        let most = dx.abs().max().to_vec::<f32>().unwrap()[0];
        assert!(f64::from(most) <= BOUND * tenth(), "layer norm, gradient: {most:e}, expected 0");
    }
    let (x, two) = (x.reshape(&[N / 2, 2]), ones(&[2]));
    let (_, stats) = x.layer_norm_with_stats(&two, &two, 0.0);
    let [_, dw, db] = x.layer_norm_backward(&two, &tenths(&[N / 2, 2]), &stats, 0.0);
    let sum = tenth() * (N / 2) as f64;
    near("layer norm, weight", &dw, &[sum, -sum]);
    near("layer norm, bias", &db, &[sum, sum]);
}

#[test]
fn softmaxes_of_equal_numbers_keep_their_digits() {
    let n = 1 << 22;
    let low = -std::f32::consts::LN_10;
    let mut z = vec![low; n];
    z[0] = 0.0;
    let (z, low) = (tensor(&z, &[1, n]), f64::from(low));
    let sum = 1.0 + (n - 1) as f64 * low.exp();
    let first = |t: &Tensor| t.reshape(&[n]).slice(0, 0, 2);
    near("softmax", &first(&z.softmax(-1)), &[1.0 / sum, low.exp() / sum]);
    near("log_softmax", &first(&z.log_softmax(-1)), &[-sum.ln(), low - sum.ln()]);

    let (y, total) = (tenths(&[1, n]), n as f64 * tenth());
    near("softmax, gradient", &first(&y.softmax_backward(&ones(&[1, n]), -1, false)), &[tenth() * (1.0 - total); 2]);
    near("log_softmax, gradient", &first(&y.softmax_backward(&y, -1, true)), &[tenth() - tenth().exp() * total; 2]);

    let label = Tensor::zeros(&Device::cpu(), DType::U32, &[1]);
    let below = -low * (n - 1) as f64;
    for smoothing in [0.0, 0.5] {
        let loss = z.cross_entropy(&label, Likelihood::Softmax, smoothing);
        near("cross-entropy", &loss, &[sum.ln() + smoothing / n as f64 * below]);
    }
    let loss = z.cross_entropy(&y, Likelihood::Softmax, 0.0);
    near("cross-entropy with a distribution", &loss, &[tenth() * (below + n as f64 * sum.ln())]);
    let loss = z.cross_entropy(&label, Likelihood::Sigmoid, 0.0);
    near("sigmoid cross-entropy", &loss, &[std::f64::consts::LN_2 + (n - 1) as f64 * low.exp().ln_1p()]);
}

#[test]
fn windows_of_equal_numbers_keep_their_digits() {
    for [h, w] in [[1, N], [N, 1], [1500, 1500]] {
        let options = PoolOptions { kernel: [h, w], stride: [1, 1], padding: [0, 0] };
        near("avg_pool2d", &tenths(&[1, 1, h, w]).avg_pool2d(&options, false), &[tenth()]);
    }
    near("adaptive_avg_pool2d", &tenths(&[1, 1, 1, N]).adaptive_avg_pool2d([1, 2]), &[tenth(); 2]);

    for axis in 0..2 {
        let along = |n: usize| if axis == 0 { [n, 1] } else { [1, n] };
        let ([h, w], [oh, ow]) = (along(8000), along(4001));
        let options = PoolOptions { kernel: along(4000), stride: [1, 1], padding: [0, 0] };
        let mut x = vec![0.0; 8000];
        x[4000] = 1.0;
        let x = tensor(&x, &[1, 1, h, w]);
        let dy = tenths(&[1, 1, oh, ow]);
        // All windows but the first hold the middle.
        let (_, index) = x.max_pool2d_with_indices(&options);
        let dx = dy.pool2d_backward(&options.plan(PoolKind::Max, &x), Some(&index));
        near("max_pool2d, gradient", &dx.max(), &[4000.0 * tenth()]);
        let dx = dy.pool2d_backward(&options.plan(PoolKind::Average { count_pad: false }, &x), None);
        near("avg_pool2d, gradient", &dx.reshape(&[8000]).slice(0, 4000, 4001), &[tenth()]);
    }
}

#[test]
fn products_of_equal_numbers_keep_their_digits() {
    for [m, k, n] in [[1, 10_000_000, 1], [3, 2_000_000, 2]] {
        let product = tenths(&[m, k]).matmul(&ones(&[k, n]));
        within(PRODUCTS, "a product", &product, &vec![k as f64 * tenth(); m * n]);
    }
    // Dot products, tiles of some channels, and patches.
    for (c, stride, bound) in [(1, 1, BOUND), (6, 1, PRODUCTS), (6, 4, PRODUCTS)] {
        for (batch, size) in [(1, 800 * stride), (64, 100 * stride)] {
            let g = ConvOptions::new(stride, 0).geometry(&[batch, 1, size, size], &[c, 1, 1, 1]);
            let dw = tenths(&g.x_shape()).conv2d_weight_grad(&ones(&g.y_shape()), &g);
            let pixels: usize = [0, 2, 3].iter().map(|i| g.y_shape()[*i]).product();
            within(bound, "a convolution's weight", &dw, &vec![pixels as f64 * tenth(); c]);
        }
    }
    // By tiles: with few channels, and with many.
    for (c, batch, size) in [(16, 1, 800), (16, 64, 102), (100, 16, 102)] {
        let g = ConvOptions::new(1, 0).geometry(&[batch, c, size, size], &[c, c, 3, 3]);
        let dw = tenths(&g.x_shape()).conv2d_weight_grad(&ones(&g.y_shape()), &g);
        let pixels = batch * (size - 2) * (size - 2);
        within(PRODUCTS, "the weight of a convolution by tiles", &dw, &vec![pixels as f64 * tenth(); c * c * 9]);
    }
}
