//! Optimiser steps over one vector, in place.

use super::{Plan, Spec, back_ends, bytes_of};
use crate::dtype::DType;

/// One step of AdamW with decoupled decay. With `g' = g · min(1, max_norm / (‖g‖ + 1e-6))` and, for each block of 64 elements, the table's (lr scale s, decay w):
///
/// ```text
/// θ ← θ (1 − s lr w);  μ ← β₁ μ + (1 − β₁) g';  ν ← β₂ ν + (1 − β₂) g'²
/// θ ← θ − s lr · (μ / (1 − β₁ᵏ)) / (√(ν / (1 − β₂ᵏ)) + eps)
/// ```
///
/// Inputs: g [n], table [n/64, 2], and ‖g‖ [1]; where that is not finite, nothing moves. A block of scale 0 is frozen: θ, μ and ν stay as they
/// are. In place: θ, μ, ν [n].
#[derive(Clone, Debug)]
pub struct AdamW {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Elements, a multiple of 64.
    pub n: usize,
    /// The learning rate of this step.
    pub lr: f64,
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// Added to the root.
    pub eps: f64,
    /// k = 1, 2, …
    pub step: u64,
    /// The largest norm of the gradient that is not clipped; infinite for none.
    pub max_norm: f64,
}

impl Plan for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&[self.n], self.dtype); 3]
    }
    fn flops(&self) -> u64 {
        15 * self.n as u64
    }
    fn bytes(&self) -> u64 {
        7 * bytes_of(self.n, self.dtype)
    }
    back_ends!(optim::adamw);
}

/// One step of SGD with momentum and decoupled decay: `θ ← θ (1 − s lr w)`, `b ← g'` at the first step, else `momentum · b + g'`,
/// `θ ← θ − s lr b` (Nesterov: `θ − s lr (g' + momentum · b)`). Inputs as [`AdamW`]'s. In place: θ, b [n].
#[derive(Clone, Debug)]
pub struct Sgd {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Elements, a multiple of 64.
    pub n: usize,
    /// The learning rate of this step.
    pub lr: f64,
    /// The share of the past.
    pub momentum: f64,
    /// Nesterov's form.
    pub nesterov: bool,
    /// Whether this is the first step.
    pub first: bool,
    /// The largest norm of the gradient that is not clipped; infinite for none.
    pub max_norm: f64,
}

impl Plan for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&[self.n], self.dtype); 2]
    }
    fn flops(&self) -> u64 {
        6 * self.n as u64
    }
    fn bytes(&self) -> u64 {
        5 * bytes_of(self.n, self.dtype)
    }
    back_ends!(optim::sgd);
}
