//! Values where formulas lose digits, take sides or meet NaN: beyond what random cases draw.

use lethe_autograd::{Tape, Var};
use lethe_tensor::{Device, Tensor};

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
