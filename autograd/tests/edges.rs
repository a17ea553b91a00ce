//! Values where formulas lose digits, take sides or meet NaN: beyond what random cases draw.

use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::{DType, Device, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn floats(device: &Device, data: &[f32]) -> Tensor {
    Tensor::from_slice(device, data, &[data.len()])
}

/// The values and the slopes of a function at these points.
fn both(f: impl Fn(&Var) -> Var, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let tape = Tape::new();
    let x = tape.leaf(&floats(&Device::cpu(), x));
    let y = f(&x);
    let grads = tape.backward(&y.sum());
    (y.to_vec().unwrap(), grads.of(&x).to_vec().unwrap())
}

fn close(got: &[f32], expected: &[f32]) {
    for (a, b) in got.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-6 * b.abs(), "{got:?}, not {expected:?}");
    }
}

#[test]
fn certain_logits_keep_their_digits() {
    let one = Var::constant(&floats(&Device::cpu(), &[1.0, 0.0, 1.0]));
    let (loss, slope) = both(|z| z.bce_with_logits(&one), &[20.0, -20.0, 0.0]);
    close(&loss, &[2.061_153_6e-9, 2.061_153_6e-9, std::f32::consts::LN_2]);
    close(&slope, &[-2.061_153_6e-9, 2.061_153_6e-9, -0.5]);
}

#[test]
fn probabilities_are_bounded_at_their_ends_and_refused_beyond() {
    let t = Var::constant(&floats(&Device::cpu(), &[1.0, 0.0, 1.0, 1.0]));
    let (loss, slope) = both(|p| p.bce_loss(&t), &[0.0, 0.0, 1.0, -0.5]);
    close(&loss[..3], &[100.0, 0.0, 0.0]);
    assert!(loss[3].is_nan() && slope[..3].iter().all(|s| s.is_finite()), "{loss:?} {slope:?}");
}

#[test]
fn nothing_is_lost_where_a_target_is_zero() {
    let t = Var::constant(&floats(&Device::cpu(), &[0.0, 0.5]));
    let (loss, slope) = both(|x| x.kl_div(&t), &[f32::NEG_INFINITY, -1.0]);
    close(&loss, &[0.0, 0.5 * (0.5f32.ln() + 1.0)]);
    close(&slope, &[0.0, -0.5]);
}

#[test]
fn slopes_far_out_keep_their_digits() {
    let (_, slope) = both(Var::softsign, &[3e4, -3e4]);
    close(&slope, &[1.0 / (30001.0f32 * 30001.0); 2]);
    let (_, slope) = both(Var::expm1, &[-20.0]);
    close(&slope, &[(-20.0f32).exp()]);
    let (_, slope) = both(Var::sigmoid, &[12.0, -12.0]);
    close(&slope, &[6.144_137e-6; 2]);
    let (_, slope) = both(Var::tanh, &[7.0, -7.0]);
    close(&slope, &[3.326_109_3e-6; 2]);
    let (_, slope) = both(Var::relu6, &[0.0, 3.0, 7.0]);
    assert_eq!(slope, [0.0, 1.0, 0.0]);
}

/// A model that diverged must show it, on every device.
fn nan_stays_nan(device: &Device) {
    let functions: [(&str, fn(&Var) -> Var); 12] = [
        ("clamp", |x| x.clamp(-1.0, 1.0)),
        ("relu", Var::relu),
        ("relu6", Var::relu6),
        ("elu", |x| x.elu(1.0)),
        ("selu", Var::selu),
        ("hard_sigmoid", Var::hard_sigmoid),
        ("softplus", Var::softplus),
        ("gelu", Var::gelu),
        ("maximum", |x| x.maximum(&Var::constant(&x.tensor().scalar_like(0.0)))),
        ("minimum", |x| Var::constant(&x.tensor().scalar_like(0.0)).minimum(x)),
        ("max", |x| x.max()),
        ("logsumexp", |x| x.logsumexp()),
    ];
    for (name, f) in functions {
        let x = Var::constant(&floats(device, &[0.5, f32::NAN, 1.5]));
        let y: Vec<f32> = f(&x).to_vec().unwrap();
        let expected = if y.len() == 1 { 0 } else { 1 };
        assert!(y[expected].is_nan(), "{name} on {device:?}: {y:?}");
    }
}

#[test]
fn nan_stays_nan_on_every_device() {
    Device::all_for_tests().iter().for_each(nan_stays_nan);
}

#[test]
fn hard_functions_turn_where_they_are_said_to() {
    let (value, slope) = both(Var::hard_sigmoid, &[-3.001, -3.0, 3.0, 3.001]);
    assert_eq!(value, [0.0, 0.0, 1.0, 1.0]);
    close(&slope, &[0.0, 1.0 / 6.0, 1.0 / 6.0, 0.0]);
}

