//! Cross-entropies with their gradient in one pass.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// How logits become likelihoods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Likelihood {
    /// One distribution over the classes: cross-entropy `Σ t (lse(z) − z)`.
    Softmax,
    /// A probability for each class: sigmoid cross-entropy, `Σ softplus(z) − t z`, summed over the classes.
    Sigmoid,
}

/// What the targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A label for each row (`U32`); a row with `u32::MAX` is left out.
    Index,
    /// A distribution for each row.
    Distribution,
}

/// Loss and gradient of each row, with targets `t ← (1 − smoothing) t + smoothing / classes`.
/// Inputs: logits [rows, classes], targets (`[rows]` or [rows, classes]), contiguous. Outputs: loss `[rows]`, and its gradient
/// [rows, classes] (softmax: `softmax(z) Σ t − t`, sigmoid: `σ(z) − t`).
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// The likelihood.
    pub likelihood: Likelihood,
    /// The form of the targets.
    pub target: Target,
    /// Label smoothing.
    pub smoothing: f64,
    /// Rows.
    pub rows: usize,
    /// Classes.
    pub classes: usize,
}

impl Plan for CrossEntropy {
    fn name(&self) -> &'static str {
        match self.likelihood {
            Likelihood::Softmax => "cross_entropy",
            Likelihood::Sigmoid => "sigmoid_cross_entropy",
        }
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&[self.rows], self.dtype), Spec::new(&[self.rows, self.classes], self.dtype)]
    }
    fn flops(&self) -> u64 {
        6 * (self.rows * self.classes) as u64
    }
    fn bytes(&self) -> u64 {
        bytes_of(self.rows * (2 * self.classes + 2), self.dtype)
    }
    fn items(&self) -> Option<Items<'_>> {
        let of = |rows| -> Box<dyn Run> { Box::new(CrossEntropy { rows, ..self.clone() }) };
        let target = if self.target == Target::Index { 1 } else { self.classes };
        let inputs = vec![self.classes, target];
        Some(Items { count: self.rows, inputs, outputs: vec![1, self.classes], of: Box::new(of) })
    }
}
