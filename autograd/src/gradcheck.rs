//! Gradients against finite differences, for the operations here and for anyone's own. It compares numbers; it knows no operations and
//! draws no cases (see [`crate::registry`] for those).

mod difference;
mod error;
#[cfg(test)]
mod tests;

use crate::graph::{Tape, Var};
use crate::tape::Mode;
use difference::{Slope, dot, one_hot, slope};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};
use std::cell::Cell;

pub use error::{GradcheckError, Order, Probe};

/// How gradients are checked.
///
/// # Examples
/// ```
/// use lethe_autograd::gradcheck::{GradcheckOptions, gradcheck};
/// use lethe_tensor::{DType, Device, Tensor};
/// let [x, y] = [1, 2].map(|seed| Tensor::randn(&Device::cpu(), &[3], seed).to_dtype(DType::F64));
/// // Of y no derivative is asked.
/// let options = GradcheckOptions { directions: 8, constant: vec![1], ..GradcheckOptions::default() };
/// gradcheck(|v| &v[0] * &v[1].exp(), &[x, y], &options).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GradcheckOptions {
    /// The step of the differences, relative to the largest element of the input (at least to 1). The default ε^⅓ balances the error of
    /// truncation, h² f‴ / 6, and that of rounding, ε f / h.
    pub step: f64,
    /// The part of a derivative by which it may be off.
    pub relative: f64,
    /// What it may be off beyond that. The rounding of the differences themselves is allowed for in any case.
    pub absolute: f64,
    /// How many random directions (each with its random cotangent) are tried for every input.
    pub directions: usize,
    /// Where (elements of all inputs) × (elements of the result) is at most this, every entry of the Jacobian is compared too.
    pub jacobian: usize,
    /// Inputs that are not differentiated, by number. Integer inputs never are.
    pub constant: Vec<usize>,
    /// The seed of directions and cotangents.
    pub seed: u64,
}

impl Default for GradcheckOptions {
    fn default() -> Self {
        GradcheckOptions {
            step: f64::EPSILON.cbrt(),
            relative: 1e-6,
            absolute: 1e-9,
            directions: 2,
            jacobian: 64,
            constant: vec![],
            seed: 0,
        }
    }
}

/// What a check that passed has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Derivatives that were compared.
    pub compared: usize,
    /// Derivatives that were not, because the differences to the two sides disagree: the function has a kink there.
    pub kinks: usize,
    /// The largest error, as a part of its tolerance.
    pub worst: f64,
    /// The largest error, relative to the derivative (at least to 1).
    pub error: f64,
}

impl Report {
    /// Both together.
    pub fn and(self, other: Report) -> Report {
        Report {
            compared: self.compared + other.compared,
            kinks: self.kinks + other.kinks,
            worst: self.worst.max(other.worst),
            error: self.error.max(other.error),
        }
    }
}