/// The devices for tests with each type that they hold.
fn places() -> Vec<(Device, DType)> {
    let of =
        |d: Device| if d.is_cpu() { vec![(d.clone(), DType::F32), (d, DType::F64)] } else { vec![(d, DType::F32)] };
    Device::all_for_tests().into_iter().flat_map(of).collect()
}

fn numbers(device: &Device, dtype: DType, data: &[f64]) -> Tensor {
    Tensor::zeros(device, dtype, &[]).constant_like(data, &[data.len()])
}

fn doubles(v: &Var) -> Vec<f64> {
    v.tensor().to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap()
}

/// The value of a function here, its slope under this dy, and the slope of the slope.
fn orders(f: impl Fn(&Var) -> Var, (device, dtype): &(Device, DType), x: f64, dy: f64) -> [f64; 3] {
    let tape = Tape::new();
    let x = tape.leaf(&numbers(device, *dtype, &[x]));
    let y = f(&x);
    let dy = tape.leaf(&numbers(device, *dtype, &[dy]));
    let slope = tape.sweep(&y, &dy, Mode::Record).of(&x);
    let one = Var::constant(&numbers(device, *dtype, &[1.0]));
    [doubles(&y)[0], doubles(&slope)[0], doubles(&tape.sweep(&slope, &one, Mode::Retain).of(&x))[0]]
}

#[test]
fn a_variance_is_a_number_where_its_sum_of_squares_is_none() {
    for (device, dtype) in places() {
        // 100 numbers ±size: the variance is size² · 100 / 99.
        for size in [9e18f64, 1.0, 3e-19] {
            let data: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { size } else { -size }).collect();
            let tape = Tape::new();
            let x = tape.leaf(&numbers(&device, dtype, &data).reshape(&[2, 50]));
            for (axes, n, y) in [(vec![], 100.0, x.var()), (vec![1], 50.0, x.var_axes(&[1], 1.0, true))] {
                let expected = size * size * n / (n - 1.0);
                let got = doubles(&y);
                assert!(got.iter().all(|v| (v / expected - 1.0).abs() < 1e-5), "{device:?} {dtype} {axes:?}: {got:?}");
                let dy = tape.leaf(&y.tensor().zeros_like().add_scalar(1.0));
                let slope = tape.sweep(&y, &dy, Mode::Record).of(&x);
                let first = doubles(&slope);
                assert!(
                    first.iter().zip(&data).all(|(s, x)| (s / (2.0 * x / (n - 1.0)) - 1.0).abs() < 1e-5),
                    "{first:?}"
                );
                let direction = Var::constant(&numbers(&device, dtype, &[1.0, -1.0].repeat(50)).reshape(&[2, 50]));
                let second = doubles(&tape.sweep(&slope, &direction, Mode::Retain).of(&x));
                let curvature = |s: &f64| (s.abs() / (2.0 / (n - 1.0)) - 1.0).abs() < 1e-5;
                assert!(second.iter().all(curvature), "{device:?} {dtype} {axes:?}: {second:?}");
            }
        }
    }
}

#[test]
fn slopes_of_powers_are_numbers_where_the_lower_power_is_none() {
    type Function = fn(&Var) -> Var;
    let tensor = |c: f64| move |x: &Var| x.pow(&Var::constant(&x.tensor().scalar_like(c)));
    let scalar: [(f64, Function); 6] = [
        (-0.5, |x| x.pow_scalar(-0.5)),
        (-1.0, |x| x.pow_scalar(-1.0)),
        (3.0, |x| x.pow_scalar(3.0)),
        (2.5, |x| x.pow_scalar(2.5)),
        (0.5, |x| x.pow_scalar(0.5)),
        (2.0, |x| x.pow_scalar(2.0)),
    ];
    for place in places() {
        for (x, dy) in [(1e-28, 1e-20), (1e25, 1e30), (1e20, 1e-15), (1e-22, 1e25), (1e18, 1e-15), (2.0, 1.0)] {
            for (c, f) in scalar {
                let expected = c * dy * (x as f32 as f64).powf(c - 1.0);
                if !(1e-36..1e37).contains(&expected.abs()) {
                    continue;
                }
                for (what, got) in [("pow_scalar", orders(f, &place, x, dy)), ("pow", orders(tensor(c), &place, x, dy))]
                {
                    assert!(
                        (got[1] / expected - 1.0).abs() < 3e-5,
                        "{place:?} {what}({c}) at {x:e} of {dy:e}: {got:?}"
                    );
                }
            }
        }
        // Negative numbers to whole powers.
        for (x, c, dy, expected) in [(-1e25, -1.0, 1e30, -1e-20), (-1e25, 3.0, 1e-20, 3e30), (-1e19, 4.0, 1e-30, -4e27)]
        {
            for got in [orders(|x| x.pow_scalar(c), &place, x, dy), orders(tensor(c), &place, x, dy)] {
                assert!((got[1] / expected - 1.0).abs() < 1e-4, "{place:?} {c} at {x:e}: {got:?}");
            }
        }
    }
}

