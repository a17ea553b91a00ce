//! Properties of every registered operation on random cases: first and second derivatives against finite differences, use more than once,
//! tracking of some inputs only, recorded sweeps against fused ones, vectors of parameters, single precision against double.
//!
//! proptest draws (seed, size) and shrinks them; a failure prints the shrunk case as code. `PROPTEST_CASES` sets the number of cases for each
//! operation and property. The draws are the same in every run.

use lethe_autograd::gradcheck::{GradcheckOptions, Report, gradcheck, gradgradcheck};
use lethe_autograd::registry::{Case, Operation, operations};
use lethe_autograd::{Mode, ParamLayout, Parameters, Tags, Tape, Var};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use proptest::prelude::{TestCaseError, any};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Runs a property on cases of all operations (given also their seed and size), and panics with all that failed.
fn for_all_cases(
    sizes: RangeInclusive<usize>,
    property: impl Fn(&Operation, &Case, (u64, usize)) -> Result<(), String>,
) {
    for_many_cases(128, sizes, property);
}

/// The same, with so many cases for each operation unless `PROPTEST_CASES` says otherwise.
fn for_many_cases(
    cases: u32,
    sizes: RangeInclusive<usize>,
    property: impl Fn(&Operation, &Case, (u64, usize)) -> Result<(), String>,
) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let failures: Vec<String> = operations()
        .filter_map(|op| {
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let check = |(seed, size): (u64, usize)| {
                property(&op, &op.case(seed, size), (seed, size)).map_err(TestCaseError::fail)
            };
            match TestRunner::new_with_rng(config.clone(), rng).run(&(any::<u64>(), sizes.clone()), check) {
                Ok(()) => None,
                Err(TestError::Fail(why, (seed, size))) => {
                    let code = op.case(seed, size).description;
                    Some(format!("{} (seed {seed}, size {size}): {why}\n{code}\n", op.name))
                }
                Err(e) => Some(format!("{}: {e}\n", op.name)),
            }
        })
        .collect();
    assert!(failures.is_empty(), "{} operations fail:\n\n{}", failures.len(), failures.join("\n"));
}

fn options(case: &Case) -> GradcheckOptions {
    let constant = (0..case.inputs.len()).filter(|i| !case.differentiable[*i]).collect();
    GradcheckOptions { constant, ..GradcheckOptions::default() }
}

/// Runs a gradient check on all cases. Kinks must be rarer than what is compared.
fn check_derivatives(check: impl Fn(&Case) -> Result<Report, String>) {
    let seen: RefCell<Vec<(&str, Report)>> = RefCell::default();
    for_all_cases(1..=4, |op, case, _| {
        let report = check(case)?;
        let mut seen = seen.borrow_mut();
        if seen.last().is_none_or(|(name, _)| *name != op.name) {
            seen.push((op.name, Report::default()));
        }
        let total = &mut seen.last_mut().expect("pushed above").1;
        total.compared += report.compared;
        total.kinks += report.kinks;
        Ok(())
    });
    for (name, total) in seen.into_inner() {
        assert!(total.compared > 3 * total.kinks, "{name}: too little was compared: {total:?}");
    }
}

#[test]
fn first_derivatives_match_finite_differences() {
    check_derivatives(|case| gradcheck(&case.run, &case.inputs, &options(case)).map_err(|e| e.to_string()));
}

#[test]
fn second_derivatives_match_finite_differences() {
    check_derivatives(|case| gradgradcheck(&case.run, &case.inputs, &options(case)).map_err(|e| e.to_string()));
}

/// The inputs, those of `tracked` as leaves.
fn vars(tape: &Tape, inputs: &[Tensor], tracked: &[bool]) -> Vec<Var> {
    inputs.iter().zip(tracked).map(|(t, tracked)| if *tracked { tape.leaf(t) } else { Var::constant(t) }).collect()
}

/// The gradients of the tracked inputs of `f`, pulled back from `cotangent`, as doubles.
fn gradients(
    f: &dyn Fn(&[Var]) -> Var,
    inputs: &[Tensor],
    tracked: &[bool],
    cotangent: &Tensor,
    mode: Mode,
) -> Vec<Option<Vec<f64>>> {
    let tape = Tape::new();
    let x = vars(&tape, inputs, tracked);
    let y = f(&x);
    // In a recorded sweep the cotangent is tracked, so that every rule takes its differentiable form.
    let dy = if mode == Mode::Record { tape.leaf(cotangent) } else { Var::constant(cotangent) };
    let grads = y.is_tracked().then(|| tape.sweep(&y, &dy, mode));
    let grad = |v: &Var| grads.as_ref().map_or(v.tensor().zeros_like(), |g| g.of(v).tensor().clone());
    x.iter().map(|v| v.is_tracked().then(|| doubles(&grad(v)))).collect()
}

