//! Objectives: their values by hand, and their cotangents against the formula's slope, on every device.

use lethe_autograd::Var;
use lethe_nn::loss::{Huber, L1, Likelihood, Mse, NextToken, Obf, Objective, TaskLoss};
use lethe_tensor::{Device, Tensor};

fn host(t: &Tensor) -> Vec<f32> {
    t.to_vec().unwrap()
}

#[track_caller]
fn close(got: &[f32], expected: &[f32]) {
    assert!(got.len() == expected.len(), "{got:?} {expected:?}");
    for (a, b) in got.iter().zip(expected) {
        assert!((a - b).abs() < 2e-6 * b.abs().max(1.0), "{got:?} {expected:?}");
    }
}

/// Errors of 0.5, −3, 0 and 2.
fn numbers(device: &Device) -> [Tensor; 2] {
    let targets = [1.0f32, 2.0, -1.0, 0.0];
    let output = [1.5f32, -1.0, -1.0, 2.0];
    [output, targets].map(|v| Tensor::from_slice(device, &v, &[2, 2]))
}

#[test]
fn losses_of_numbers_are_means_over_all_elements() {
    fn has(loss: impl Objective, value: f32, cotangent: [f32; 4]) {
        for device in Device::all_for_tests() {
            let [z, y] = numbers(&device);
            let (v, c) = loss.value_and_cotangent(&z, &y);
            assert!(v.shape().is_empty() && c.shape() == z.shape());
            close(&host(&v), &[value]);
            close(&host(&c), &cotangent);
            close(&host(loss.value(&Var::constant(&z), &y).tensor()), &[value]);
            close(&host(&loss.cotangent(&z, &y)), &cotangent);
            assert!(loss.correct(&z, &y).is_none());
        }
    }
    has(Mse, (0.25 + 9.0 + 4.0) / 4.0, [0.25, -1.5, 0.0, 1.0]);
    has(L1, 5.5 / 4.0, [0.25, -0.25, 0.0, 0.25]);
    has(Huber { delta: 1.0 }, (0.125 + 2.5 + 1.5) / 4.0, [0.125, -0.25, 0.0, 0.25]);
    has(|z: &Var, y: &Tensor| (z - &Var::constant(y)).sum(), -0.5, [1.0; 4]);
}

#[test]
fn a_next_token_is_counted_unless_it_is_left_out() {
    for device in Device::all_for_tests() {
        // Two sequences of two places, three tokens; the second sequence has one place alone.
        let z =
            Tensor::from_slice(&device, &[1.0f32, 0.0, -1.0, 0.0, 2.0, 0.0, 0.5, 0.5, 0.5, 9.0, 9.0, 9.0], &[2, 2, 3]);
        let y = Tensor::from_slice(&device, &[0u32, 0, 2, u32::MAX], &[2, 2]);
        let lse = |v: [f64; 3]| v.iter().map(|x| x.exp()).sum::<f64>().ln();
        let value = (lse([1.0, 0.0, -1.0]) - 1.0 + lse([0.0, 2.0, 0.0]) + lse([0.5; 3]) - 0.5) / 3.0;
        let (v, c) = NextToken::default().value_and_cotangent(&z, &y);
        close(&host(&v), &[value as f32]);
        let p = |v: [f64; 3], label: usize| -> Vec<f32> {
            let hit = |i: usize| f64::from(u8::from(i == label));
            (0..3).map(|i| (((v[i] - lse(v)).exp() - hit(i)) / 3.0) as f32).collect()
        };
        let expected = [p([1.0, 0.0, -1.0], 0), p([0.0, 2.0, 0.0], 0), p([0.5; 3], 2), vec![0.0; 3]].concat();
        close(&host(&c), &expected);
        assert_eq!(host(&NextToken::default().correct(&z, &y).unwrap()), [1.0]);
        let none = Tensor::from_slice(&device, &[u32::MAX; 4], &[2, 2]);
        let (v, c) = NextToken::default().value_and_cotangent(&z, &none);
        assert_eq!((host(&v), host(&c)), (vec![0.0], vec![0.0; 12]), "of nothing");
    }
}

#[test]
fn cotangents_in_closed_form_are_those_of_the_tape() {
    for device in Device::all_for_tests() {
        let z = Tensor::from_slice(&device, &[2.0f32, 0.0, -1.0, 0.5, 0.3, -0.2], &[2, 3]);
        let y = Tensor::from_slice(&device, &[1u32, 2], &[2]);
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            let task = TaskLoss { likelihood, smoothing: 0.1 };
            let (value, cotangent) = task.value_and_cotangent(&z, &y);
            let (taped, by_tape) = (|z: &Var, y: &Tensor| task.value(z, y)).value_and_cotangent(&z, &y);
            close(&host(&value), &host(&taped));
            close(&host(&cotangent), &host(&by_tape));
            assert_eq!(host(&task.correct(&z, &y).unwrap()), [0.0]);
            let obf = Obf::new(0.2, 0.9, likelihood);
            close(&host(&obf.cotangent(&z, &y)), &host(&obf.value_and_cotangent(&z, &y).1));
        }
    }
}

#[test]
#[should_panic(expected = "mean squared error: the output has shape [4, 1], the targets [4]")]
fn outputs_and_targets_have_one_shape() {
    let [z, y] = numbers(&Device::cpu()).map(|t| t.reshape(&[4]));
    Mse.value(&Var::constant(&z.reshape(&[4, 1])), &y);
}

#[test]
#[should_panic(expected = "an objective gives a scalar, such as a mean; this one has shape [2, 2]")]
fn an_objective_is_a_scalar() {
    let [z, y] = numbers(&Device::cpu());
    (|z: &Var, _: &Tensor| z.square()).value_and_cotangent(&z, &y);
}

#[test]
#[should_panic(expected = "next token: labels [4] do not fit logits [2, 2, 1]; they are (sequences, places)")]
fn labels_of_tokens_lie_as_their_places() {
    let [z, _] = numbers(&Device::cpu());
    let y = Tensor::from_slice(&Device::cpu(), &[0u32; 4], &[4]);
    NextToken::default().value(&Var::constant(&z.reshape(&[2, 2, 1])), &y);
}

#[test]
fn labels_that_are_no_class_are_not_counted() {
    for device in Device::all_for_tests() {
        let z = Tensor::from_slice(&device, &[0.0f32, 1.0, 2.0, 0.0, 3.0, 4.0], &[3, 2]);
        let count = |labels: [u32; 3]| {
            let y = Tensor::from_slice(&device, &labels, &[3]);
            host(&TaskLoss::cross_entropy().correct(&z, &y).unwrap())
        };
        assert_eq!(count([1, u32::MAX, 1]), [2.0]);
        if device.is_cpu() {
            let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| count([1, 2, 1])));
            let text = *refused.unwrap_err().downcast::<String>().unwrap();
            assert!(text.contains("correct: label 2 of row 1 is not one of the 2 classes"), "{text}");
        } else {
            assert!(count([1, 2, 1])[0].is_nan());
        }
    }
}
