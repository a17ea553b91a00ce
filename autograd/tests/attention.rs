//! Attention where masks hide everything, hold large numbers, or hide NaN: fused, composed and with a bias that is learnt must agree, in values,
//! first and second derivatives, on every device.

use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

const SHAPE: [usize; 4] = [1, 2, 5, 3];
const MINUS_INFINITY: f32 = f32::NEG_INFINITY;

/// q, k, v and the cotangent.
fn operands() -> [Vec<f32>; 4] {
    [0, 1, 2, 3].map(|i| {
        let draw = Draw::new(5, [i, 0, 0]);
        Tensor::normal(&Device::cpu(), DType::F32, &SHAPE, draw).to_vec().unwrap()
    })
}

/// The ways to attend that must be one.
#[derive(Clone, Copy, Debug)]
enum Form {
    Fused,
    Composed,
    /// The mask is additive, and differentiated.
    Biased,
}

/// o, the gradients of q, k, v (and the bias), and the gradients of a function of these.
fn derivatives(
    device: &Device,
    form: Form,
    [q, k, v, dy]: &[Vec<f32>; 4],
    mask: &Tensor,
    causal: bool,
) -> Vec<Vec<f32>> {
    let on = |x: &[f32]| Tensor::from_slice(&Device::cpu(), x, &SHAPE).to_device(device).unwrap();
    let (tape, mask) = (Tape::new(), mask.to_device(device).unwrap());
    let mut x: Vec<Var> = [q, k, v].iter().map(|x| tape.leaf(&on(x))).collect();
    let (scale, weights) = (0.8, Var::constant(&on(dy)));
    let y = match form {
        Form::Fused => x[0].attention(&x[1], &x[2], Some(&mask), scale, causal),
        Form::Composed => x[0].attention_composed(&x[1], &x[2], Some(&mask), scale, causal),
        Form::Biased => {
            x.push(tape.leaf(&mask));
            x[0].biased_attention(&x[1], &x[2], &x[3], scale, causal)
        }
    };
    let mut all = vec![y.tensor().clone()];
    let free = tape.sweep(&y, &weights, Mode::Retain);
    all.extend(x.iter().map(|x| free.of(x).tensor().clone()));
    let recorded = tape.sweep(&y, &weights, Mode::Record);
    all.extend(x.iter().map(|x| recorded.of(x).tensor().clone()));
    let sum = |g: &Var| g.square().sum();
    let slope = x[1..].iter().fold(sum(&recorded.of(&x[0])), |total, x| &total + &sum(&recorded.of(x)));
    let second = tape.backward(&slope);
    all.extend(x.iter().map(|x| second.of(x).tensor().clone()));
    all.iter().map(|t| t.to_vec().unwrap()).collect()
}

fn close(what: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        let near = (a - b).abs() <= 2e-4 * (1.0 + b.abs()) || a.is_nan() && b.is_nan();
        assert!(near, "{what}, element {i}: {a}, not {b}");
    }
}

/// Which keys (of 5) each query (of 5) sees in a mask for both heads: query 1 none, query 4 all, and without causality query 0 not its own.
const SEEN: [[u32; 5]; 5] = [[0, 0, 1, 0, 1], [0; 5], [0, 1, 1, 0, 1], [1, 0, 0, 0, 0], [1; 5]];

fn boolean() -> Tensor {
    Tensor::from_slice(&Device::cpu(), SEEN.as_flattened(), &[5, 5])
}

fn additive() -> Tensor {
    let all: Vec<f32> = SEEN.as_flattened().iter().map(|seen| if *seen == 0 { MINUS_INFINITY } else { 0.0 }).collect();
    Tensor::from_slice(&Device::cpu(), &all, &[1, 1, 5, 5])
}

#[test]
fn rows_that_see_nothing_are_zero_in_every_form_and_order() {
    let operands = operands();
    for causal in [false, true] {
        let expected = derivatives(&Device::cpu(), Form::Fused, &operands, &boolean(), causal);
        for device in Device::all_for_tests() {
            for (form, mask) in [
                (Form::Fused, boolean()),
                (Form::Fused, additive()),
                (Form::Composed, boolean()),
                (Form::Composed, additive()),
                (Form::Biased, additive()),
            ] {
                let what = format!("{form:?}, a mask of {}, causal {causal}, on {device:?}", mask.dtype());
                let mut got = derivatives(&device, form, &operands, &mask, causal);
                assert!(got.iter().flatten().all(|x| x.is_finite()), "{what}: {got:?}");
                // Causality hides key 2 and 4 from query 0, too.
                let dead = if causal { vec![0, 1] } else { vec![1] };
                let n = (got.len() - 1) / 3;
                for (row, part) in dead.iter().flat_map(|row| [0, 1, 1 + n].map(|part| (row, part))) {
                    let zero = |head: usize| got[part][(head * 5 + row) * 3..][..3].iter().all(|x| *x == 0.0);
                    assert!(zero(0) && zero(1), "{what}: row {row} of {part}: {:?}", got[part]);
                }
                if let Form::Biased = form {
                    // Back to front, the bias's gradients of every order. Second derivatives are those of another function: it takes part.
                    for at in [12, 8, 4] {
                        let of_bias = got.remove(at);
                        let zero = |(x, seen): (&f32, &u32)| *seen != 0 || *x == 0.0;
                        assert!(of_bias.iter().zip(SEEN.as_flattened()).all(zero), "{what}, {at}: {of_bias:?}");
                    }
                    got.truncate(7);
                }
                for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    close(&format!("{what}, {i}"), got, expected);
                }
            }
        }
    }
}