/// Checks the gradients of `f` at `inputs`: along random directions, contracted with random cotangents, against central differences; for
/// tiny inputs every entry of the Jacobian. `f` must be a pure function, also of constants; its result may have any shape.
///
/// A layer of one's own, with a rule of one's own:
///
/// ```
/// use lethe_autograd::{Var, gradcheck::{GradcheckOptions, gradcheck, gradgradcheck}};
/// use lethe_tensor::{Device, Tensor};
///
/// /// y = x² w; dx = 2 x w dy, dw = Σ x² dy.
/// fn weighted_square(x: &Var, w: &Var) -> Var {
///     let (a, b) = (x.clone(), w.clone());
///     let y = x.tensor().square().mul(w.tensor());
///     Var::record("weighted_square", &[x, w], y, move |dy| {
///         vec![Some(&(&a * &b).mul_scalar(2.0) * dy), Some((&a.square() * dy).sum_to(b.shape()))]
///     })
/// }
///
/// let x = Tensor::from_slice(&Device::cpu(), &[0.5, -1.0, 2.0, 0.1], &[2, 2]);
/// let w = Tensor::from_slice(&Device::cpu(), &[1.5, -0.5], &[2]);
/// let options = GradcheckOptions::default();
/// let layer = |v: &[Var]| weighted_square(&v[0], &v[1]).tanh();
/// gradcheck(layer, &[x.clone(), w.clone()], &options)?;
/// gradgradcheck(layer, &[x, w], &options)?;
/// # Ok::<(), lethe_autograd::gradcheck::GradcheckError>(())
/// ```
///
/// # Errors
/// If a derivative is wrong, of the wrong shape or not finite, or an input is neither `F64` on the CPU nor named as constant.
///
/// # Panics
/// If `f` does.
pub fn gradcheck(
    f: impl Fn(&[Var]) -> Var,
    inputs: &[Tensor],
    options: &GradcheckOptions,
) -> Result<Report, GradcheckError> {
    let check = Check::new(&f, inputs, options)?;
    let shape = check.result(inputs)?.shape().to_vec();
    for n in 0..options.directions {
        let cotangent = check.normal(&shape);
        let grads = check.gradients(inputs, &cotangent);
        let value = |x: &[Tensor]| dot(&check.value(x), &cotangent);
        for (i, g) in check.tracked.iter().zip(&grads) {
            let u = check.normal(inputs[*i].shape());
            check.compare(Order::First, *i, Probe::Direction(n), inputs, &u, g, &value)?;
        }
    }
    let elements: usize = check.tracked.iter().map(|&i| inputs[i].numel()).sum();
    let outputs: usize = shape.iter().product();
    if elements * outputs <= options.jacobian {
        for output in 0..outputs {
            let cotangent = one_hot(&shape, output);
            let grads = check.gradients(inputs, &cotangent);
            let value = |x: &[Tensor]| dot(&check.value(x), &cotangent);
            for (i, g) in check.tracked.iter().zip(&grads) {
                for input in 0..inputs[*i].numel() {
                    let u = one_hot(inputs[*i].shape(), input);
                    let probe = Probe::Element { input, output };
                    check.compare(Order::First, *i, probe, inputs, &u, g, &value)?;
                }
            }
        }
    }
    Ok(check.report.get())
}

/// Checks second derivatives: a recorded sweep gives the gradient g(x, c) with cotangent c, and the gradients of ⟨g, u⟩ in x and in c are
/// compared with central differences of an unrecorded g, for random c and u.
///
/// # Errors
/// As [`gradcheck`]. In an error, the input after the last is the cotangent.
///
/// # Panics
/// If `f` does.
pub fn gradgradcheck(
    f: impl Fn(&[Var]) -> Var,
    inputs: &[Tensor],
    options: &GradcheckOptions,
) -> Result<Report, GradcheckError> {
    let check = Check::new(&f, inputs, options)?;
    let shape = check.result(inputs)?.shape().to_vec();
    for n in 0..options.directions {
        let mut all = inputs.to_vec();
        all.push(check.normal(&shape));
        let along: Vec<Tensor> = check.tracked.iter().map(|&i| check.normal(inputs[i].shape())).collect();
        let grads = check.second_gradients(&all, &along);
        let value = |x: &[Tensor]| {
            let (cotangent, x) = x.split_last().expect("the cotangent is the last");
            let terms = check.gradients(x, cotangent);
            terms.iter().zip(&along).map(|(g, u)| dot(g, u)).fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
        };
        for (i, g) in check.tracked.iter().chain([&inputs.len()]).zip(&grads) {
            let u = check.normal(all[*i].shape());
            check.compare(Order::Second, *i, Probe::Direction(n), &all, &u, g, &value)?;
        }
    }
    Ok(check.report.get())
}

/// One check: the function, what is differentiated, what was seen so far.
struct Check<'a> {
    f: &'a dyn Fn(&[Var]) -> Var,
    /// The numbers of the inputs that are differentiated.
    tracked: Vec<usize>,
    options: &'a GradcheckOptions,
    report: Cell<Report>,
    draws: Cell<u32>,
}

impl<'a> Check<'a> {
    fn new(
        f: &'a dyn Fn(&[Var]) -> Var,
        inputs: &[Tensor],
        options: &'a GradcheckOptions,
    ) -> Result<Self, GradcheckError> {
        let integer = |t: &Tensor| matches!(t.dtype(), DType::U32 | DType::I32);
        let tracked: Vec<usize> =
            (0..inputs.len()).filter(|i| !options.constant.contains(i) && !integer(&inputs[*i])).collect();
        for &i in &tracked {
            expect_doubles(&format!("input {i}"), &inputs[i])?;
        }
        Ok(Check { f, tracked, options, report: Cell::default(), draws: Cell::default() })
    }

    /// The function's value, without a tape.
    fn value(&self, inputs: &[Tensor]) -> Tensor {
        let vars: Vec<Var> = inputs.iter().map(Var::constant).collect();
        (self.f)(&vars).tensor().clone()
    }

