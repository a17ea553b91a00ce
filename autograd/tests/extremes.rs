//! Every pointwise operation where formulas over- or underflow on the way, and where operands are no numbers: on every device, values,
//! slopes and second derivatives against doubles.

use lethe_autograd::registry::{Case, Operation, pointwise_operations};
use lethe_autograd::{Mode, Tape, Var};
use lethe_tensor::{DType, Device, Tensor};

/// Below this a GPU may have flushed what was on the way.
const TINY: f64 = 1e-36;
/// Above this nothing is asked for: single precision ends at 3.4e38.
const HUGE: f64 = 3e37;

/// Operands of a case: every combination of these numbers, a list for each float input; conditions alternate.
fn combinations(case: &Case, numbers: &[f32]) -> Vec<Tensor> {
    let floats = case.inputs.iter().filter(|t| t.dtype() != DType::U32).count();
    let n = numbers.len();
    let total = n.pow(floats as u32);
    let mut stride = 1;
    let list = |t: &Tensor| match t.dtype() {
        DType::U32 => {
            Tensor::from_slice(&Device::cpu(), &(0..total as u32).map(|i| i % 2).collect::<Vec<_>>(), &[total])
        }
        _ => {
            let data: Vec<f32> = (0..total).map(|i| numbers[i / stride % n]).collect();
            stride *= n;
            Tensor::from_slice(&Device::cpu(), &data, &[total])
        }
    };
    case.inputs.iter().map(list).collect()
}

fn doubles(t: &Tensor) -> Vec<f64> {
    t.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap()
}

/// The result of a case on these inputs, its slopes, and (where asked for) the slopes of every slope; with names.
fn derivatives(case: &Case, inputs: &[Tensor], second: bool) -> Vec<(String, Vec<f64>)> {
    let tape = Tape::new();
    let x = case.on(&tape, inputs);
    let y = (case.run)(&x);
    let mut all = vec![("the value".to_string(), doubles(y.tensor()))];
    let ones = |v: &Var| Tensor::ones(v.device(), v.tensor().computed_type(), v.shape());
    let mode = if second { Mode::Record } else { Mode::Retain };
    let dy = if second { tape.leaf(&ones(&y)) } else { Var::constant(&ones(&y)) };
    let slopes = tape.sweep(&y, &dy, mode);
    let tracked: Vec<usize> = (0..x.len()).filter(|i| x[*i].is_tracked()).collect();
    for &i in &tracked {
        let slope = slopes.of(&x[i]);
        all.push((format!("d{i}"), doubles(slope.tensor())));
        if !second || !slope.is_tracked() {
            continue;
        }
        let curvature = tape.sweep(&slope, &Var::constant(&ones(&slope)), Mode::Retain);
        for &j in &tracked {
            all.push((format!("d{i} d{j}"), doubles(curvature.of(&x[j]).tensor())));
        }
    }
    all
}

