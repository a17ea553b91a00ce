//! Optimisers: a formula each, which one kernel runs over θ and the vectors kept beside it.
//!
//! A [`UpdateRule`] is the formula. [`Descent`] gives it the clipped gradient, the rate and the decay of each parameter's group, leaves frozen parameters
//! as they are, skips steps whose gradient norm is not finite, and keeps the vectors. A new optimiser is one file, here or in any other program:
//!
//! ```
//! use lethe_optim::Descent;
//! use lethe_tensor::Numeric;
//! use lethe_tensor::plan::{StepInputs, UpdateRule};
//!
//! /// Descent along the sign of the gradient.
//! #[derive(Clone)]
//! struct Signs;
//!
//! impl UpdateRule<1> for Signs {
//!     const NAME: &'static str = "signs";
//!     const VECTORS: [&'static str; 1] = ["theta"];
//!
//!     #[inline(always)]
//!     fn step<X: Numeric>(&self, [theta]: [X; 1], at: StepInputs<X>) -> [X; 1] {
//!         [theta - at.lr * (at.decay * theta + at.grad.sign())]
//!     }
//! }
//! # let (_, mut layout) = ((), lethe_autograd::ParamLayout::new());
//! # layout.add("w", &[2], lethe_autograd::Tags::default());
//! # let zeros = lethe_tensor::Tensor::zeros(&lethe_tensor::Device::cpu(), lethe_tensor::DType::F32, &[layout.len()]);
//! # let theta = lethe_nn::Theta::new(zeros, &layout.into());
//! let optimizer = Descent::new(Signs, &theta, 0.1); // weight decay 0.1
//! ```

mod adam;
mod adamw;
mod lion;
mod rates;
mod rmsprop;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use lion::Lion;
pub use rates::Group;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use lethe_nn::Theta;
use lethe_tensor::plan::{Update, UpdateRule};
use lethe_tensor::{DType, Tensor, execute_in_place};
use rates::rates;