fn doubles(t: &Tensor) -> Vec<f64> {
    let here = t.to_device(&Device::cpu()).expect("the device works");
    here.to_dtype(DType::F64).to_vec().expect("the CPU does not fail")
}

fn value(case: &Case, inputs: &[Tensor]) -> Tensor {
    (case.run)(&inputs.iter().map(Var::constant).collect::<Vec<_>>()).tensor().clone()
}

/// A normal cotangent of the case's result.
fn cotangent(case: &Case) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F64, value(case, &case.inputs).shape(), Draw::new(1, [0; 3]))
}

/// Compares vectors, with an error of `tolerance` times the largest element (at least 1).
fn close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) -> Result<(), String> {
    let scale = expected.iter().fold(1.0f64, |a, x| a.max(x.abs()));
    let far = |(a, b): (&f64, &f64)| (a - b).abs() > tolerance * scale || a.is_nan() || b.is_nan();
    match got.iter().zip(expected).position(far) {
        _ if got.len() != expected.len() => Err(format!("{what}: {} elements, not {}", got.len(), expected.len())),
        Some(i) => Err(format!("{what}: got {got:?}, expected {expected:?} (element {i})")),
        None => Ok(()),
    }
}

fn all_close(
    what: &str,
    got: &[Option<Vec<f64>>],
    expected: &[Option<Vec<f64>>],
    tolerance: f64,
) -> Result<(), String> {
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        if let (Some(a), Some(b)) = (a, b) {
            close(&format!("{what}, input {i}"), a, b, tolerance)?;
        }
    }
    Ok(())
}

/// Rounding in doubles: the cases are small, and conditioned by at most some thousands.
const DOUBLE: f64 = 1e-11;

#[test]
fn gradients_add_over_two_uses() {
    for_all_cases(1..=5, |_, case, _| {
        let dy = cotangent(case);
        let grads = |f: &dyn Fn(&[Var]) -> Var| gradients(f, &case.inputs, &case.differentiable, &dy, Mode::Free);
        let double = |g: Option<Vec<f64>>| g.map(|g| g.iter().map(|x| 2.0 * x).collect());
        let expected: Vec<_> = grads(&case.run).into_iter().map(double).collect();
        let again = |x: &[Var]| &(case.run)(x) + &(case.run)(x);
        all_close("f(x) + f(x)", &grads(&again), &expected, DOUBLE)?;
        let shared = |x: &[Var]| {
            let y = (case.run)(x);
            &y + &y
        };
        all_close("y + y", &grads(&shared), &expected, DOUBLE)
    });
}

#[test]
fn each_input_can_be_tracked_alone() {
    for_all_cases(1..=5, |_, case, _| {
        let dy = cotangent(case);
        let all = gradients(&case.run, &case.inputs, &case.differentiable, &dy, Mode::Free);
        for i in (0..case.inputs.len()).filter(|i| case.differentiable[*i]) {
            let only: Vec<bool> = (0..case.inputs.len()).map(|j| i == j).collect();
            let alone = gradients(&case.run, &case.inputs, &only, &dy, Mode::Free);
            all_close("alone", &alone, &all, DOUBLE)?;
        }
        Ok(())
    });
}

#[test]
fn recorded_sweeps_and_strided_cotangents_give_the_same_gradients() {
    for_all_cases(1..=6, |_, case, _| {
        let dy = cotangent(case);
        let grads = |dy: &Tensor, mode| gradients(&case.run, &case.inputs, &case.differentiable, dy, mode);
        let fused = grads(&dy, Mode::Free);
        all_close("recorded", &grads(&dy, Mode::Record), &fused, DOUBLE)?;
        let all: Vec<isize> = (0..dy.rank() as isize).collect();
        let flipped = dy.flip(&all).contiguous().flip(&all);
        all_close("flipped cotangent", &grads(&flipped, Mode::Free), &fused, DOUBLE)?;
        if dy.rank() > 1 {
            let transposed = dy.transpose(0, -1).contiguous().transpose(0, -1);
            all_close("transposed cotangent", &grads(&transposed, Mode::Retain), &fused, DOUBLE)?;
        }
        // One number for all elements, by strides of zero.
        let one = dy.scalar_like(0.7).expand(dy.shape());
        let dense = Tensor::full(dy.device(), DType::F64, dy.shape(), 0.7);
        all_close("expanded cotangent", &grads(&one, Mode::Free), &grads(&dense, Mode::Record), DOUBLE)
    });
}

