//! Cross-entropies with their gradient.

use crate::dtype::DType;
use crate::plan::{CrossEntropy, Likelihood, Target};
use crate::run::execute;
use crate::tensor::Tensor;

impl Tensor {
    /// The loss of each row of these logits [rows, classes], and its gradient. Targets are labels [rows] (`U32`) or distributions
    /// [rows, classes]; smoothing mixes them with the uniform one.
    ///
    /// # Panics
    /// If the shapes or types do not fit.
    #[track_caller]
    pub fn cross_entropy(&self, targets: &Tensor, likelihood: Likelihood, smoothing: f64) -> (Tensor, Tensor) {
        self.float("cross_entropy");
        assert!(self.rank() == 2, "cross_entropy: logits {:?} need two axes (rows, classes)", self.shape());
        let (rows, classes) = (self.shape()[0], self.shape()[1]);
        let target = match (targets.dtype(), targets.shape()) {
            (DType::U32, [n]) if *n == rows => Target::Index,
            (d, s) if d.computed_as() == self.computed_type() && s == self.shape() => Target::Distribution,
            (d, s) => panic!(
                "cross_entropy: targets {d} {s:?} fit neither labels u32 [{rows}] nor the logits {:?}",
                self.shape()
            ),
        };
        let plan = CrossEntropy { dtype: self.computed_type(), likelihood, target, smoothing, rows, classes };
        let mut out = execute(plan, &[&self.contiguous(), &targets.contiguous()]);
        let grad = out.swap_remove(1);
        (out.swap_remove(0), grad)
    }
}