/// A base optimiser: moves θ by an update vector of its layout.
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Optimizer, Sgd};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # let w = b.param("w", &[1], Init::Constant(1.0));
/// # let (mut theta, _) = b.finish().init(&Device::cpu(), 0);
/// let gradient = theta.values().clone(); // θ is 1, and so is the gradient
/// let mut first: Box<dyn Optimizer> = Box::new(Sgd::new(&theta, 0.5, 0.0)); // momentum 0.5
/// first.step(&mut theta, &gradient, 0.5);
/// let vectors = first.state().into_iter().map(|(_, vector)| vector.clone()).collect();
/// let mut second = Sgd::new(&theta, 0.5, 0.0);
/// second.restore(vectors, first.steps()); // goes on where the first one stopped
/// second.step(&mut theta, &gradient, 0.5);
/// let w = theta.layout().view(theta.values(), w).item::<f32>()?;
/// assert_eq!(w, -0.25); // 1 − 0.5 · 1 − 0.5 · (0.5 + 1)
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub trait Optimizer: Send {
    /// One step in place: clips, decays, moves. Nothing is read back. Returns ‖g‖ before clipping, a scalar on the device; where it is not
    /// finite, θ and the moments stay as they were. A norm whose square, after clipping, the vector's type cannot hold counts as infinite:
    /// second moments would be, and θ would never move again.
    ///
    /// # Panics
    /// If the update does not have θ's layout.
    fn step(&mut self, theta: &mut Theta, update: &Tensor, lr: f64) -> Tensor;

    /// The vectors that a checkpoint must hold, by name.
    fn state(&self) -> Vec<(&'static str, &Tensor)>;

    /// Steps taken so far.
    fn steps(&self) -> u64;

    /// Puts back what [`Optimizer::state`] and [`Optimizer::steps`] gave.
    ///
    /// # Panics
    /// If they are not as many vectors as [`Optimizer::state`] gives, in θ's layout.
    fn restore(&mut self, vectors: Vec<Tensor>, steps: u64);
}

/// An optimiser: a [`UpdateRule`], its settings, and the `V − 1` vectors that it keeps beside θ.
///
/// # Examples
/// ```
/// # use lethe_nn::{Builder, Init};
/// # use lethe_optim::{Optimizer, Sgd};
/// # use lethe_tensor::Device;
/// # let mut b = Builder::new();
/// # b.param("v", &[1], Init::Constant(3.0));
/// # b.param("w", &[1], Init::Constant(4.0));
/// # let (mut theta, _) = b.finish().init(&Device::cpu(), 0);
/// let gradient = theta.values().clone(); // θ is (3, 4), and so is the gradient
/// let mut sgd = Sgd::new(&theta, 0.0, 0.0); // a Descent by the rule Sgd
/// sgd.clip = 1.0;
/// let norm = sgd.step(&mut theta, &gradient, 5.0);
/// assert!((norm.item::<f32>()? - 5.0).abs() < 1e-5); // before clipping
/// assert!(theta.values().norm().item::<f32>()? < 1e-4); // five times a gradient of length 1 leads to 0
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct Descent<R, const V: usize> {
    /// The formula and its coefficients.
    pub rule: R,
    /// The largest norm of an update that is not clipped; infinite for none. With norm n, the gradient is multiplied by min(1, clip / (n + 1e-6)).
    pub clip: f64,
    rates: Tensor,
    state: Vec<Tensor>,
    steps: u64,
}

impl<R: UpdateRule<V>, const V: usize> Descent<R, V> {
    /// An optimiser before its first step, without clipping, for parameters that are all in group 0. Only those tagged as decayed are decayed.
    ///
    /// # Panics
    /// If a parameter is not in group 0: [`Descent::with_groups`] gives each group its scales.
    #[track_caller]
    pub fn new(rule: R, theta: &Theta, weight_decay: f64) -> Descent<R, V> {
        Descent::with_groups(rule, theta, weight_decay, &[Group::default()])
    }

    /// The same, where a parameter in group i has the scales of `groups[i]`.
    ///
    /// # Panics
    /// If a parameter is in a group that is not given.
    #[track_caller]
    pub fn with_groups(rule: R, theta: &Theta, weight_decay: f64, groups: &[Group]) -> Descent<R, V> {
        const { assert!(V > 0, "a rule moves θ") };
        let state = (1..V).map(|_| theta.values().zeros_like()).collect();
        Descent { rule, clip: f64::INFINITY, rates: rates(theta, weight_decay, groups), state, steps: 0 }
    }
}

impl<R: UpdateRule<V>, const V: usize> Optimizer for Descent<R, V> {
    #[track_caller]
    fn step(&mut self, theta: &mut Theta, update: &Tensor, lr: f64) -> Tensor {
        self.steps += 1;
        let plan = Update {
            rule: self.rule.clone(),
            dtype: update.dtype(),
            n: theta.layout().len(),
            lr,
            step: self.steps,
            max_norm: self.clip,
        };
        let norm = measured(update, self.clip);
        let mut vectors: Vec<&mut Tensor> = [theta.values_mut()].into_iter().chain(&mut self.state).collect();
        execute_in_place(plan, &[&update.contiguous(), &self.rates, &norm], &mut vectors);
        norm
    }

    fn state(&self) -> Vec<(&'static str, &Tensor)> {
        R::VECTORS.into_iter().skip(1).zip(&self.state).collect()
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    #[track_caller]
    fn restore(&mut self, vectors: Vec<Tensor>, steps: u64) {
        let shapes = |vectors: &[Tensor]| vectors.iter().map(|v| v.shape().to_vec()).collect::<Vec<_>>();
        assert_eq!(shapes(&self.state), shapes(&vectors), "restoring an optimiser: the vectors' shapes");
        self.state = vectors;
        self.steps = steps;
    }
}

/// ‖g‖, infinite where the square of the clipped norm is.
fn measured(update: &Tensor, clip: f64) -> Tensor {
    let norm = update.norm();
    let most = if norm.dtype() == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
    let beyond = norm.clamp_max(clip).ge_scalar(most.sqrt());
    beyond.where_(&norm.scalar_like(f64::INFINITY), &norm).force().clone()
}