#[test]
fn gradients_of_parameters_land_in_their_places() {
    for_all_cases(1..=5, |_, case, _| {
        let dy = cotangent(case);
        let leaves = gradients(&case.run, &case.inputs, &case.differentiable, &dy, Mode::Free);
        let mut layout = ParamLayout::new();
        let ids: Vec<_> = (case.inputs.iter().zip(&case.differentiable).enumerate())
            .map(|(i, (t, d))| d.then(|| layout.add(&i.to_string(), t.shape(), Tags::default())))
            .collect();
        let layout = Arc::new(layout);
        let mut theta = vec![0.0; layout.len()];
        let mut expected = vec![0.0; layout.len()];
        for ((id, t), g) in ids.iter().zip(&case.inputs).zip(&leaves) {
            if let (Some(id), Some(g)) = (id, g) {
                theta[layout.get(*id).range()].copy_from_slice(&doubles(t));
                expected[layout.get(*id).range()].copy_from_slice(g);
            }
        }
        let theta = Tensor::from_slice(&Device::cpu(), &theta, &[layout.len()]);
        for (uses, mode) in [(1, Mode::Free), (2, Mode::Free), (2, Mode::Record)] {
            let tape = Tape::new();
            let p: Parameters = tape.parameters(&theta, &layout);
            let read = |(id, t): (&Option<_>, &Tensor)| id.map_or(Var::constant(t), |id| p.get(id));
            let x: Vec<Var> = ids.iter().zip(&case.inputs).map(read).collect();
            let y = (1..uses).fold((case.run)(&x), |y, _| &y + &(case.run)(&x));
            if y.is_tracked() {
                let grads = tape.sweep(&y, &Var::constant(&dy), mode);
                let scaled: Vec<f64> = expected.iter().map(|g| g * f64::from(uses)).collect();
                close(&format!("{uses} uses, {mode:?}"), &doubles(grads.vector(&p).tensor()), &scaled, DOUBLE)?;
            }
        }
        Ok(())
    });
}

#[test]
fn fused_attention_equals_the_composed_one() {
    let composed = operations().find(|o| o.name == "attention_composed").expect("registered");
    for_all_cases(1..=9, |op, case, (seed, size)| {
        if op.name != "attention" {
            return Ok(());
        }
        let other = composed.case(seed, size); // the same draws
        close("o", &doubles(&value(case, &case.inputs)), &doubles(&value(&other, &other.inputs)), DOUBLE)?;
        let dy = cotangent(case);
        let grads = |c: &Case| gradients(&c.run, &c.inputs, &c.differentiable, &dy, Mode::Free);
        all_close("gradient", &grads(case), &grads(&other), DOUBLE)
    });
}

/// How many elements of a result are compared in single precision: each costs a sweep in doubles.
const COMPARED: usize = 12;

/// The size of what is rounded inside, where results may be smaller. The logarithm of a sum near 1 cannot be better than that sum; a mean
/// is off by γ |x|, and so is a deviation of 0, and its square by the square.
fn inside(op: &str, case: &Case, gamma: f64) -> f64 {
    let largest = || doubles(&case.inputs[0]).iter().fold(0.0f64, |a, x| a.max(x.abs()));
    match op {
        "log_softmax" | "logsumexp" | "cross_entropy" => 1.0,
        "std" => largest(),
        "var" => gamma * largest().powi(2),
        _ => 0.0,
    }
}

