//! How a gradient check fails, in words that say where.

use lethe_tensor::DType;
use std::fmt;
use thiserror::Error;

/// Which derivative was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The gradient.
    First,
    /// The gradient of ⟨gradient, direction⟩.
    Second,
}

/// Where it was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Along a random direction, by number.
    Direction(usize),
    /// An entry of the Jacobian; elements are counted in row-major order.
    Element {
        /// The element of the input.
        input: usize,
        /// The element of the result.
        output: usize,
    },
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::First => "first",
            Order::Second => "second",
        })
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Probe::Direction(n) => write!(f, "random direction {n}"),
            Probe::Element { input, output } => write!(f, "element {input} of the input, {output} of the result"),
        }
    }
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GradcheckError {
    /// A derivative differs from the difference quotient.
    #[error(
        "the {order} derivative in input {input} {shape:?} is wrong ({probe}): got {got:e}, expected {expected:e} from central \
         differences, and they may differ by {tolerance:e}. If the function is right, look at the rule that its operation records."
    )]
    Mismatch {
        /// Which derivative.
        order: Order,
        /// The input's number. For second derivatives, one past the last is the cotangent.
        input: usize,
        /// Its shape.
        shape: Vec<usize>,
        /// Where in it.
        probe: Probe,
        /// What the sweep gave.
        got: f64,
        /// What central differences gave.
        expected: f64,
        /// The difference that would have passed.
        tolerance: f64,
    },
    /// A gradient does not have the shape of its input.
    #[error(
        "the {order} derivative in input {input} has shape {got:?}; a gradient has its input's shape, here {expected:?}"
    )]
    Shape {
        /// Which derivative.
        order: Order,
        /// The input's number.
        input: usize,
        /// The gradient's shape.
        got: Vec<usize>,
        /// The input's shape.
        expected: Vec<usize>,
    },
    /// The function or its gradient is infinite or not a number.
    #[error(
        "the {order} derivative in input {input} ({probe}) cannot be compared: got {got}, differences give {expected}. \
         Check at a point where the function and its derivative are finite."
    )]
    NotFinite {
        /// Which derivative.
        order: Order,
        /// The input's number.
        input: usize,
        /// Where in it.
        probe: Probe,
        /// What the sweep gave.
        got: f64,
        /// What central differences gave.
        expected: f64,
    },
    /// An input or the result is not of doubles on the CPU.
    #[error(
        "{what} is {dtype} on {device}: differences need f64 on the CPU. Use to_device and to_dtype(DType::F64), or name an input in \
         `constant` if it is not to be differentiated."
    )]
    Type {
        /// Which.
        what: String,
        /// Its type.
        dtype: DType,
        /// Its device.
        device: String,
    },
}
