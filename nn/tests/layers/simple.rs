//! Activations, dropout, and layers one after the other.

use crate::harness::{Subject, input, near};
use crate::reference::{gelu, linear};
use lethe_nn::layers::{Activation, DropPath, Dropout, Flatten, Linear, PRelu, Sequential};
use lethe_nn::{Builder, Layer, Pass};
use lethe_tensor::{DType, Device};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn elu(x: f64, alpha: f64) -> f64 {
    if x > 0.0 { x } else { alpha * x.exp_m1() }
}

#[test]
fn activations_are_their_formulas() {
    use Activation as A;
    let tanh_gelu = |x: f64| {
        let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
        x / 2.0 * (1.0 + u.tanh())
    };
    let formulas: Vec<(A, Box<dyn Fn(f64) -> f64>)> = vec![
        (A::Identity, Box::new(|x| x)),
        (A::Relu, Box::new(|x| x.max(0.0))),
        (A::Relu6, Box::new(|x| x.clamp(0.0, 6.0))),
        (A::LeakyRelu { slope: 0.01 }, Box::new(|x| if x > 0.0 { x } else { 0.01 * x })),
        (A::Elu { alpha: 1.5 }, Box::new(|x| elu(x, 1.5))),
        (A::Celu { alpha: 0.5 }, Box::new(|x| if x > 0.0 { x } else { 0.5 * (x / 0.5).exp_m1() })),
        (A::Selu, Box::new(|x| 1.0507009873554805 * elu(x, 1.6732632423543772))),
        (A::Gelu, Box::new(gelu)),
        (A::GeluTanh, Box::new(tanh_gelu)),
        (A::Silu, Box::new(|x| x * sigmoid(x))),
        (A::Mish, Box::new(|x: f64| x * x.exp().ln_1p().tanh())),
        (A::Tanh, Box::new(f64::tanh)),
        (A::HardTanh, Box::new(|x| x.clamp(-1.0, 1.0))),
        (A::Sigmoid, Box::new(sigmoid)),
        (A::LogSigmoid, Box::new(|x| sigmoid(x).ln())),
        (A::HardSigmoid, Box::new(|x| (x / 6.0 + 0.5).clamp(0.0, 1.0))),
        (A::HardSwish, Box::new(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0))),
        (A::Softplus, Box::new(|x: f64| x.exp().ln_1p())),
        (A::Softsign, Box::new(|x| x / (1.0 + x.abs()))),
    ];
    let (x, numbers) = input(&[3, 8], 1);
    let x = x.mul_scalar(4.0);
    for (activation, formula) in formulas {
        let expected = numbers.iter().map(|x| formula(4.0 * x)).collect();
        let s = Subject::new(|_| activation);
        s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (expected, &[3, 8]));
    }
}

#[test]
fn activations_along_an_axis() {
    let (x, numbers) = input(&[3, 4], 2);
    let s = Subject::new(|_| Activation::Softmax { dim: -1 });
    let softmax = |row: &[f64]| {
        let total: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / total).collect::<Vec<f64>>()
    };
    let soft: Vec<f64> = numbers.chunks(4).flat_map(softmax).collect();
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (soft.clone(), &[3, 4]));
    let s = Subject::new(|_| Activation::LogSoftmax { dim: -1 });
    let logs = soft.iter().map(|y| y.ln()).collect();
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (logs, &[3, 4]));
    let s = Subject::new(|_| Activation::Glu { dim: 1 });
    let gated = numbers.chunks(4).flat_map(|r| [r[0] * sigmoid(r[2]), r[1] * sigmoid(r[3])]).collect();
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (gated, &[3, 2]));
}

#[test]
fn prelu_has_one_slope_or_one_a_channel() {
    let (x, numbers) = input(&[2, 3, 4], 3);
    for slopes in [1, 3] {
        let s = Subject::new(|b| PRelu::new(b, slopes));
        assert_eq!(s.names(), ["weight"]);
        let w = s.param("weight");
        let y = numbers.iter().enumerate().map(|(i, x)| if *x > 0.0 { *x } else { x * w[i / 4 % 3 % slopes] });
        s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (y.collect(), &[2, 3, 4]));
    }
}

#[test]
fn dropout_acts_in_training_alone() {
    let (x, numbers) = input(&[64, 64], 4);
    let s = Subject::new(|b| Dropout::new(b, 0.25));
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (numbers.clone(), &[64, 64]));
    let mut masks = vec![];
    for device in Device::all_for_tests() {
        let y = s.run((&device, DType::F32), Pass::train(1, 2, 3), &[&x], &|l, f, x| l.forward(f, &x[0])).y;
        let kept: Vec<bool> = y.iter().map(|y| *y != 0.0).collect();
        let share = kept.iter().filter(|k| **k).count() as f64 / 4096.0;
        assert!((share - 0.75).abs() < 0.03, "{share}");
        let scaled: Vec<f64> = numbers.iter().zip(&kept).map(|(x, k)| if *k { x / 0.75 } else { 0.0 }).collect();
        near(&y, &scaled, 1e-6);
        masks.push(kept);
    }
    assert!(masks.iter().all(|m| *m == masks[0]), "all devices draw one mask");
}