/// Compares all pointwise operations on combinations of these numbers with doubles; `wrong` says what is wrong with (operation, its
/// operands, got, expected).
fn compare(numbers: &[f32], second: bool, wrong: impl Fn(&Operation, &[f64], f64, f64) -> bool) {
    let devices = Device::all_for_tests();
    let mut failures = vec![];
    for op in pointwise_operations() {
        let mut seen = vec![];
        for case in (0..12).map(|seed| op.case(seed, 2)) {
            // The last line is the call; the inputs are of this test.
            let call = case.description.lines().last().unwrap_or_default().to_string();
            if seen.contains(&call) {
                continue;
            }
            seen.push(call.clone());
            let inputs = combinations(&case, numbers);
            let operands: Vec<Vec<f64>> = inputs.iter().map(doubles).collect();
            let at = |i: usize| operands.iter().map(|o| o[i]).collect::<Vec<f64>>();
            let wide = |t: &Tensor| if t.dtype() == DType::F32 { t.to_dtype(DType::F64) } else { t.clone() };
            let expected = derivatives(&case, &inputs.iter().map(wide).collect::<Vec<_>>(), second);
            for device in &devices {
                let there: Vec<Tensor> = inputs.iter().map(|t| t.to_device(device).unwrap()).collect();
                let got = derivatives(&case, &there, second);
                assert_eq!(got.len(), expected.len());
                for ((what, got), (_, expected)) in got.iter().zip(&expected) {
                    let bad: Vec<usize> =
                        (0..expected.len()).filter(|i| wrong(&op, &at(*i), got[*i], expected[*i])).collect();
                    if let Some(&i) = bad.first() {
                        let (at, g, e) = (at(i), got[i], expected[i]);
                        let count = bad.len();
                        failures.push(format!("{device:?}: {call} {what} at {at:?}: {g:e}, not {e:e} ({count} such)"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn nothing_over_or_underflows_on_the_way_to_a_number() {
    let sizes = [1e-30f32, 1e-25, 1e-19, 1e-12, 1e-5, 0.3, 1.7, 1e5, 1e12, 1e19, 1e25, 1e30];
    let numbers: Vec<f32> = sizes.iter().flat_map(|x| [*x, -*x]).collect();
    compare(&numbers, true, |op, at, got, expected| {
        if expected.is_nan() || expected.abs() > HUGE {
            return false; // beyond the domain, or what single precision holds
        }
        // The slope by the exponent is a multiple of the power, which must be a number itself.
        if op.name == "pow" && !(TINY..HUGE).contains(&at[0].abs().powf(at[1])) {
            return false;
        }
        // The slopes of bounded functions are differences of numbers about 1.
        let slack = if BOUNDED.contains(&op.name) { 1e-6 } else { TINY };
        (got - expected).abs() > 1e-4 * expected.abs() + slack || got.is_nan()
    });
}

/// Operations whose values or derivatives cancel, next to 0 or to a zero of theirs.
const BOUNDED: [&str; 14] = [
    "sin",
    "cos",
    "sigmoid",
    "tanh",
    "softplus",
    "erf",
    "gelu",
    "gelu_grad",
    "silu",
    "mish",
    "gelu_tanh",
    "log_sigmoid",
    "log1p",
    "softsign",
];

#[test]
fn what_is_no_number_is_the_same_on_every_device() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let numbers = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, -3.0, 90.0, -90.0, 1e30, -1e30];
    compare(&numbers, false, |_, _, got, expected| {
        if expected.is_finite() && expected.abs() > HUGE {
            return got.is_nan();
        }
        let same = got == expected || got.is_nan() && expected.is_nan();
        !same && (!expected.is_finite() || (got - expected).abs() > 1e-5 * expected.abs() + 1e-6 || got.is_nan())
    });
}

#[test]
fn comparisons_and_choices_take_nan_as_no_number() {
    let nan = f32::NAN;
    for device in Device::all_for_tests() {
        let a = Tensor::from_slice(&device, &[nan, 1.0, nan, 1.0], &[4]);
        let b = Tensor::from_slice(&device, &[1.0, nan, nan, 1.0], &[4]);
        let bits = |t: Tensor| t.to_vec::<u32>().unwrap();
        assert_eq!(bits(a.eq(&b)), [0, 0, 0, 1]);
        assert_eq!(bits(a.ne(&b)), [1, 1, 1, 0]);
        for (got, last) in [(a.lt(&b), 0), (a.le(&b), 1), (a.gt(&b), 0), (a.ge(&b), 1)] {
            assert_eq!(bits(got), [0, 0, 0, last]);
        }
        assert_eq!(bits(a.eq_scalar(1.0)), [0, 1, 0, 1]);
        assert_eq!(bits(a.ge_scalar(0.0)), [0, 1, 0, 1]);
        assert_eq!(bits(a.eq(&a)), [0, 1, 0, 1]);
        let taken = a.eq(&a).where_(&a, &b).to_vec::<f32>().unwrap();
        assert!(taken[..2] == [1.0, 1.0] && taken[2].is_nan() && taken[3] == 1.0);
    }
}

#[test]
fn what_a_choice_leaves_out_has_no_gradient_even_where_it_is_nan() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for device in Device::all_for_tests() {
        let tape = Tape::new();
        let leaf = |data: &[f32]| tape.leaf(&Tensor::from_slice(&device, data, &[data.len()]));
        let (x, other) = (leaf(&[nan, 2.0, inf]), leaf(&[1.0, nan, nan]));
        let mask = Tensor::from_slice(&device, &[0u32, 1, 0], &[3]);
        let kept = Var::constant(&mask).where_(&x, &Var::constant(&Tensor::zeros(&device, DType::F32, &[3])));
        let y = &(&kept.sum() + &x.masked_mean(&mask)) + &x.masked_fill(&mask.logical_not(), 0.0).square().sum();
        let grads = tape.backward(&y);
        assert_eq!(y.to_vec::<f32>().unwrap(), [2.0 + 2.0 + 4.0]);
        assert_eq!(grads.of(&x).to_vec::<f32>().unwrap(), [0.0, 1.0 + 1.0 + 4.0, 0.0]);
        assert_eq!(grads.of(&other).to_vec::<f32>().unwrap(), [0.0; 3]);
    }
}

#[test]
fn logsumexp_of_nothing_is_minus_infinity_with_gradient_zero() {
    let low = f32::NEG_INFINITY;
    for device in Device::all_for_tests() {
        let tape = Tape::new();
        let x = tape.leaf(&Tensor::from_slice(&device, &[low, low, low, 1.0, low, 1.0], &[3, 2]));
        let y = x.logsumexp_axes(&[1], false);
        let dy = tape.leaf(&Tensor::ones(&device, DType::F32, &[3]));
        let slope = tape.sweep(&y, &dy, Mode::Record).of(&x);
        let curvature = tape.sweep(&slope, &Var::constant(&slope.tensor().add_scalar(1.0)), Mode::Retain).of(&x);
        let y = y.to_vec::<f32>().unwrap();
        assert!(y[0] == low && (y[1] - 1.0).abs() < 1e-6 && (y[2] - 1.0).abs() < 1e-6, "{y:?}");
        assert_eq!(slope.to_vec::<f32>().unwrap(), [0.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        assert!(curvature.to_vec::<f32>().unwrap().iter().all(|c| c.abs() < 1e-6));
        let empty = tape.leaf(&Tensor::zeros(&device, DType::F32, &[2, 0]));
        for (axes, n) in [(vec![1], 2), (vec![], 1)] {
            let y = empty.logsumexp_axes(&axes, false);
            assert_eq!(y.to_vec::<f32>().unwrap(), vec![low; n]);
            assert_eq!(
                tape.sweep(&y, &Var::constant(&y.tensor().zeros_like()), Mode::Retain).of(&empty).shape(),
                [2, 0]
            );
        }
    }
}

#[test]
fn moments_of_nothing_are_nan_and_deviations_do_not_overflow() {
    for device in Device::all_for_tests() {
        let of = |data: &[f32], shape: &[usize]| Var::constant(&Tensor::from_slice(&device, data, shape));
        let empty = of(&[], &[2, 0]);
        for correction in [0.0, 1.0, -1.0] {
            for y in [
                empty.mean_axes(&[1], false),
                empty.var_axes(&[1], correction, false),
                empty.std_axes(&[1], correction, true),
            ] {
                assert!(y.to_vec::<f32>().unwrap().iter().all(|v| v.is_nan()) && y.numel() == 2);
            }
        }
        assert!(of(&[3.0], &[1]).var_axes(&[], 1.0, false).to_vec::<f32>().unwrap()[0].is_nan());
        assert_eq!(of(&[3.0, 5.0], &[2]).var_axes(&[], 2.0, false).to_vec::<f32>().unwrap(), [f32::INFINITY]);
        let refused =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| of(&[3.0, 5.0], &[2]).var_axes(&[], 3.0, false)));
        let text = *refused.err().unwrap().downcast::<String>().unwrap();
        assert!(text.contains("var: a correction of 3 is above the number of elements, 2"), "{text}");
        for size in [1e-30f32, 1e-22, 1.0, 1e22, 1e30] {
            let tape = Tape::new();
            let x = tape.leaf(&Tensor::from_slice(&device, &[size, -size, 3.0 * size, -3.0 * size], &[2, 2]));
            let y = x.std_axes(&[1], 1.0, false);
            let slopes = tape.backward(&y.sum()).of(&x).to_vec::<f32>().unwrap();
            let y = y.to_vec::<f32>().unwrap();
            assert!(y.iter().zip([1.0, 3.0]).all(|(y, k)| (y / (k * size) / 2f32.sqrt() - 1.0).abs() < 1e-5), "{y:?}");
            let half = 0.5f32.sqrt();
            assert!(slopes.iter().zip([half, -half, half, -half]).all(|(s, e)| (s - e).abs() < 1e-5), "{slopes:?}");
        }
    }
}

#[test]
fn norms_and_directions_are_right_at_any_size() {
    for device in Device::all_for_tests() {
        for size in [1e-30f32, 1e-25, 1e-19, 1.0, 1e19, 1e25, 1e30] {
            let tape = Tape::new();
            let x = tape.leaf(&Tensor::from_slice(&device, &[3.0 * size, -4.0 * size], &[2]));
            let n = x.norm();
            let unit = &x / &n;
            let dy = tape.leaf(&Tensor::ones(&device, DType::F32, &[]));
            let slope = tape.sweep(&n, &dy, Mode::Record).of(&x);
            let first = Var::constant(&Tensor::from_slice(&device, &[1.0f32, 0.0], &[2]));
            let close = |what: &str, got: Vec<f32>, expected: [f32; 2]| {
                let off = got.iter().zip(expected).any(|(g, e)| (g / e - 1.0).abs() > 1e-4);
                assert!(!off, "{device:?} {size:e} {what}: {got:?}, not {expected:?}");
            };
            assert!((n.to_vec::<f32>().unwrap()[0] / (5.0 * size) - 1.0).abs() < 1e-5);
            close("unit", unit.to_vec().unwrap(), [0.6, -0.8]);
            close("slope", slope.to_vec().unwrap(), [0.6, -0.8]);
            // (I − x̂ x̂ᵀ) / ‖x‖, of both.
            let expected = [0.64 / (5.0 * size), 0.48 / (5.0 * size)];
            for (what, y) in [("of the slope", &slope), ("of the unit", &unit)] {
                close(what, tape.sweep(y, &first, Mode::Retain).of(&x).to_vec().unwrap(), expected);
            }
        }
    }
}

#[test]
fn products_without_one_factor_are_made_without_division() {
    for device in Device::all_for_tests() {
        for (x, expected) in [
            (vec![1e-25f32, 1e-20], vec![1e-20f32, 1e-25]),
            (vec![1e30, 1e-30, 2.0], vec![2e-30, 2e30, 1.0]),
            (vec![0.0, 3.0, 4.0], vec![12.0, 0.0, 0.0]),
            (vec![0.0, 0.0, 4.0], vec![0.0, 0.0, 0.0]),
            (vec![5.0], vec![1.0]),
        ] {
            let tape = Tape::new();
            let v = tape.leaf(&Tensor::from_slice(&device, &x, &[x.len(), 1]));
            let got = tape.backward(&v.prod_axes(&[0], false).sum()).of(&v).to_vec::<f32>().unwrap();
            assert!(
                got.iter().zip(&expected).all(|(g, e)| (g - e).abs() <= 1e-6 * e.abs()),
                "{got:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn losses_leave_out_what_is_ignored_in_both_orders() {
    use lethe_tensor::plan::Likelihood;
    let nan = f32::NAN;
    for device in Device::all_for_tests() {
        for likelihood in [Likelihood::Softmax, Likelihood::Sigmoid] {
            for smoothing in [0.0, 0.1] {
                let tape = Tape::new();
                let z = tape.leaf(&Tensor::from_slice(&device, &[1.0, 2.0, 3.0, nan, nan, f32::INFINITY], &[2, 3]));
                let labels = Tensor::from_slice(&device, &[1, u32::MAX], &[2]);
                let loss = z.cross_entropy(&labels, likelihood, smoothing).sum();
                let dy = tape.leaf(&Tensor::ones(&device, DType::F32, &[]));
                let slope = tape.sweep(&loss, &dy, Mode::Record).of(&z);
                let curvature = tape.sweep(&slope.square().sum(), &dy, Mode::Retain).of(&z);
                for (what, t) in [("slope", &slope), ("curvature", &curvature)] {
                    let v = t.to_vec::<f32>().unwrap();
                    assert!(
                        v[..3].iter().all(|x| x.is_finite() && *x != 0.0) && v[3..] == [0.0; 3],
                        "{device:?} {what}: {v:?}"
                    );
                }
                assert!(loss.to_vec::<f32>().unwrap()[0].is_finite());
            }
        }
        let tape = Tape::new();
        let x = tape.leaf(&Tensor::from_slice(&device, &[-1.0, -2.0, nan, nan], &[2, 2]));
        let loss = x.nll_loss(&Tensor::from_slice(&device, &[1, u32::MAX], &[2]));
        assert_eq!(loss.to_vec::<f32>().unwrap(), [2.0, 0.0]);
        assert_eq!(tape.backward(&loss.sum()).of(&x).to_vec::<f32>().unwrap(), [0.0, -1.0, 0.0, 0.0]);
        // A target of 0 drops its term, tracked or not.
        let (x, t) = (tape.leaf(&Tensor::from_slice(&device, &[f32::NEG_INFINITY, -1.0], &[2])), &[0.0f32, 1.0]);
        let t = tape.leaf(&Tensor::from_slice(&device, t, &[2]));
        let loss = x.kl_div(&t);
        let grads = tape.backward(&loss.sum());
        assert_eq!(loss.to_vec::<f32>().unwrap(), [0.0, 1.0]);
        assert_eq!(grads.of(&x).to_vec::<f32>().unwrap(), [0.0, -1.0]);
        assert_eq!(grads.of(&t).to_vec::<f32>().unwrap()[0], 0.0);
    }
}

#[test]
fn wrong_labels_are_refused_or_not_numbers() {
    use lethe_tensor::plan::Likelihood;
    let run = |device: &Device, order: Mode| {
        let tape = Tape::new();
        let z = tape.leaf(&Tensor::from_slice(device, &[1.0f32, 2.0, 3.0, 4.0], &[2, 2]));
        let labels = Tensor::from_slice(device, &[1u32, 2], &[2]);
        let losses = [
            z.cross_entropy(&labels, Likelihood::Softmax, 0.1),
            z.cross_entropy(&labels, Likelihood::Sigmoid, 0.0),
            z.nll_loss(&labels),
        ];
        losses.map(|loss| {
            let dy = tape.leaf(&Tensor::ones(device, DType::F32, &[2]));
            let slope = tape.sweep(&loss, &dy, if order == Mode::Record { Mode::Record } else { Mode::Retain }).of(&z);
            (loss.to_vec::<f32>().unwrap(), slope.to_vec::<f32>().unwrap())
        })
    };
    for device in Device::all_for_tests() {
        for order in [Mode::Retain, Mode::Record] {
            if device.is_cpu() {
                let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&device, order)));
                let text = *refused.err().unwrap().downcast::<String>().unwrap();
                assert!(text.contains("label 2 of row 1 is not one of the 2 classes"), "{text}");
            } else {
                for (loss, slope) in run(&device, order) {
                    assert!(loss[0].is_finite() && loss[1].is_nan(), "{loss:?}");
                    assert!(
                        slope[..2].iter().all(|s| s.is_finite()) && slope[2..].iter().any(|s| s.is_nan()),
                        "{slope:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn transposed_convolutions_take_output_padding_below_the_dilation() {
    use lethe_tensor::ConvOptions;
    for device in Device::all_for_tests() {
        for (stride, dilation, padding, extra) in
            [(1, 2, [0, 0], 1), (1, 3, [1, 0], 2), (2, 3, [0, 1], 2), (2, 5, [2, 3], 4), (1, 4, [3, 4], 3)]
        {
            let options = ConvOptions::<1> { stride: [stride], padding: [padding], dilation: [dilation], groups: 1 };
            let tape = Tape::new();
            let x = tape.leaf(&Tensor::from_slice(&device, &[1.0f32, 2.0, -1.0], &[1, 1, 3]));
            let w = tape.leaf(&Tensor::from_slice(&device, &[1.0f32, 10.0, 100.0], &[1, 1, 3]));
            let b = tape.leaf(&Tensor::from_slice(&device, &[0.5f32], &[1]));
            let y = x.conv_transpose1d(&w, Some(&b), &options, extra);
            // By its definition.
            let full = 2 * stride + 2 * dilation + 1 + extra;
            let mut expected = vec![0.5f32; full];
            let weights: Vec<f32> = (0..full).map(|i| 1.0 + i as f32).collect();
            let (mut dx, mut dw) = ([0.0f32; 3], [0.0f32; 3]);
            let kept = padding[0]..full - padding[1];
            for i in 0..3 {
                for k in 0..3 {
                    let at = i * stride + k * dilation;
                    expected[at] += [1.0, 2.0, -1.0][i] * [1.0, 10.0, 100.0][k];
                    if kept.contains(&at) {
                        dx[i] += weights[at] * [1.0, 10.0, 100.0][k];
                        dw[k] += weights[at] * [1.0, 2.0, -1.0][i];
                    }
                }
            }
            assert_eq!(y.to_vec::<f32>().unwrap(), expected[kept.clone()], "{options:?} and {extra}");
            let dy = Var::constant(&Tensor::from_slice(&device, &weights[kept.clone()], y.shape()));
            let grads = tape.sweep(&y, &dy, Mode::Retain);
            assert_eq!(grads.of(&x).to_vec::<f32>().unwrap(), dx);
            assert_eq!(grads.of(&w).to_vec::<f32>().unwrap(), dw);
        }
    }
}

#[test]
fn pixels_between_infinite_or_huge_ones_are_what_they_should_be() {
    for device in Device::all_for_tests() {
        let row = |data: &[f32]| Var::constant(&Tensor::from_slice(&device, data, &[1, 1, 1, data.len()]));
        let to = |data: &[f32], n| row(data).interpolate_bilinear([1, n], true).to_vec::<f32>().unwrap();
        let inf = f32::INFINITY;
        assert_eq!(to(&[inf, 1.0, inf, inf], 7), [inf, inf, 1.0, inf, inf, inf, inf]);
        assert_eq!(to(&[3e38, -3e38], 3), [3e38, 0.0, -3e38]);
        let nan = to(&[1.0, f32::NAN, 2.0], 3);
        assert!(nan[0] == 1.0 && nan[1].is_nan() && nan[2] == 2.0, "{nan:?}");
    }
}

/// Deviations of a half from a mean that is so large that its own rounding is as large as they are.
#[test]
fn small_deviations_from_large_means_are_what_they_are() {
    for device in Device::all_for_tests() {
        for (m, n) in [(1e4f32, 2), (3e5, 4096), (1e6, 2048), (1e7, 2), (1e7, 64), (1e7, 2048)] {
            let x: Vec<f32> = (0..n).map(|i| m + (i % 2) as f32).collect();
            let own = |shape: &[usize]| Var::constant(&Tensor::from_slice(&device, &x, shape));
            let with = |value: f64, count: usize| Var::constant(&Tensor::full(&device, DType::F32, &[count], value));
            let near = |what: &str, y: &Var, expected: [f64; 2], error: f64| {
                for (i, y) in doubles(y.tensor()).iter().enumerate() {
                    assert!((y - expected[i % 2]).abs() <= error, "{what} of {n} around {m} on {device}: {y} at {i}");
                }
            };
            near("var", &own(&[n]).var_axes(&[0], 0.0, false), [0.25; 2], 1e-4);
            near("var of columns", &own(&[n, 1]).var_axes(&[0], 0.0, false), [0.25; 2], 1e-4);
            near("std", &own(&[n]).std_axes(&[0], 0.0, false), [0.5; 2], 1e-4);
            near("layer norm", &own(&[1, n]).layer_norm(&with(1.0, n), &with(0.0, n), 0.0), [-1.0, 1.0], 1e-3);
            near("group norm", &own(&[1, 1, n]).group_norm(1, &with(1.0, 1), &with(0.0, 1), 0.0), [-1.0, 1.0], 1e-3);
            let running = [0.0, 1.0].map(|value| Tensor::full(&device, DType::F32, &[1], value));
            let y = own(&[n, 1, 1]).batch_norm(&with(1.0, 1), &with(0.0, 1), running.each_ref(), 0.0, 0.1).y;
            // The mean of a batch is a number of single precision, which from 8,388,608 on has no halves.
            near("batch norm", &y, [-1.0, 1.0], if m < 8e6 { 1e-3 } else { 1.001 });
        }
    }
}
