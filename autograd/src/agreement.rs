//! How far values and gradients on a device, of inputs stored in f32, f16 or bf16 and computed with in f32, are from doubles on the CPU, for
//! registered cases, in units of a bound that follows from the operation itself. It draws no cases (see [`crate::registry`]) and knows no device.
//!
//! A backward stable algorithm gives the result of inputs that are off by a few roundings. So a function's element o may be off by
//!
//! ```text
//! γ (Σᵢ |∂y_o/∂xᵢ| |xᵢ| + |y_o|),   γ = k ε
//! ```
//!
//! for k roundings one after the other: one for each element of an input that enters y_o (those with a slope), and some for the functions
//! themselves. A gradient is such a function too, of the inputs and of the cotangent; its derivatives come from a recorded sweep.
//!
//! Every element is looked at. The slopes of one cost a sweep in doubles: they are taken for some elements spread over all, and for those that are
//! further off than their own size excuses, of many the worst, by their errors and by their errors relative to their size.

use crate::graph::{Tape, Var};
use crate::registry::{Case, Operation};
use crate::tape::Mode;
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, DeviceError, Tensor};
use std::collections::BTreeSet;
use thiserror::Error;

/// How many elements spread over a result have their bounds computed in any case.
const SPREAD: usize = 12;
/// How many of those that their own size does not excuse have, of the largest errors and of the largest errors by size each. A kernel that is
/// wrong somewhere is wrong there.
const SUSPECTS: usize = 24;
/// Roundings besides those of the elements that enter: an elementary function is off by a few units, and a rule calls several of them.
const FUNCTIONS: usize = 32;
/// Roundings of the terms that cancel in a gradient. They are few, however many elements enter: what cancels was summed before.
const CANCELLING: f64 = 4.0;

/// What a comparison has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Elements that were looked at.
    pub compared: usize,
    /// The largest error, in units of ε (of f32) times the element's condition: single roundings.
    pub roundings: f64,
    /// The largest error as a part of its bound.
    pub worst: f64,
}

impl Agreement {
    /// Both together.
    pub fn and(self, other: Agreement) -> Agreement {
        Agreement {
            compared: self.compared + other.compared,
            roundings: self.roundings.max(other.roundings),
            worst: self.worst.max(other.worst),
        }
    }
}

