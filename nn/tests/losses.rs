//! Golden values of the losses in single precision on every device (specification, sections 1.1 to 1.5), and what smoothing does at its ends.

use lethe_autograd::Var;
use lethe_nn::loss::{Likelihood, Obf, TaskLoss};
use lethe_tensor::{Device, Tensor};

const BOTH: [Likelihood; 2] = [Likelihood::Softmax, Likelihood::Sigmoid];

/// z = (2, 0, −1, 0.5), y = 0.
fn case(device: &Device) -> (Var, Tensor) {
    let z = Tensor::from_slice(device, &[2.0f32, 0.0, -1.0, 0.5], &[1, 4]);
    (Var::constant(&z), Tensor::from_slice(device, &[0u32], &[1]))
}

#[track_caller]
fn close(got: &Tensor, expected: &[f32]) {
    for (a, b) in got.to_vec::<f32>().unwrap().iter().zip(expected) {
        assert!((a - b).abs() < 2e-6 * b.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn the_task_losses_have_their_golden_values() {
    for device in Device::all_for_tests() {
        let (z, y) = case(&device);
        for (likelihood, smoothing, value) in [
            (Likelihood::Softmax, 0.0, 0.342350),
            (Likelihood::Softmax, 0.1, 0.504850),
            (Likelihood::Sigmoid, 0.0, 2.107414),
            (Likelihood::Sigmoid, 0.1, 2.269914),
        ] {
            close(TaskLoss { likelihood, smoothing }.mean(&z, &y).tensor(), &[value]);
        }
    }
}

#[test]
fn smoothing_goes_from_the_label_to_uniform() {
    for device in Device::all_for_tests() {
        let (z, y) = case(&device);
        for likelihood in BOTH {
            let loss = |target: &[f32]| {
                let target = Tensor::from_slice(&device, target, &[1, 4]);
                z.cross_entropy(&target, likelihood, 0.0).tensor().to_vec::<f32>().unwrap()
            };
            let smoothed = |smoothing| TaskLoss { likelihood, smoothing }.rows(&z, &y).tensor().clone();
            close(&smoothed(0.0), &loss(&[1.0, 0.0, 0.0, 0.0]));
            close(&smoothed(1.0), &loss(&[0.25; 4]));
        }
    }
}

#[test]
fn forgetting_has_its_golden_values_and_softmax_seeds_sum_to_zero() {
    let (soft, sig) = BOTH.into();
    for device in Device::all_for_tests() {
        let (z, y) = case(&device);
        let likelihoods = [z.tensor().softmax(-1), z.tensor().sigmoid()];
        likelihoods
            .iter()
            .zip([0.710100, 0.880797])
            .for_each(|(found, expected)| close(&found.slice(1, 0, 1), &[expected]));
        // (likelihood, λ, γ, α, ∂L/∂z, L, the reference's linear surrogate: the seed times z).
        for (likelihood, lambda, gamma, alpha, seed, value, surrogate) in [
            (soft, 0.25, 1.0, 0.863916, [-0.499551, 0.166976, 0.219457, 0.113117], -1.920761, -1.162000),
            (soft, 1.0 / 3.0, 1.0, 0.795874, [-0.519276, 0.173515, 0.221863, 0.123898], -1.897467, -1.198466),
            (soft, 0.5, 0.0, 0.0, [-0.75, 0.25, 0.25, 0.25], -1.625, -1.625),
            (soft, 0.0, 0.3, 0.3, [-0.663030, 0.221170, 0.239394, 0.202467], -1.727705, -1.464221),
            (sig, 0.25, 1.0, 0.954888, [-0.636175, -0.227444, -0.006809, -0.344379], -3.637345, -1.437730),
            (sig, 1.0 / 3.0, 1.0, 0.932332, [-0.638863, -0.216166, -0.000743, -0.330339], -3.589810, -1.442153),
            (sig, 0.0, 0.3, 0.3, [-0.714239, 0.1, 0.169318, 0.063262], -2.257224, -1.566165),
        ] {
            let obf = Obf::new(lambda, gamma, likelihood);
            close(&obf.alpha(z.tensor(), &y), &[alpha]);
            let found = obf.seed(z.tensor(), &y);
            close(&found, &seed);
            close(obf.rows(&z, &y).tensor(), &[value]);
            close(&found.mul(z.tensor()).sum(), &[surrogate]);
            let sum = found.sum().item::<f32>().unwrap();
            let expected = if likelihood == soft { 0.0 } else { seed.iter().sum() };
            assert!((sum - expected).abs() < 2e-6, "{obf:?}: {sum}");
        }
    }
}

#[test]
fn samples_left_out_add_nothing_and_wrong_labels_are_no_plausible_number() {
    let nan = f32::NAN;
    for device in Device::all_for_tests() {
        let z = Tensor::from_slice(&device, &[2.0, 0.0, -1.0, nan, nan, f32::INFINITY], &[2, 3]);
        let labels = Tensor::from_slice(&device, &[0, u32::MAX], &[2]);
        let wrong = Tensor::from_slice(&device, &[0u32, 3], &[2]);
        let finite = Tensor::from_slice(&device, &[2.0f32, 0.0, -1.0, 1.0, 2.0, 3.0], &[2, 3]);
        for (likelihood, lambda) in BOTH.into_iter().flat_map(|l| [(l, 0.0), (l, 0.25)]) {
            let obf = Obf::new(lambda, 0.5, likelihood);
            let tape = lethe_autograd::Tape::new();
            let leaf = tape.leaf(&z);
            let rows = obf.rows(&leaf, &labels);
            let slope = tape.backward(&rows.mean()).of(&leaf).tensor().clone();
            let seed = obf.seed(&z, &labels);
            close(&seed, &slope.to_vec::<f32>().unwrap());
            let (rows, seed, alpha) = (
                rows.to_vec::<f32>().unwrap(),
                seed.to_vec::<f32>().unwrap(),
                obf.alpha(&z, &labels).to_vec::<f32>().unwrap(),
            );
            assert!(rows[0].is_finite() && rows[1] == 0.0 && alpha[1] == 0.0, "{obf:?}: {rows:?}, {alpha:?}");
            assert!(seed[..3].iter().all(|s| s.is_finite() && *s != 0.0) && seed[3..] == [0.0; 3], "{obf:?}: {seed:?}");
            let refuse = || {
                let rows = obf.rows(&Var::constant(&finite), &wrong).to_vec::<f32>().unwrap();
                (rows, obf.seed(&finite, &wrong).to_vec::<f32>().unwrap())
            };
            if device.is_cpu() {
                let text = *std::panic::catch_unwind(std::panic::AssertUnwindSafe(refuse))
                    .err()
                    .unwrap()
                    .downcast::<String>()
                    .unwrap();
                assert!(text.contains("OBF: label 3 of row 1"), "{text}");
            } else {
                let (rows, seed) = refuse();
                assert!(rows[0].is_finite() && rows[1].is_nan(), "{rows:?}");
                assert!(seed[..3].iter().all(|s| s.is_finite()) && seed[3..].iter().all(|s| s.is_nan()), "{seed:?}");
            }
        }
    }
}