#[test]
fn the_lowest_number_is_a_number_in_every_form() {
    let operands = operands();
    // Row 0: three equal, one hidden, one far below; row 1: all equal; causal, row 0 sees key 0 alone.
    let mut bias = vec![0.0; 25];
    bias[..5].copy_from_slice(&[f32::MIN, f32::MIN, MINUS_INFINITY, f32::MIN, f32::MIN]);
    bias[5..10].fill(-1e30);
    let mask = Tensor::from_slice(&Device::cpu(), &bias, &[1, 1, 5, 5]);
    for causal in [false, true] {
        let seen =
            |row: usize| (0..5).filter(|j| bias[row * 5 + j].is_finite() && (!causal || *j <= row)).collect::<Vec<_>>();
        for device in Device::all_for_tests() {
            for form in [Form::Fused, Form::Composed, Form::Biased] {
                let what = format!("{form:?}, causal {causal}, on {device:?}");
                let got = derivatives(&device, form, &operands, &mask, causal);
                assert!(got.iter().flatten().all(|x| x.is_finite()), "{what}: {got:?}");
                for row in [0, 1] {
                    let keys = seen(row);
                    let mean = |d: usize| keys.iter().map(|j| operands[2][j * 3 + d]).sum::<f32>() / keys.len() as f32;
                    close(&what, &got[0][row * 3..][..3], &[mean(0), mean(1), mean(2)]);
                }
            }
        }
    }
}

#[test]
fn a_row_hidden_from_all_may_be_nan_in_every_form_and_order() {
    let operands = operands();
    // Key 3 is padding, and query 1 sees nothing.
    let seen: Vec<u32> = (0..25).map(|e| u32::from(e % 5 != 3 && e / 5 != 1)).collect();
    let mask = Tensor::from_slice(&Device::cpu(), &seen, &[5, 5]);
    let mut spoilt = operands.clone();
    for head in [0, 1] {
        let at = |row: usize| (head * 5 + row) * 3;
        (spoilt[0][at(1)], spoilt[3][at(1)]) = (f32::NAN, f32::NAN);
        (spoilt[1][at(3)], spoilt[2][at(3) + 1]) = (f32::NAN, f32::INFINITY);
    }
    for device in Device::all_for_tests() {
        for form in [Form::Fused, Form::Composed] {
            for causal in [false, true] {
                let got = derivatives(&device, form, &spoilt, &mask, causal);
                let expected = derivatives(&Device::cpu(), form, &operands, &mask, causal);
                for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    close(&format!("{form:?}, {i}, causal {causal}, on {device:?}"), got, expected);
                }
            }
        }
    }
}

#[test]
fn large_equal_scores_share_in_packed_attention() {
    for device in Device::all_for_tests() {
        for mode in [Mode::Retain, Mode::Record] {
            let tape = Tape::new();
            // Three tokens of one head of one number: q = 1e4, k = 1e4, v.
            let qkv: Vec<f32> = [1.0, 2.0, 6.0].iter().flat_map(|v| [1e4, 1e4, *v]).collect();
            let x = tape.leaf(&Tensor::from_slice(&device, &qkv, &[1, 3, 3, 1, 1]));
            let y = x.packed_attention(1.0, false);
            let ones = Var::constant(&Tensor::ones(&device, DType::F32, y.shape()));
            let dy = if mode == Mode::Record { tape.leaf(ones.tensor()) } else { ones };
            let grads = tape.sweep(&y, &dy, mode);
            let of: Vec<f32> = grads.of(&x).tensor().to_vec().unwrap();
            close("o", &y.tensor().to_vec::<f32>().unwrap(), &[3.0; 3]);
            close("dV", &[of[2], of[5], of[8]], &[1.0; 3]);
        }
    }
}
