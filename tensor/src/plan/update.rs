//! A step of an optimiser over vectors, in place, by a formula.

use super::{Plan, Spec, bytes_of};
use crate::dtype::DType;
use crate::numeric::Numeric;
use std::fmt;

/// Elements that share a scale of the learning rate and a decay.
pub const BLOCK: usize = 64;

/// The formula of an optimiser over `V` vectors: θ and what it keeps beside it. It is written once, for one element, over any [`Numeric`], and
/// becomes a vector loop on the CPU and one kernel on a GPU.
pub trait UpdateRule<const V: usize>: Clone + Send + Sync + 'static {
    /// What it is called in messages and profiles.
    const NAME: &'static str;
    /// The vectors' names in checkpoints, such as `adamw.mean`; the first one is θ. The others begin at 0.
    const VECTORS: [&'static str; V];

    /// What the vectors become; θ is the first. Numbers that are made of `at.step` are not part of a kernel, so that it is the same one at every
    /// step. Given only zeros it must return zeros: the padding between parameters is zero, and stays so.
    ///
    /// Mark it `#[inline(always)]`: a function that is not inlined into the loop is compiled without the CPU's vector instructions.
    fn step<X: Numeric>(&self, vectors: [X; V], at: StepInputs<X>) -> [X; V];
}

/// What a formula is given besides the vectors.
#[derive(Clone, Copy)]
pub struct StepInputs<X> {
    /// The gradient, clipped.
    pub grad: X,
    /// The learning rate of this step, times the scale of the parameter's group.
    pub lr: X,
    /// The weight decay of the parameter's group; 0 for parameters that do not decay.
    pub decay: X,
    /// The number of this step: 1, 2, …
    pub step: u64,
}

/// One step of a rule. The gradient is multiplied by `min(1, max_norm / (‖g‖ + 1e-6))`. Inputs: g `[n]`, a table [n/64, 2] with the (scale of the
/// learning rate, weight decay) of each block of 64 elements, and ‖g‖ `[1]`; where that is not finite, nothing moves. A block of scale 0 is
/// frozen: all its vectors stay as they are. In place: the V vectors `[n]`.
#[derive(Clone)]
pub struct Update<R, const V: usize> {
    /// The formula and its coefficients.
    pub rule: R,
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Elements, a multiple of 64.
    pub n: usize,
    /// The learning rate of this step.
    pub lr: f64,
    /// 1, 2, …
    pub step: u64,
    /// The largest norm of the gradient that is not clipped; infinite for none.
    pub max_norm: f64,
}

impl<R, const V: usize> fmt::Debug for Update<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Update({V} vectors of {} {}, step {}, lr {})", self.n, self.dtype, self.step, self.lr)
    }
}

impl<R: UpdateRule<V>, const V: usize> Plan for Update<R, V> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&[self.n], self.dtype); V]
    }
    /// About five for each vector.
    fn flops(&self) -> u64 {
        (5 * V * self.n) as u64
    }
    fn bytes(&self) -> u64 {
        (1 + 2 * V as u64) * bytes_of(self.n, self.dtype)
    }
}
