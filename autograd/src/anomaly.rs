//! Finding the operation that made the first NaN or infinity. A mode for hunting: every result is read back and looked at on the host, so
//! that it works on every device, whatever its compiler thinks of NaN, and is slow.

use crate::graph::Var;
use lethe_tensor::{DType, Device, Tensor};
use std::cell::RefCell;
use std::fmt;
use std::panic::Location;

/// Where the bad number was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the operation's result.
    Forward,
    /// In the gradient of its input of this number.
    Backward {
        /// The input.
        input: usize,
    },
}

/// The first result that is not finite.
#[derive(Clone, Debug)]
pub struct Anomaly {
    /// The operation.
    pub operation: &'static str,
    /// The line of calling code that asked for it.
    pub location: &'static Location<'static>,
    /// Where.
    pub stage: Stage,
    /// The number.
    pub value: f64,
    /// Its place in the result, row-major.
    pub element: usize,
    /// Each input (backward: the cotangent): type, shape, range, and how many elements are not finite.
    pub inputs: Vec<String>,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Anomaly { operation, location, value, element, .. } = self;
        match self.stage {
            Stage::Forward => write!(f, "`{operation}` at {location} made {value} at element {element}")?,
            Stage::Backward { input } => {
                write!(
                    f,
                    "the gradient of input {input} of `{operation}` at {location} is {value} at element {element}"
                )?;
            }
        }
        let given = if self.stage == Stage::Forward { "input" } else { "cotangent" };
        self.inputs.iter().enumerate().try_for_each(|(i, text)| write!(f, "\n  {given} {i}: {text}"))
    }
}

#[derive(Default)]
struct Watch {
    found: Option<Anomaly>,
    /// Inside a rule: not its own operations are reported, but the gradients that it gives.
    in_rule: bool,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Runs `f` and gives its result, and the first operation of this thread that made a NaN or an infinity, forward or backward. An input that is not
/// finite is reported with the first operation that takes it.
///
/// ```
/// use lethe_autograd::{Tape, anomaly};
/// use lethe_tensor::{Device, Tensor};
///
/// let (_, found) = anomaly::watch(|| {
///     let tape = Tape::new();
///     let x = tape.leaf(&Tensor::from_slice(&Device::cpu(), &[1.0, 0.0], &[2]));
///     tape.backward(&x.sqrt().sum());
/// });
/// let found = found.expect("the root of 0 has no slope");
/// assert!(found.to_string().starts_with("the gradient of input 0 of `sqrt` at "));
/// ```
pub fn watch<R>(f: impl FnOnce() -> R) -> (R, Option<Anomaly>) {
    struct Restore(Option<Watch>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = WATCH.replace(self.0.take());
        }
    }
    let _outer = Restore(WATCH.replace(Some(Watch::default())));
    let result = f();
    let found = WATCH.with_borrow_mut(|w| w.as_mut().and_then(|w| w.found.take()));
    (result, found)
}

/// Whether [`watch`] is running and has found no anomaly yet. Operations that a rule runs do not count: its gradients are looked at instead.
fn is_watching() -> bool {
    WATCH.with_borrow(|w| w.as_ref().is_some_and(|w| w.found.is_none() && !w.in_rule))
}

/// Looks at an operation's result.
pub(crate) fn forward(operation: &'static str, location: &'static Location<'static>, inputs: &[&Var], result: &Tensor) {
    if is_watching() {
        report(operation, location, Stage::Forward, result, &inputs.iter().map(|v| v.tensor()).collect::<Vec<_>>());
    }
}