/// A backward stable algorithm in single precision gives the result of inputs that are off by a few roundings, so that element o is off by
/// at most γ (Σ |∂y_o/∂x_i| |x_i| + |y_o|), with γ = k ε for k roundings one after the other: at most one for each element that enters, and
/// some for the functions themselves.
fn values_are_off_by_roundings_only(device: &Device, cases: u32) {
    for_many_cases(cases, 1..=8, |op, case, (seed, _)| {
        let inputs: Vec<Tensor> = case.inputs.iter().map(|t| single(t, device, seed)).collect();
        let low = value(case, &inputs);
        if low.dtype() != DType::F32 {
            return Err(format!("the result is {}", low.dtype()));
        }
        let (low, high) = (doubles(&low), doubles(&value(case, &case.inputs)));
        let longest = case.inputs.iter().map(Tensor::numel).max().unwrap_or(0);
        let gamma = (longest + 32) as f64 * f64::from(f32::EPSILON);
        let step = high.len().div_ceil(COMPARED).max(1);
        for o in (seed as usize % step..high.len()).step_by(step) {
            let mut hot = vec![0.0; high.len()];
            hot[o] = 1.0;
            let hot = Tensor::from_slice(&Device::cpu(), &hot, value(case, &case.inputs).shape());
            let rows = gradients(&case.run, &case.inputs, &case.differentiable, &hot, Mode::Free);
            let condition: f64 = (rows.iter().zip(&case.inputs))
                .filter_map(|(row, x)| {
                    Some(row.as_ref()?.iter().zip(doubles(x)).map(|(j, x)| (j * x).abs()).sum::<f64>())
                })
                .sum();
            let bound = gamma * (condition + high[o].abs() + inside(op.name, case, gamma));
            let error = (low[o] - high[o]).abs();
            if error > bound || error.is_nan() || bound.is_nan() {
                return Err(format!("element {o}: {} in f32, {} in f64, bound {bound:e}", low[o], high[o]));
            }
        }
        Ok(())
    });
}

/// Gradients in single precision, against their largest element: the rules make no tensors of another type, and lose no more than a few
/// digits. (Cancellation inside a gradient has no bound that is as simple as that of the values.)
fn gradients_follow_those_in_double(device: &Device, cases: u32) {
    for_many_cases(cases, 1..=8, |_, case, (seed, _)| {
        let inputs: Vec<Tensor> = case.inputs.iter().map(|t| single(t, device, seed)).collect();
        let dy = cotangent(case);
        let high = gradients(&case.run, &case.inputs, &case.differentiable, &dy, Mode::Free);
        for mode in [Mode::Free, Mode::Record] {
            let low = gradients(&case.run, &inputs, &case.differentiable, &single(&dy, device, seed), mode);
            all_close(&format!("f32, {mode:?}"), &low, &high, 1e-4)?;
        }
        Ok(())
    });
}

/// A tensor in single precision on a device; for odd seeds a view with its first and last axes exchanged.
fn single(t: &Tensor, device: &Device, seed: u64) -> Tensor {
    let turned = seed % 2 == 1 && t.rank() > 1;
    let t = if turned { t.transpose(0, -1).contiguous() } else { t.clone() };
    let t = if t.dtype() == DType::F64 { t.to_dtype(DType::F32) } else { t };
    let t = t.to_device(device).expect("the device works");
    if turned { t.transpose(0, -1) } else { t }
}

#[test]
fn single_precision_is_off_by_roundings_only() {
    values_are_off_by_roundings_only(&Device::cpu(), 128);
}

#[test]
fn single_precision_gradients_follow_those_in_double() {
    gradients_follow_those_in_double(&Device::cpu(), 128);
}

/// The best adapter, or `None`, said aloud.
#[cfg(feature = "gpu")]
fn gpu() -> Option<Device> {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    GpuDevice::for_tests(GpuOptions::default()).map(Device::Gpu)
}

/// Fewer cases: most of them bring a kernel of their own, which a software adapter compiles for as long as it runs it.
#[cfg(feature = "gpu")]
#[test]
fn results_on_the_gpu_are_off_by_roundings_only() {
    gpu().iter().for_each(|device| values_are_off_by_roundings_only(device, 8));
}

#[cfg(feature = "gpu")]
#[test]
fn gradients_on_the_gpu_follow_those_in_double() {
    gpu().iter().for_each(|device| gradients_follow_those_in_double(device, 6));
}

/// What finite differences cannot tell: at these kinks the gradient is 0 by convention, not infinite.
#[test]
fn roots_of_zero_have_a_gradient_of_zero() {
    let zeros = Tensor::zeros(&Device::cpu(), DType::F64, &[3]);
    let functions: [&dyn Fn(&[Var]) -> Var; 2] = [&|x| x[0].norm(), &|x| x[0].std(&[], 1.0, false)];
    for f in functions {
        for mode in [Mode::Free, Mode::Record] {
            let dy = zeros.scalar_like(1.0);
            let grads = gradients(f, std::slice::from_ref(&zeros), &[true], &dy, mode);
            assert_eq!(grads, [Some(vec![0.0; 3])]);
        }
    }
}
