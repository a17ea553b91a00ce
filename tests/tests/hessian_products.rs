//! Exact Hessian-vector products through the layers of the paper's models, against differences of gradients in doubles, and symmetric.

use lethe_autograd::{ParamLayout, Parameters, Tags, Var, gradient, hessian_vector_product};
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_tensor::random::Draw;
use lethe_tensor::{ConvOptions, DType, Device, Tensor};
use std::sync::Arc;

fn normal(shape: &[usize], stream: u32) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F64, shape, Draw::new(7, [stream, 0, 0]))
}

fn labels(n: usize, classes: u32) -> Tensor {
    let data: Vec<u32> = (0..n as u32).map(|i| (i * 7 + 3) % classes).collect();
    Tensor::from_slice(&Device::cpu(), &data, &[n])
}

/// Convolution, batch norm with running statistics, GELU, pooling, a linear head.
fn convolutional(p: &dyn Fn(&str) -> Var) -> Var {
    let x = Var::constant(&normal(&[3, 2, 6, 6], 1));
    let h = x.conv2d(&p("conv"), Some(&p("conv_bias")), &ConvOptions::new(1, 1));
    let (mean, variance) = (normal(&[4], 2).mul_scalar(0.1), normal(&[4], 3).square().add_scalar(0.5));
    let h = h.batch_norm_eval(&p("scale"), &p("shift"), [&mean, &variance], 1e-5).gelu();
    h.adaptive_avg_pool2d([1, 1]).reshape(&[3, 4]).linear(&p("head"), Some(&p("head_bias")))
}

const CONVOLUTIONAL: &[(&str, &[usize])] = &[
    ("conv", &[4, 2, 3, 3]),
    ("conv_bias", &[4]),
    ("scale", &[4]),
    ("shift", &[4]),
    ("head", &[5, 4]),
    ("head_bias", &[5]),
];

/// Layer norm, fused attention over packed projections, a residual, GELU, a linear head.
fn attentive(p: &dyn Fn(&str) -> Var) -> Var {
    let x = Var::constant(&normal(&[3, 4, 6], 4));
    let qkv = x.layer_norm(&p("scale"), &p("shift"), 1e-5).linear(&p("qkv"), None);
    let mixed = qkv.reshape(&[3, 4, 3, 2, 3]).packed_attention(0.6, false).reshape(&[3, 4, 6]);
    let h = (&x + &mixed.linear(&p("out"), None)).gelu();
    h.mean_axes(&[1], false).linear(&p("head"), Some(&p("head_bias")))
}

const ATTENTIVE: &[(&str, &[usize])] =
    &[("scale", &[6]), ("shift", &[6]), ("qkv", &[18, 6]), ("out", &[6, 6]), ("head", &[5, 6]), ("head_bias", &[5])];

type Network = fn(&dyn Fn(&str) -> Var) -> Var;

/// The mean loss of a network as a function of its parameters, and the parameters' layout.
fn problem(
    network: Network,
    shapes: &[(&str, &[usize])],
    likelihood: Likelihood,
) -> (Arc<ParamLayout>, impl Fn(&Parameters) -> Var + Copy) {
    let mut layout = ParamLayout::new();
    shapes.iter().for_each(|(name, shape)| _ = layout.add(name, shape, Tags::default()));
    let loss = TaskLoss { likelihood, smoothing: 0.1 };
    let f = move |p: &Parameters| {
        let part = |name: &str| p.get(p.layout().find(name).expect("a parameter of this name"));
        loss.mean(&network(&part), &labels(3, 5))
    };
    (Arc::new(layout), f)
}

/// A random vector of the layout, zero in its padding.
fn vector(layout: &ParamLayout, stream: u32, scale: f64) -> Tensor {
    let draws: Vec<f64> = normal(&[layout.len()], stream).to_vec().unwrap();
    let mut data = vec![0.0; layout.len()];
    layout.owned().for_each(|(_, p)| p.range().for_each(|i| data[i] = scale * draws[i]));
    Tensor::from_slice(&Device::cpu(), &data, &[layout.len()])
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    a.mul(b).sum().item().unwrap()
}

fn check(network: Network, shapes: &[(&str, &[usize])], likelihood: Likelihood) {
    let (layout, loss) = problem(network, shapes, likelihood);
    let theta = vector(&layout, 10, 0.5);
    let (u, v) = (vector(&layout, 11, 1.0), vector(&layout, 12, 1.0));
    let product = |v: &Tensor| hessian_vector_product(&theta, &layout, v, loss).2;
    let (hu, hv) = (product(&u), product(&v));

    // Central differences of the gradient along v; the errors in h² cancel between two steps.
    let slope = |h: f64| -> Tensor {
        let at = |h: f64| gradient(&theta.add(&v.mul_scalar(h)), &layout, loss).1;
        at(h).sub(&at(-h)).mul_scalar(0.5 / h)
    };
    let (wide, narrow) = (slope(2e-3), slope(1e-3));
    let expected = narrow.mul_scalar(4.0 / 3.0).sub(&wide.mul_scalar(1.0 / 3.0));
    let difference = hv.sub(&expected);
    let error = (dot(&difference, &difference) / dot(&expected, &expected)).sqrt();
    assert!(error < 1e-6, "{likelihood:?}: Hv is off by {error:e} of its norm");

    let (a, b) = (dot(&u, &hv), dot(&v, &hu));
    let scale = (dot(&u, &u) * dot(&hv, &hv)).sqrt();
    assert!((a - b).abs() <= 1e-12 * scale, "{likelihood:?}: ⟨u, Hv⟩ = {a}, ⟨v, Hu⟩ = {b}");
}

#[test]
fn through_convolution_batch_norm_gelu_and_both_losses() {
    for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
        check(convolutional, CONVOLUTIONAL, likelihood);
    }
}

#[test]
fn through_layer_norm_attention_gelu_and_both_losses() {
    for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
        check(attentive, ATTENTIVE, likelihood);
    }
}
