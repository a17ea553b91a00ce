//! Properties of every registered operation on random cases: first and second derivatives against finite differences, use more than once,
//! tracking of some inputs only, recorded sweeps against fused ones, vectors of parameters, single precision against double.
//!
//! proptest draws (seed, size) and shrinks them; a failure prints the shrunk case as code. `PROPTEST_CASES` sets the number of cases for each
//! operation and property. The draws are the same in every run.

use lethe_autograd::agreement;
use lethe_autograd::gradcheck::{Report, gradcheck, gradgradcheck};
use lethe_autograd::registry::{Case, Operation, large_operations, operations};
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

/// The same, with this many cases for each operation unless `PROPTEST_CASES` says otherwise.
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
    check_derivatives(|case| gradcheck(&case.run, &case.inputs, &case.options()).map_err(|e| e.to_string()));
}

#[test]
fn second_derivatives_match_finite_differences() {
    check_derivatives(|case| gradgradcheck(&case.run, &case.inputs, &case.options()).map_err(|e| e.to_string()));
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

/// A normal cotangent of the case's result.
fn cotangent(case: &Case) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F64, case.value(&case.inputs).shape(), Draw::new(1, [0; 3]))
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
        close("o", &doubles(&case.value(&case.inputs)), &doubles(&other.value(&other.inputs)), DOUBLE)?;
        let dy = cotangent(case);
        let grads = |c: &Case| gradients(&c.run, &c.inputs, &c.differentiable, &dy, Mode::Free);
        all_close("gradient", &grads(case), &grads(&other), DOUBLE)
    });
}

/// Values and gradients of inputs stored in this type on a device, within bounds that follow from the operations.
fn results_are_off_by_roundings(device: &Device, dtype: DType, cases: u32) {
    for_many_cases(cases, 1..=8, |op, case, _| {
        agreement::values(op, case, device, dtype).map_err(|e| e.to_string())?;
        for mode in [Mode::Free, Mode::Record] {
            agreement::gradients(op, case, device, dtype, mode).map_err(|e| format!("{mode:?}: {e}"))?;
        }
        Ok(())
    });
}

/// The same for cases of the sizes that kernels are made for.
fn large_results_are_off_by_roundings(device: &Device) {
    for op in large_operations() {
        let case = op.case(0, 1);
        agreement::values(&op, &case, device, DType::F32).unwrap_or_else(|e| panic!("{}: {e}", op.name));
        agreement::gradients(&op, &case, device, DType::F32, Mode::Free).unwrap_or_else(|e| panic!("{}: {e}", op.name));
    }
}

#[test]
fn large_results_are_off_by_roundings_only() {
    large_results_are_off_by_roundings(&Device::cpu());
    #[cfg(feature = "gpu")]
    gpu().iter().for_each(large_results_are_off_by_roundings);
}

#[test]
fn single_precision_is_off_by_roundings_only() {
    results_are_off_by_roundings(&Device::cpu(), DType::F32, 128);
}

#[test]
fn halves_are_computed_with_in_single_precision() {
    results_are_off_by_roundings(&Device::cpu(), DType::F16, 24);
    results_are_off_by_roundings(&Device::cpu(), DType::BF16, 24);
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
    gpu().iter().for_each(|device| results_are_off_by_roundings(device, DType::F32, 8));
}

/// On an adapter that lets a kernel see very little of an operand at once, every operation must do its work in parts.
#[cfg(feature = "gpu")]
#[test]
fn results_on_a_gpu_with_small_bindings_are_off_by_roundings_only() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    let open = |bytes| GpuDevice::for_tests(GpuOptions { binding_limit: Some(bytes), ..GpuOptions::default() });
    for_many_cases(2, 1..=8, |op, case, _| {
        // A device of its own: one that refused an operation refuses all that come after.
        let Some(device) = open(512).map(Device::Gpu) else { return Ok(()) };
        agreement::values(op, case, &device, DType::F32).map_err(|e| e.to_string())?;
        agreement::gradients(op, case, &device, DType::F32, Mode::Free).map_err(|e| e.to_string())?;
        Ok(())
    });
    open(1 << 14).map(Device::Gpu).iter().for_each(large_results_are_off_by_roundings);
}

/// Release builds run shaders without wgpu's checks: they must do the same.
#[cfg(feature = "gpu")]
#[test]
fn checked_and_unchecked_shaders_give_the_same_bits() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    let open = |checked_shaders| GpuDevice::for_tests(GpuOptions { checked_shaders, ..GpuOptions::default() });
    let (Some(checked), Some(unchecked)) = (open(true), open(false)) else { return };
    for_many_cases(2, 1..=8, |_, case, _| {
        let results = [&checked, &unchecked].map(|gpu| {
            let device = Device::Gpu(gpu.clone());
            let to = |t: &Tensor| {
                let t = if t.dtype() == DType::F64 { t.to_dtype(DType::F32) } else { t.clone() };
                t.to_device(&device).expect("the device works")
            };
            let inputs: Vec<Tensor> = case.inputs.iter().map(to).collect();
            let dy = to(&cotangent(case));
            (doubles(&case.value(&inputs)), gradients(&case.run, &inputs, &case.differentiable, &dy, Mode::Free))
        });
        let [a, b] = results.map(|r| format!("{r:?}")); // NaN is NaN
        if a == b { Ok(()) } else { Err(format!("checked {a}, unchecked {b}")) }
    });
}

#[cfg(feature = "gpu")]
#[test]
fn halves_on_the_gpu_are_computed_with_in_single_precision() {
    for dtype in [DType::F16, DType::BF16] {
        gpu().iter().for_each(|device| results_are_off_by_roundings(device, dtype, 2));
    }
}

/// What finite differences cannot tell: at these kinks the gradient is 0 by convention, not infinite.
#[test]
fn roots_of_zero_have_a_gradient_of_zero() {
    let zeros = Tensor::zeros(&Device::cpu(), DType::F64, &[3]);
    let functions: [&dyn Fn(&[Var]) -> Var; 2] = [&|x| x[0].norm(), &|x| x[0].std()];
    for f in functions {
        for mode in [Mode::Free, Mode::Record] {
            let dy = zeros.scalar_like(1.0);
            let grads = gradients(f, std::slice::from_ref(&zeros), &[true], &dy, mode);
            assert_eq!(grads, [Some(vec![0.0; 3])]);
        }
    }
}