/// Runs a rule and looks at the gradients that it gives.
pub(crate) fn backward(
    operation: &'static str,
    location: &'static Location<'static>,
    cotangent: &Var,
    rule: impl FnOnce() -> Vec<Option<Var>>,
) -> Vec<Option<Var>> {
    if !is_watching() {
        return rule();
    }
    let inside = |on: bool| WATCH.with_borrow_mut(|w| _ = w.as_mut().map(|w| w.in_rule = on));
    inside(true);
    let gradients = rule();
    for (input, gradient) in gradients.iter().enumerate() {
        if let Some(gradient) = gradient {
            report(operation, location, Stage::Backward { input }, gradient.tensor(), &[cotangent.tensor()]);
        }
    }
    inside(false);
    gradients
}

fn report(
    operation: &'static str,
    location: &'static Location<'static>,
    stage: Stage,
    result: &Tensor,
    inputs: &[&Tensor],
) {
    let bad = |numbers: &[f64]| numbers.iter().position(|x| !x.is_finite());
    // A device that failed says so at the next read of the program's own.
    let Some((numbers, element)) = numbers(result).and_then(|n| bad(&n).map(|i| (n, i))) else { return };
    let inputs = inputs.iter().map(|t| describe(t)).collect();
    let anomaly = Anomaly { operation, location, stage, value: numbers[element], element, inputs };
    WATCH.with_borrow_mut(|w| _ = w.as_mut().map(|w| w.found.get_or_insert(anomaly).element));
}

fn describe(t: &Tensor) -> String {
    let kind = format!("{} {:?}", t.dtype(), t.shape());
    let Some(numbers) = numbers(t) else { return kind };
    let finite = numbers.iter().filter(|x| x.is_finite());
    let (low, high) = finite.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
    let bad = numbers.len() - finite.count();
    let range = if low <= high { format!(", from {low:e} to {high:e}") } else { String::new() };
    let bad = if bad > 0 { format!(", {bad} of {} not finite", numbers.len()) } else { String::new() };
    format!("{kind}{range}{bad}")
}

/// The elements as doubles; `None` of integers, which are always finite, and where the device failed.
fn numbers(t: &Tensor) -> Option<Vec<f64>> {
    if !t.computed_type().is_float() {
        return None;
    }
    t.to_device(&Device::cpu()).ok()?.to_dtype(DType::F64).to_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Tape;

    fn leaf(tape: &Tape, data: &[f64]) -> Var {
        tape.leaf(&Tensor::from_slice(&Device::cpu(), data, &[data.len()]))
    }

    #[test]
    fn the_first_bad_result_is_named_with_its_line_and_inputs() {
        let line = line!() + 4;
        let (_, found) = watch(|| {
            let tape = Tape::new();
            let x = leaf(&tape, &[2.0, -1.0, 0.0]);
            x.log().exp().square();
        });
        let found = found.unwrap();
        assert_eq!((found.operation, &found.stage, found.element), ("log", &Stage::Forward, 1));
        assert!(found.location.file().ends_with("anomaly.rs") && found.location.line() == line, "{found}");
        assert_eq!(found.inputs, ["f64 [3], from -1e0 to 2e0"]);
    }

    #[test]
    fn a_bad_gradient_is_told_from_a_bad_result() {
        let (_, found) = watch(|| {
            let tape = Tape::new();
            let x = leaf(&tape, &[4.0, 0.0]);
            tape.backward(&x.sqrt().mul_scalar(2.0).sum());
        });
        let found = found.unwrap();
        assert_eq!((found.operation, &found.stage, found.element), ("sqrt", &Stage::Backward { input: 0 }, 1));
        assert_eq!(found.inputs, ["f64 [2], from 2e0 to 2e0"]);
    }

    #[test]
    fn what_is_finite_is_not_reported_and_nothing_is_watched_afterwards() {
        let tape = Tape::new();
        let (_, found) = watch(|| tape.backward(&leaf(&tape, &[1.0, 2.0]).log().sum()));
        assert!(found.is_none() && !is_watching());
        let (_, outer) = watch(|| {
            let (_, inner) = watch(|| leaf(&tape, &[0.0]).recip());
            assert_eq!(inner.unwrap().operation, "recip");
        });
        assert!(outer.is_none());
    }
}
