//! Batch normalisation: planes of one pixel and of many, few channels and many, more elements than a float can count.

use super::{check_by, normal, numbers};
use lethe_tensor::{DType, Tensor};

const EPS: f64 = 6e-8;
/// Batch, channels, pixels of a plane.
const SHAPES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [1, 3, 5],
    [9, 700, 1],
    [33, 5, 3],
    [4, 40, 16],
    [3, 70, 49],
    [2, 3, 5000],
    [40, 2, 900],
    [6, 17, 7],
    [2, 66_000, 2],
];

/// Roundings in the sum of a channel: a 256th of a part in each thread, then a tree, then part by part.
fn terms([batch, _, area]: [usize; 3]) -> f64 {
    let chunk = (batch * area).div_ceil(256).max(2048);
    (chunk / 256 + (batch * area).div_ceil(chunk) + 20) as f64 * EPS
}

/// Σ f over the elements of every channel.
fn sums([batch, channels, area]: [usize; 3], f: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    (0..batch * channels * area).for_each(|e| sums[e / area % channels] += f(e));
    sums
}

fn forward(t: &[Tensor]) -> Vec<Tensor> {
    let out = t[0].batch_norm(&t[1], &t[2], [&t[3], &t[4]], 1e-5, 0.1);
    vec![out.y, out.stats, out.running_mean, out.running_var]
}

/// x with means of about 3, and four vectors of one number per channel.
fn inputs(shape: [usize; 3], seed: u64) -> Vec<Tensor> {
    let x = normal(&shape, seed).add_scalar(3.0).force().clone();
    let of_channels = (1..5).map(|i| normal(&[shape[1]], seed + 20 * i));
    std::iter::once(x).chain(of_channels).collect()
}

fn check_forward(shape: [usize; 3], seed: u64) {
    let [batch, channels, area] = shape;
    let inputs = inputs(shape, seed);
    let [xs, ws, bs, means, vars] = [0, 1, 2, 3, 4].map(|i| numbers(&inputs[i]));
    let wide: Vec<Tensor> = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect();
    let stats = numbers(&forward(&wide)[1]);
    let magnitude = sums(shape, |e| xs[e].abs() / (batch * area) as f64);
    let bound = |(output, e): (usize, usize), w: f64| {
        let c = [e / area % channels, e / 2, e, e][output];
        // The mean's error shifts all; it and the sum of squares change the deviation.
        let (shift, rstd) = (terms(shape) * magnitude[c], stats[2 * c + 1]);
        let scale = terms(shape) + (shift * rstd).powi(2);
        match (output, e % 2) {
            (0, _) => {
                let hat = (xs[e] - stats[2 * c]).abs() * rstd;
                ws[c].abs() * (hat * scale + 1.1 * shift * rstd) + 4.0 * EPS * (w.abs() + bs[c].abs())
            }
            (1, 1) => w * scale,
            (1 | 2, _) => shift + 4.0 * EPS * (w.abs() + means[c].abs()),
            _ => (scale + 4.0 * EPS) * rstd.powi(-2) + 4.0 * EPS * (w.abs() + vars[c].abs()),
        }
    };
    check_by(&format!("{shape:?}"), &inputs, forward, bound);
}

fn check_gradients(shape: [usize; 3], seed: u64) {
    let [batch, channels, area] = shape;
    let mut inputs = inputs(shape, seed);
    let stats = forward(&inputs).swap_remove(1);
    let (x, weight, dy) = (inputs.swap_remove(0), inputs.swap_remove(1), normal(&shape, seed + 7));
    let [xs, ws, dys, ss] = [&x, &weight, &dy, &stats].map(numbers);
    let channel = |e: usize| e / area % channels;
    let hat = |e: usize| ((xs[e] - ss[2 * channel(e)]) * ss[2 * channel(e) + 1]).abs();
    let dweight = sums(shape, |e| dys[e].abs() * hat(e));
    let dbias = sums(shape, |e| dys[e].abs());
    let bound = |(output, e): (usize, usize), _| match output {
        0 => {
            let c = channel(e);
            let mean = (dbias[c] + hat(e) * dweight[c]) / (batch * area) as f64;
            (ws[c] * ss[2 * c + 1]).abs() * (8.0 * EPS * dys[e].abs() + terms(shape) * mean)
        }
        1 => terms(shape) * dweight[e],
        _ => terms(shape) * dbias[e],
    };
    let f = |t: &[Tensor]| t[0].batch_norm_backward(&t[1], &t[2], &t[3], 1e-5).to_vec();
    check_by(&format!("gradients of {shape:?}"), &[x, weight, dy, stats], f, bound);
}

#[test]
fn channels_are_normalised_and_running_values_move() {
    (0..).zip(SHAPES).for_each(|(seed, shape)| check_forward(shape, seed));
}

#[test]
fn gradients_match() {
    (0..).zip(SHAPES).for_each(|(seed, shape)| check_gradients(shape, seed));
}

#[test]
fn elements_beyond_the_integers_of_a_float_keep_their_places() {
    let shape = [4099, 1, 4099]; // more than 2^24
    check_forward(shape, 50);
    check_gradients(shape, 51);
}
