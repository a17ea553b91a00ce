//! Objectives: their values by hand, and their cotangents against the formula's slope, on every device.

use lethe_autograd::Var;
use lethe_nn::loss::{ClassWeighted, Huber, L1, Likelihood, Mse, NextToken, Obf, Objective, TaskLoss};
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

/// Logits of two samples, and mixtures of the classes 1 and 0, and 2 alone.
fn mixed(device: &Device) -> [Tensor; 2] {
    let z = Tensor::from_slice(device, &[2.0f32, 0.0, -1.0, 0.5, 0.3, -0.2], &[2, 3]);
    [z, Tensor::from_slice(device, &[0.25f32, 0.75, 0.0, 0.0, 0.0, 1.0], &[2, 3])]
}

#[test]
fn the_objective_of_a_mixture_is_the_mean_over_its_labels() {
    for device in Device::all_for_tests() {
        let [z, shares] = mixed(&device);
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            for lambda in [0.0, 0.2] {
                let obf = Obf::new(lambda, 0.9, likelihood);
                let of = |a: u32, b: u32| obf.value(&Var::constant(&z), &Tensor::from_slice(&device, &[a, b], &[2]));
                let value = obf.value(&Var::constant(&z), &shares);
                let (first, second) = (host(of(0, 2).tensor())[0], host(of(1, 2).tensor())[0]);
                close(&host(value.tensor()), &[0.25 * first + 0.75 * second]);
                close(&host(&obf.cotangent(&z, &shares)), &host(&obf.value_and_cotangent(&z, &shares).1));
            }
        }
    }
}

#[test]
fn numbers_that_are_no_distributions_are_not_forgotten() {
    let obf = Obf::new(0.0, 1.0, Likelihood::Softmax);
    for device in Device::all_for_tests() {
        let [z, _] = mixed(&device);
        for row in [[0.5f32, 0.6, 0.0], [1.5, -0.5, 0.0]] {
            let targets = Tensor::from_slice(&device, &[[0.0, 0.0, 1.0], row].concat(), &[2, 3]);
            let seed = || host(&obf.cotangent(&z, &targets));
            if device.is_cpu() {
                let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(seed));
                let text = *refused.unwrap_err().downcast::<String>().unwrap();
                assert!(text.contains("OBF: row 1 of the targets is no distribution"), "{text}");
            } else {
                assert!(seed()[3..].iter().all(|v| v.is_nan()));
            }
        }
    }
}

#[test]
fn samples_count_with_the_weights_of_their_classes() {
    for device in Device::all_for_tests() {
        let [z, shares] = mixed(&device);
        let labels = Tensor::from_slice(&device, &[1u32, 0], &[2]);
        let weights = Tensor::from_slice(&device, &[0.0f32, 3.0, 0.5], &[3]);
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            let task = TaskLoss { likelihood, smoothing: 0.1 };
            let weighted = ClassWeighted::new(task, weights.clone());
            let rows = |targets: &Tensor| host(task.rows(&Var::constant(&z), targets).tensor());
            for (targets, own) in [(&labels, [3.0, 0.0]), (&shares, [0.75 * 3.0, 0.5])] {
                let expected = rows(targets).iter().zip(own).map(|(row, weight)| row * weight).sum::<f32>() / 2.0;
                let (value, cotangent) = weighted.value_and_cotangent(&z, targets);
                close(&host(&value), &[expected]);
                let (taped, by_tape) = (|z: &Var, y: &Tensor| weighted.value(z, y)).value_and_cotangent(&z, targets);
                close(&host(&taped), &[expected]);
                close(&host(&cotangent), &host(&by_tape));
            }
            // The likeliest class of a mixture counts as its label: 1, which is wrong, and 2, which is wrong too.
            assert_eq!(host(&weighted.correct(&z, &shares).unwrap()), [0.0]);
        }
        let certain = Tensor::from_slice(&device, &[f32::NEG_INFINITY, 0.0, 0.0, 0.5, 0.3, -0.2], &[2, 3]);
        let none = ClassWeighted::new(TaskLoss::cross_entropy(), weights);
        let value = none.value_and_cotangent(&certain, &Tensor::from_slice(&device, &[0u32, 0], &[2])).0;
        assert_eq!(host(&value), [0.0], "classes of weight 0 do not count, even where their loss is infinite");
    }
}

#[test]
#[should_panic(expected = "class weights: 2 were given for 3 classes")]
fn every_class_has_a_weight() {
    let [z, shares] = mixed(&Device::cpu());
    let weights = Tensor::from_slice(&Device::cpu(), &[1.0f32, 2.0], &[2]);
    ClassWeighted::new(TaskLoss::cross_entropy(), weights).value_and_cotangent(&z, &shares);
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
