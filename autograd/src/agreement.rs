//! How far values and gradients on a device, of inputs stored in f32, f16 or bf16 and computed with in f32, are from doubles on the CPU, for
//! registered cases, in units of a bound that follows from the operation itself. It draws no cases (see [`crate::registry`]) and knows no device.
//!
//! A backward stable algorithm gives the result of inputs that are off by a few roundings. So a function's element o may be off by
//!
//! ```text
//! γ (Σᵢ |∂y_o/∂xᵢ| |xᵢ| + |y_o|),   γ = k ε
//! ```
//!
//! for k roundings one after the other: at most one for each element that enters a sum, and some for the functions themselves. A gradient is such
//! a function too, of the inputs and of the cotangent; its derivatives come from a recorded sweep.

use crate::registry::{Case, Operation, is_pointwise};
use crate::{Mode, Tape, Var};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, DeviceError, Tensor};
use thiserror::Error;

/// How many elements of a result are compared: each costs a sweep in doubles.
const COMPARED: usize = 12;
/// Roundings beside those of the elements that enter: an elementary function is off by a few units, and a rule calls several of them.
const FUNCTIONS: usize = 32;
/// Roundings of the terms that cancel in a gradient. They are few, however many elements enter: what cancels was summed before.
const CANCELLING: f64 = 4.0;

/// What a comparison has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Elements that were compared.
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
    /// A result has another type or shape than its inputs ask for.
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
    let sums = if is_pointwise(op) { 1 } else { longest(case, high_numbers.len()) };
    compare("the result", sums, [&low, &high_numbers], &condition, gamma(sums) * inner)
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
    let slack = CANCELLING * f64::from(f32::EPSILON) * inside_gradients(op, case, &cotangent)?;
    let mut total = Agreement::default();
    for (&i, g) in tracked.iter().zip(&grads) {
        let what = format!("the gradient of input {i}");
        let low = numbers(&what, low.of(&low_x[i]).tensor(), g.shape(), DType::F32)?;
        let high = doubles(g.tensor())?;
        let condition = |element: usize| condition(&tape, g, element, &x);
        // Of whatever operation: where an operand was broadcast, its gradient is a sum.
        total = total.and(compare(&what, longest(case, high.len()), [&low, &high], &condition, slack)?);
    }
    Ok(total)
}

/// Compares some elements, spread over all of them, of which each may be a sum of so many, and off by `slack` beside.
fn compare(
    what: &str,
    sums: usize,
    [low, high]: [&[f64]; 2],
    condition: &dyn Fn(usize) -> Result<f64, DeviceError>,
    slack: f64,
) -> Result<Agreement, Disagreement> {
    let (epsilon, gamma) = (f64::from(f32::EPSILON), gamma(sums));
    let step = high.len().div_ceil(COMPARED).max(1);
    let mut seen = Agreement::default();
    if let Some(element) = (0..high.len()).find(|i| low[*i].is_nan() != high[*i].is_nan()) {
        let (got, expected) = (low[element], high[element]);
        return Err(Disagreement::Error { what: what.into(), element, got, expected, bound: 0.0 });
    }
    // The last element with those at equal distances: kernels that take several at once end there.
    let last = high.len().checked_sub(1).filter(|last| !last.is_multiple_of(step));
    for element in (0..high.len()).step_by(step).chain(last) {
        let (got, expected) = (low[element], high[element]);
        let scale = condition(element)? + expected.abs() + slack / gamma;
        let (error, bound) = ((got - expected).abs(), gamma * scale);
        if error > bound || error.is_nan() || bound.is_nan() {
            return Err(Disagreement::Error { what: what.into(), element, got, expected, bound });
        }
        let parts = |whole: f64| if error == 0.0 { 0.0 } else { error / whole };
        let here = Agreement { compared: 1, roundings: parts(epsilon * scale), worst: parts(bound) };
        seen = seen.and(here);
    }
    Ok(seen)
}

/// The most elements that can enter a sum.
fn longest(case: &Case, result: usize) -> usize {
    case.inputs.iter().map(Tensor::numel).chain([result]).max().unwrap_or(0)
}

/// Σ |∂f_element/∂xᵢ| |xᵢ| over all tracked x.
fn condition(tape: &Tape, f: &Var, element: usize, x: &[Var]) -> Result<f64, DeviceError> {
    if !f.is_tracked() {
        return Ok(0.0);
    }
    let mut hot = vec![0.0; f.numel()];
    hot[element] = 1.0;
    let hot = Var::constant(&Tensor::from_slice(&Device::cpu(), &hot, f.shape()));
    let row = tape.sweep(f, &hot, Mode::Retain);
    let mut sum = 0.0;
    for v in x.iter().filter(|v| v.is_tracked()) {
        let slopes = doubles(row.of(v).tensor())?;
        sum += slopes.iter().zip(doubles(v.tensor())?).map(|(j, x)| (j * x).abs()).sum::<f64>();
    }
    Ok(sum)
}

/// The size of what is rounded inside, where results may be smaller. The logarithm of a sum near 1 cannot be better than that sum; a mean is
/// off by γ |x|, and so is a deviation of 0, and its square by the square.
fn inside(op: &Operation, case: &Case) -> Result<f64, DeviceError> {
    let largest = || Ok(doubles(&case.inputs[0])?.iter().fold(0.0f64, |a, x| a.max(x.abs())));
    match op.name {
        "log_softmax" | "logsumexp" | "cross_entropy" => Ok(1.0),
        "std" => largest(),
        "var" => Ok(gamma(case.inputs[0].numel()) * largest()?.powi(2)),
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

/// The relative error of so many roundings, and those of functions.
fn gamma(roundings: usize) -> f64 {
    (roundings + FUNCTIONS) as f64 * f64::from(f32::EPSILON)
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