#[test]
fn powers_have_their_slopes_at_zero_and_of_an_infinite_cotangent() {
    let inf = f64::INFINITY;
    for place in places() {
        for (c, dy, slopes) in [
            (0.0, inf, [0.0, 0.0]),
            (0.5, 1.0, [inf, -inf]),
            (1.0, 1.0, [1.0, 0.0]),
            (2.0, 1.0, [0.0, 2.0]),
            (2.5, 1.0, [0.0, 0.0]),
            (3.0, 1.0, [0.0, 0.0]),
            (-1.0, 1.0, [-inf, inf]),
            (-1.5, 1.0, [-inf, inf]),
        ] {
            let got = orders(|x| x.pow_scalar(c), &place, 0.0, dy);
            assert_eq!(got[1..], slopes, "{place:?}: pow_scalar({c}) at 0");
        }
    }
}

#[test]
fn an_infinite_cotangent_goes_to_the_extreme_alone() {
    let inf = f64::INFINITY;
    for (device, dtype) in places() {
        let tape = Tape::new();
        let x = tape.leaf(&numbers(&device, dtype, &[1.0, 2.0]));
        let slope = |y: Var| doubles(&tape.backward(&y.sum()).of(&x));
        assert_eq!(slope(x.max().add_scalar(-2.0).sqrt()), [0.0, inf], "{device:?}");
        assert_eq!(slope(x.min_axes(&[0], true).add_scalar(-1.0).sqrt()), [inf, 0.0], "{device:?}");
        let equal = tape.leaf(&numbers(&device, dtype, &[2.0, 1.0, 2.0]));
        assert_eq!(doubles(&tape.backward(&equal.max()).of(&equal)), [0.5, 0.0, 0.5]);
    }
}

/// What a panic says.
#[track_caller]
fn refusal<R>(f: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).err().expect("it was taken");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn sizes_that_no_memory_holds_are_refused_before_they_are_counted_out() {
    let most = usize::MAX;
    for device in Device::all_for_tests() {
        let line = Var::constant(&Tensor::new(&device, [0.0, 1.0, 2.0]));
        let image = Var::constant(&Tensor::ones(&device, DType::F32, &[1, 1, 2, 2]));
        for text in [
            refusal(|| line.pad_reflect(0, most, 0)),
            refusal(|| line.pad_reflect(0, 0, most)),
            refusal(|| line.pad_edge(0, most, most)),
        ] {
            assert!(text.contains("pad_reflect: ") || text.contains("more elements than can be addressed"), "{text}");
        }
        for (op, text) in [
            ("pad_edge", refusal(|| line.pad_edge(0, 0, 1 << 45))),
            ("pad_edge", refusal(|| line.pad_edge(0, 1 << 44, 0))),
            ("interpolate_nearest", refusal(|| image.interpolate_nearest([1 << 45, 1]))),
            ("interpolate_nearest", refusal(|| image.interpolate_nearest([1, 1 << 50]))),
            ("interpolate_bilinear", refusal(|| image.interpolate_bilinear([1 << 45, 1], false))),
            ("adaptive_max_pool2d", refusal(|| image.adaptive_max_pool2d([1 << 45, 1]))),
            ("adaptive_max_pool2d", refusal(|| image.adaptive_max_pool2d([1, 1 << 45]))),
        ] {
            assert!(text.starts_with(op) && text.contains("bytes"), "{device:?} {op}: {text}");
        }
    }
}

#[test]
fn mirrored_and_repeated_edges_are_where_they_belong() {
    let line = Var::constant(&Tensor::new(&Device::cpu(), [0.0, 1.0, 2.0]));
    assert_eq!(doubles(&line.pad_reflect(0, 2, 1)), [2.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
    assert_eq!(doubles(&line.pad_edge(0, 2, 1)), [0.0, 0.0, 0.0, 1.0, 2.0, 2.0]);
    // More cells than pixels: each covers one or two of them.
    let tape = Tape::new();
    let x = tape.leaf(&Tensor::new(&Device::cpu(), [[[3.0, 1.0, 2.0]]]));
    let y = x.adaptive_max_pool1d(5);
    assert_eq!(doubles(&y), [3.0, 3.0, 1.0, 2.0, 2.0]);
    assert_eq!(doubles(&tape.backward(&y.sum()).of(&x)), [2.0, 1.0, 2.0]);
}