#[test]
fn drop_path_drops_whole_samples_in_training_alone() {
    let (x, numbers) = input(&[2048, 2, 3], 4);
    let s = Subject::new(|b| DropPath::new(b, 0.25));
    s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (numbers.clone(), &[2048, 2, 3]));
    let mut masks = vec![];
    for device in Device::all_for_tests() {
        let y = |pass| s.run((&device, DType::F32), pass, &[&x], &|l, f, x| l.forward(f, &x[0])).y;
        let kept = |y: &[f64]| y.iter().map(|y| *y != 0.0).collect::<Vec<bool>>();
        let (first, second) = (y(Pass::train(1, 2, 3)), y(Pass::train(1, 2, 3).frozen()));
        assert_eq!(first, second, "the two passes of a step skip the same branches");
        assert_ne!(kept(&first), kept(&y(Pass::train(1, 2, 4))), "another slice has other samples");
        let mask = kept(&first);
        assert!(mask.chunks(6).all(|sample| sample.iter().all(|k| *k == sample[0])));
        let share = mask.iter().filter(|k| **k).count() as f64 / mask.len() as f64;
        assert!((share - 0.75).abs() < 0.04, "{share}");
        let scaled: Vec<f64> = numbers.iter().zip(&mask).map(|(x, k)| if *k { x / 0.75 } else { 0.0 }).collect();
        near(&first, &scaled, 1e-6);
        masks.push(mask);
    }
    assert!(masks.iter().all(|m| *m == masks[0]), "all devices draw one mask");
    let (few, _) = input(&[5, 2, 3], 6);
    let mask = masks[0].iter().step_by(6).take(5);
    let shown = s.run((&Device::cpu(), DType::F64), Pass::train(1, 2, 3), &[&few], &|l, f, x| l.forward(f, &x[0])).y;
    assert!(shown.chunks(6).zip(mask).all(|(sample, kept)| (sample[0] != 0.0) == *kept));
    s.check(Pass::train(1, 2, 3), &[&few], |l, f, x| l.forward(f, &x[0]), (shown, &[5, 2, 3]));
}

#[test]
fn drop_path_grows_with_depth_and_takes_no_number_where_it_drops_nothing() {
    assert_eq!([0, 1, 2, 3].map(|i| (10.0 * DropPath::rate(0.3, i, 4)).round()), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(DropPath::rate(0.3, 0, 1), 0.0);
    let mut b = Builder::new();
    DropPath::new(&mut b, 0.0);
    assert_eq!(b.dropout(), 1);
    DropPath::new(&mut b, 0.1);
    assert_eq!(b.dropout(), 3);
}

#[test]
fn sequential_applies_layers_in_order_under_their_numbers() {
    let (x, numbers) = input(&[3, 2, 2], 5);
    let build = |b: &mut Builder| {
        let mut net = Sequential::new().then(b, |_| Flatten::new()).then(b, |b| Linear::new(b, 4, 5));
        net.push(b, |_| Activation::Tanh);
        net.then_fn(|x| x.square()).then(b, |b| Linear::without_bias(b, 5, 2))
    };
    let s = Subject::new(|b| b.within("net", build));
    assert_eq!(s.names(), ["net.1.weight", "net.1.bias", "net.4.weight"]);
    assert_eq!((s.layer.len(), s.layer.is_empty(), Sequential::new().is_empty()), (5, false, true));
    let h = linear(&numbers, &s.param("net.1.weight"), &s.param("net.1.bias"), 4);
    let h: Vec<f64> = h.iter().map(|x| x.tanh().powi(2)).collect();
    let y = linear(&h, &s.param("net.4.weight"), &[], 5);
    s.check(Pass::train(0, 0, 0), &[&x], |l, f, x| l.forward(f, &x[0]), (y, &[3, 2]));
}

#[test]
fn flatten_merges_the_axes_from_one_on() {
    let (x, numbers) = input(&[2, 3, 2, 2], 6);
    for (layer, shape) in [
        (Flatten::new(), &[2, 12][..]),
        (Flatten::from_axis(0), &[24]),
        (Flatten::from_axis(2), &[2, 3, 4]),
        (Flatten::from_axis(4), &[2, 3, 2, 2, 1]),
    ] {
        let s = Subject::new(|_| layer);
        s.check(Pass::evaluate(), &[&x], |l, f, x| l.forward(f, &x[0]), (numbers.clone(), shape));
    }
}