    fn result(&self, inputs: &[Tensor]) -> Result<Tensor, GradcheckError> {
        let y = self.value(inputs);
        expect_doubles("the result", &y)?;
        Ok(y)
    }

    fn normal(&self, shape: &[usize]) -> Tensor {
        self.draws.set(self.draws.get() + 1);
        let draw = Draw::new(self.options.seed, [self.draws.get(), 0, 0]);
        Tensor::normal(&Device::cpu(), DType::F64, shape, draw)
    }

    /// The inputs on a tape.
    fn vars(&self, tape: &Tape, inputs: &[Tensor]) -> Vec<Var> {
        let var = |(i, t): (usize, &Tensor)| if self.tracked.contains(&i) { tape.leaf(t) } else { Var::constant(t) };
        inputs.iter().enumerate().map(var).collect()
    }

    /// The gradients of the tracked inputs; zeros where the result does not depend on any of them.
    fn gradients(&self, inputs: &[Tensor], cotangent: &Tensor) -> Vec<Tensor> {
        let tape = Tape::new();
        let vars = self.vars(&tape, inputs);
        let y = (self.f)(&vars);
        if !y.is_tracked() {
            return self.tracked.iter().map(|&i| inputs[i].zeros_like()).collect();
        }
        let grads = tape.sweep(&y, &Var::constant(cotangent), Mode::Free);
        self.tracked.iter().map(|&i| grads.of(&vars[i]).tensor().clone()).collect()
    }

    /// The gradients of Σ ⟨gᵢ, uᵢ⟩ in the tracked inputs and in the cotangent, the last of `all`.
    fn second_gradients(&self, all: &[Tensor], along: &[Tensor]) -> Vec<Tensor> {
        let tape = Tape::new();
        let (cotangent, inputs) = all.split_last().expect("the cotangent is the last");
        let (vars, cotangent) = (self.vars(&tape, inputs), tape.leaf(cotangent));
        let leaves = || self.tracked.iter().map(|&i| &vars[i]).chain([&cotangent]);
        let y = (self.f)(&vars);
        if !y.is_tracked() {
            return leaves().map(|v| v.tensor().zeros_like()).collect();
        }
        let first = tape.sweep(&y, &cotangent, Mode::Record);
        let terms = self.tracked.iter().zip(along).map(|(&i, u)| (&first.of(&vars[i]) * u).sum());
        match terms.reduce(|a, b| &a + &b).filter(Var::is_tracked) {
            Some(slope) => {
                let second = tape.backward(&slope);
                leaves().map(|v| second.of(v).tensor().clone()).collect()
            }
            None => leaves().map(|v| v.tensor().zeros_like()).collect(),
        }
    }

    /// One derivative against its difference quotient; it is counted in the report.
    fn compare(
        &self,
        order: Order,
        input: usize,
        probe: Probe,
        inputs: &[Tensor],
        direction: &Tensor,
        gradient: &Tensor,
        value: &dyn Fn(&[Tensor]) -> [f64; 2],
    ) -> Result<(), GradcheckError> {
        let shape = inputs[input].shape().to_vec();
        if gradient.shape() != shape {
            return Err(GradcheckError::Shape { order, input, got: gradient.shape().to_vec(), expected: shape });
        }
        let got = dot(gradient, direction)[0];
        let mut report = self.report.get();
        match slope(value, inputs, input, direction, self.options.step) {
            Slope::Kink => report.kinks += 1,
            Slope::Smooth { value: expected, noise } => {
                let tolerance =
                    self.options.absolute + noise + self.options.relative * f64::max(got.abs(), expected.abs());
                if !got.is_finite() || !expected.is_finite() {
                    return Err(GradcheckError::NotFinite { order, input, probe, got, expected });
                }
                let error = (got - expected).abs() / tolerance;
                if error > 1.0 {
                    return Err(GradcheckError::Mismatch { order, input, shape, probe, got, expected, tolerance });
                }
                report.compared += 1;
                report.worst = report.worst.max(error);
                report.error = report.error.max((got - expected).abs() / got.abs().max(expected.abs()).max(1.0));
            }
        }
        self.report.set(report);
        Ok(())
    }
}

fn expect_doubles(what: &str, t: &Tensor) -> Result<(), GradcheckError> {
    if t.dtype() == DType::F64 {
        return Ok(()); // they live on the CPU alone
    }
    Err(GradcheckError::Type { what: what.into(), dtype: t.dtype(), device: format!("{:?}", t.device()) })
}