/// A device that is not as good as single precision.
#[derive(Debug, Error)]
pub enum Disagreement {
    /// An element is off by more than its bound.
    #[error("{what}, element {element}: got {got:e}, in doubles {expected:e}; they may differ by {bound:e}")]
    Error {
        /// The result, or the gradient of an input.
        what: String,
        /// The element, row-major.
        element: usize,
        /// What the device gave.
        got: f64,
        /// What doubles on the CPU gave.
        expected: f64,
        /// The difference that would have passed.
        bound: f64,
    },
    /// A result does not have the type or shape that its inputs ask for.
    #[error("{what} is {got}, not {expected}")]
    Kind {
        /// The result, or the gradient of an input.
        what: String,
        /// Its type and shape.
        got: String,
        /// What they should be.
        expected: String,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Compares a case's result of inputs stored in this float type on the device.
///
/// # Errors
/// If an element is off by more than its bound, or the device failed.
pub fn values(op: &Operation, case: &Case, device: &Device, dtype: DType) -> Result<Agreement, Disagreement> {
    let (low, exact) = case.stored(device, dtype)?;
    let high = case.value(&exact);
    let low = case.value(&low);
    let low = numbers("the result", &low, high.shape(), dtype)?;
    let high_numbers: Vec<f64> = doubles(&high)?;
    let inner = inside(op, case)?;
    let tape = Tape::new();
    let x = case.on(&tape, &exact);
    let y = (case.run)(&x);
    let condition = |element: usize| condition(&tape, &y, element, &x);
    compare("the result", [&low, &high_numbers], &condition, &|roundings| roundings * inner)
}

/// Compares the gradients of a case's inputs, stored in this float type on the device, under a normal cotangent from sweeps of this mode.
///
/// # Errors
/// If an element is off by more than its bound, or the device failed.
pub fn gradients(
    op: &Operation,
    case: &Case,
    device: &Device,
    dtype: DType,
    mode: Mode,
) -> Result<Agreement, Disagreement> {
    let (low, exact) = case.stored(device, dtype)?;
    let y = case.value(&exact);
    let cotangent = Tensor::normal(&Device::cpu(), DType::F64, y.shape(), Draw::new(1, [0; 3]));
    let low_tape = Tape::new();
    let low_x = case.on(&low_tape, &low);
    let low_y = (case.run)(&low_x);
    if !low_y.is_tracked() {
        return Ok(Agreement::default());
    }
    let cotangent = cotangent.to_dtype(DType::F32);
    let (low_cotangent, cotangent) = (cotangent.to_device(device)?, cotangent.to_dtype(DType::F64));
    let low_dy = if mode == Mode::Record { low_tape.leaf(&low_cotangent) } else { Var::constant(&low_cotangent) };
    let low = low_tape.sweep(&low_y, &low_dy, mode);

    let tape = Tape::new();
    let mut x = case.on(&tape, &exact);
    let (y, dy) = ((case.run)(&x), tape.leaf(&cotangent));
    let high = tape.sweep(&y, &dy, Mode::Record);
    let tracked: Vec<usize> = (0..x.len()).filter(|i| x[*i].is_tracked()).collect();
    let grads: Vec<Var> = tracked.iter().map(|&i| high.of(&x[i]).clone()).collect();
    x.push(dy);
    let cancelling = CANCELLING * inside_gradients(op, case, &cotangent)?;
    let mut total = Agreement::default();
    for (&i, g) in tracked.iter().zip(&grads) {
        let what = format!("the gradient of input {i}");
        let low = numbers(&what, low.of(&low_x[i]).tensor(), g.shape(), DType::F32)?;
        let high = doubles(g.tensor())?;
        let condition = |element: usize| condition(&tape, g, element, &x);
        total = total.and(compare(&what, [&low, &high], &condition, &|_| cancelling)?);
    }
    Ok(total)
}

/// What an element of a result is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    /// Σᵢ |∂y_o/∂xᵢ| |xᵢ|.
    size: f64,
    /// The most elements of one input that enter.
    entering: usize,
}

/// Compares all elements. `inside` gives, for the roundings of an element, those of what the condition does not know, times its size.
fn compare(
    what: &str,
    [low, high]: [&[f64]; 2],
    condition: &dyn Fn(usize) -> Result<Condition, DeviceError>,
    inside: &dyn Fn(f64) -> f64,
) -> Result<Agreement, Disagreement> {
    let epsilon = f64::from(f32::EPSILON);
    let wrong = |element: usize, bound: f64| {
        let (got, expected) = (low[element], high[element]);
        Err(Disagreement::Error { what: what.into(), element, got, expected, bound })
    };
    let differs = |i: &usize| low[*i] != high[*i] && !(low[*i].is_nan() && high[*i].is_nan());
    let infinite = |i: &usize| !low[*i].is_finite() || !high[*i].is_finite();
    if let Some(element) = (0..high.len()).filter(differs).find(infinite) {
        return wrong(element, 0.0);
    }
    let mut seen = Agreement { compared: high.len(), ..Agreement::default() };
    for element in looked_at(low, high) {
        let Condition { size, entering } = condition(element)?;
        let (scale, roundings) = (size + high[element].abs(), (entering + FUNCTIONS) as f64);
        let (error, bound) = ((low[element] - high[element]).abs(), epsilon * (roundings * scale + inside(roundings)));
        if !error.is_nan() && (error > bound || bound.is_nan()) {
            return wrong(element, bound);
        }
        let parts = |whole: f64| if error > 0.0 { error / whole } else { 0.0 };
        let here = Agreement { compared: 0, roundings: parts(bound / roundings), worst: parts(bound) };
        seen = seen.and(here);
    }
    Ok(seen)
}

/// The elements whose bounds are computed. All others differ by less than the least bound that theirs can be, FUNCTIONS ε |y_o|, or by less than
/// many that are computed.
fn looked_at(low: &[f64], high: &[f64]) -> BTreeSet<usize> {
    let step = high.len().div_ceil(SPREAD).max(1);
    // The last element with those at equal distances: kernels that take several at once end there.
    let mut chosen: BTreeSet<usize> = (0..high.len()).step_by(step).chain(high.len().checked_sub(1)).collect();
    let error = |i: usize| (low[i] - high[i]).abs();
    let excused = |i: usize| error(i) <= FUNCTIONS as f64 * f64::from(f32::EPSILON) * high[i].abs();
    let mut suspects: Vec<usize> = (0..high.len()).filter(|i| !excused(*i)).collect();
    suspects.sort_by(|a, b| error(*b).total_cmp(&error(*a)));
    chosen.extend(suspects.iter().take(SUSPECTS));
    let relative = |i: usize| error(i) / (high[i].abs() + f64::from(f32::MIN_POSITIVE));
    suspects.sort_by(|a, b| relative(*b).total_cmp(&relative(*a)));
    chosen.extend(suspects.iter().take(SUSPECTS));
    chosen
}

/// What enters an element of `f`, over all tracked x.
fn condition(tape: &Tape, f: &Var, element: usize, x: &[Var]) -> Result<Condition, DeviceError> {
    let mut all = Condition::default();
    if !f.is_tracked() {
        return Ok(all);
    }
    let mut hot = vec![0.0; f.numel()];
    hot[element] = 1.0;
    let hot = Var::constant(&Tensor::from_slice(&Device::cpu(), &hot, f.shape()));
    let row = tape.sweep(f, &hot, Mode::Retain);
    for v in x.iter().filter(|v| v.is_tracked()) {
        let slopes = doubles(row.of(v).tensor())?;
        all.entering = all.entering.max(slopes.iter().filter(|j| **j != 0.0).count());
        all.size += slopes.iter().zip(doubles(v.tensor())?).map(|(j, x)| (j * x).abs()).sum::<f64>();
    }
    Ok(all)
}

/// The size of what is rounded inside, where results may be smaller. The logarithm of a sum near 1 cannot be better than that sum; a mean is
/// off by γ |x|, and so is a deviation of 0, and its square by the square.
fn inside(op: &Operation, case: &Case) -> Result<f64, DeviceError> {
    let largest = || Ok(doubles(&case.inputs[0])?.iter().fold(0.0f64, |a, x| a.max(x.abs())));
    match op.name {
        "log_softmax" | "logsumexp" | "cross_entropy" => Ok(1.0),
        "std" => largest(),
        "var" => Ok((case.inputs[0].numel() + FUNCTIONS) as f64 * f64::from(f32::EPSILON) * largest()?.powi(2)),
        _ => Ok(0.0),
    }
}

/// The same for gradients under this cotangent. Softmax and what is made of it subtract a mean of the cotangent from it, and norms a mean and
/// a projection; where one element has all the weight, nothing is left of terms of this size.
fn inside_gradients(op: &Operation, case: &Case, cotangent: &Tensor) -> Result<f64, DeviceError> {
    /// No case of a norm has a smaller stabiliser than 0.01.
    const RSTD: f64 = 10.0;
    let largest = |t: &Tensor| Ok::<f64, DeviceError>(doubles(t)?.iter().fold(0.0f64, |a, x| a.max(x.abs())));
    let c = 2.0 * largest(cotangent)?;
    match op.name {
        "softmax" | "log_softmax" => Ok(c),
        "layer_norm" | "rms_norm" | "group_norm" | "instance_norm" | "batch_norm" => {
            Ok(c * RSTD * largest(&case.inputs[1])?)
        }
        "attention" | "biased_attention" | "attention_composed" | "packed_attention" => {
            let dim = case.inputs[0].shape().last().copied().unwrap_or(0) as f64;
            let x = case.inputs.iter().filter(|t| t.dtype() != DType::U32).map(largest);
            let x = x.collect::<Result<Vec<f64>, _>>()?.into_iter().fold(0.0, f64::max);
            Ok(c * dim * x * x)
        }
        _ => Ok(0.0),
    }
}

fn doubles(t: &Tensor) -> Result<Vec<f64>, DeviceError> {
    t.to_device(&Device::cpu())?.to_dtype(DType::F64).to_vec()
}

/// The numbers of a result in single precision, or in the type of the inputs where they were only moved.
fn numbers(what: &str, t: &Tensor, shape: &[usize], stored: DType) -> Result<Vec<f64>, Disagreement> {
    let fits = [DType::F32, stored].contains(&t.dtype()) && t.shape() == shape;
    if !fits {
        return Err(Disagreement::Kind {
            what: what.into(),
            got: format!("{} {:?}", t.dtype(), t.shape()),
            expected: format!("{} {shape:?}", DType::F32),
        });
    }
    Ok(doubles(t)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A product of doubles, what enters its elements, and its result.
    fn product(
        m: usize,
        k: usize,
        n: usize,
        check: impl FnOnce([Vec<f64>; 3], &dyn Fn(usize) -> Result<Condition, DeviceError>),
    ) {
        let tape = Tape::new();
        let draw = |shape: &[usize], seed| {
            tape.leaf(&Tensor::normal(&Device::cpu(), DType::F64, shape, Draw::new(seed, [0; 3])))
        };
        let x = [draw(&[m, k], 1), draw(&[k, n], 2)];
        let y = x[0].matmul(&x[1]);
        let numbers = [&x[0], &x[1], &y].map(|v| v.to_vec().unwrap());
        check(numbers, &|element| condition(&tape, &y, element, &x));
    }

    #[test]
    fn a_product_that_drops_one_of_333_terms_is_noticed() {
        product(3, 333, 5, |[a, b, high], condition| {
            assert_eq!(condition(7).unwrap().entering, 333);
            let less = |i: usize, dropped: usize| high[i] - a[i / 5 * 333 + dropped] * b[dropped * 5 + i % 5];
            let low: Vec<f64> = (0..high.len()).map(|i| less(i, 200)).collect();
            assert!(compare("", [&low, &high], condition, &|_| 0.0).is_err());
            let rounded: Vec<f64> = high.iter().map(|y| f64::from(*y as f32)).collect();
            assert!(compare("", [&rounded, &high], condition, &|_| 0.0).unwrap().worst < 0.01);
        });
    }

    #[test]
    fn one_wrong_element_of_many_is_noticed_wherever_it_is() {
        product(70, 8, 300, |[_, _, high], condition| {
            for element in [1, 1234, 20_998] {
                for wrong in [high[element] * 1.001, high[element] + 1e-3, f64::NAN, f64::INFINITY, -high[element]] {
                    let mut low = high.clone();
                    low[element] = wrong;
                    let found = compare("", [&low, &high], condition, &|_| 0.0);
                    assert!(
                        matches!(found, Err(Disagreement::Error { element: e, .. }) if e == element),
                        "{element} {wrong}"
                    );
                }
            }
        });
    }
}
