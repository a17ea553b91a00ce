//! Cross-entropies with their gradient.

use crate::dtype::DType;
use crate::plan::{CrossEntropy, Likelihood, Target};
use crate::run::execute;
use crate::tensor::Tensor;

impl Tensor {
    /// The losses `[rows]` of [`Tensor::cross_entropy_with_grad`], without their gradient.
    ///
    /// # Panics
    /// As [`Tensor::cross_entropy_with_grad`].
    #[track_caller]
    pub fn cross_entropy(&self, targets: &Tensor, likelihood: Likelihood, smoothing: f64) -> Tensor {
        self.cross_entropy_with_grad(targets, likelihood, smoothing).0
    }

    /// The loss of each row of these logits [rows, classes], and its gradient. Targets are labels `[rows]` (`U32`) or distributions
    /// [rows, classes]; smoothing mixes them with the uniform one. A row whose label is `u32::MAX` has loss and gradient 0, whatever its
    /// logits are; on a GPU, where labels are not looked at beforehand, those of any other label beyond the classes are NaN.
    ///
    /// # Panics
    /// If this is not [rows, classes], the targets are neither labels `[rows]` of `U32` nor distributions of this shape and type, or (on the CPU) a
    /// label is neither a class nor `u32::MAX`.
    #[track_caller]
    pub fn cross_entropy_with_grad(
        &self,
        targets: &Tensor,
        likelihood: Likelihood,
        smoothing: f64,
    ) -> (Tensor, Tensor) {
        self.check_float("cross_entropy");
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
        if target == Target::Index {
            targets.check_labels("cross_entropy", classes);
        }
        if classes > self.device().longest_row() && rows > 0 {
            return self.cross_entropy_of_long_rows(targets, likelihood, smoothing);
        }
        let plan = CrossEntropy { dtype: self.computed_type(), likelihood, target, smoothing, rows, classes };
        let mut out = execute(plan, &[&self.contiguous(), &targets.contiguous()]);
        let grad = out.swap_remove(1);
        (out.swap_remove(0), grad)
    }

    /// The same in several steps, for rows that are longer than one kernel takes.
    #[track_caller]
    fn cross_entropy_of_long_rows(&self, targets: &Tensor, likelihood: Likelihood, smoothing: f64) -> (Tensor, Tensor) {
        let classes = self.shape()[1];
        let [zero, nan] = [0.0, f64::NAN].map(|x| self.scalar_like(x));
        let is_label = targets.dtype() == DType::U32;
        let t = if is_label { targets.one_hot(classes, self.computed_type()) } else { targets.clone() };
        let t = t.mul_scalar(1.0 - smoothing).add_scalar(smoothing / classes as f64).force().clone();
        // A target of 0 times an infinite distance is 0.
        let weighted = |distance: &Tensor| t.eq_scalar(0.0).where_(&zero, &t.mul(distance)).sum_axes(&[-1], false);
        let (loss, grad) = match likelihood {
            Likelihood::Softmax => {
                let below = self.sub(&self.max_axes(&[-1], true));
                let sum = below.exp().sum_axes(&[-1], true);
                let weight = t.sum_axes(&[-1], true);
                (weighted(&sum.log().sub(&below)), below.exp().div(&sum).mul(&weight).sub(&t))
            }
            Likelihood::Sigmoid => {
                // softplus(z) − t z = (step(z) − t) z + ln(1 + e^−|z|): infinite logits too have the loss that they tend to.
                let slope = self.gt_scalar(0.0).where_(&self.scalar_like(1.0), &zero).sub(&t);
                let linear = slope.eq_scalar(0.0).where_(&zero, &slope.mul(self));
                (linear.add(&self.abs().neg().softplus()).sum_axes(&[-1], false), self.sigmoid().sub(&t))
            }
        };
        if !is_label {
            return (loss, grad);
        }
        // Ignored rows count as 0, and a label that names no class gives NaN.
        let (ignored, real) = (targets.eq_scalar(f64::from(u32::MAX)), targets.lt_scalar(classes as f64));
        let of_rows = |x: &Tensor, ignored: &Tensor, real: &Tensor| real.where_(x, &ignored.where_(&zero, &nan));
        let grad = of_rows(&grad, &ignored.unsqueeze(-1), &real.unsqueeze(-1));
        (of_rows(&loss, &ignored, &real), grad)
    }

    /// For labels (`U32`, this) of any shape: 1 where they are a class, 0 where they are `u32::MAX` (ignored), and NaN, on a GPU, where they
    /// are neither; in this float type.
    ///
    /// # Panics
    /// If the labels are not `U32`, the type is no float, or (on the CPU) a label is neither a class nor `u32::MAX`.
    #[track_caller]
    pub fn label_weights(&self, op: &str, classes: usize, dtype: DType) -> Tensor {
        assert!(dtype.is_float(), "{op}: needs floats, the elements are {dtype}; use to_dtype");
        self.check_labels(op, classes);
        let number = |x: f64| Tensor::full(self.device(), dtype, &[], x);
        let beyond = self.eq_scalar(f64::from(u32::MAX)).where_(&number(0.0), &number(f64::NAN));
        self.lt_scalar(classes as f64).where_(&number(1.0), &beyond)
    }

    /// On the CPU looks at labels, which on a GPU would mean to wait for it: there a kernel answers a wrong one with NaN.
    #[track_caller]
    pub(crate) fn check_labels(&self, op: &str, classes: usize) {
        assert!(self.dtype() == DType::U32, "{op}: labels are u32, these are {}", self.dtype());
        if !self.device().is_cpu() {
            return;
        }
        let labels = self.to_vec::<u32>().expect("the CPU does not fail");
        if let Some(row) = labels.iter().position(|label| *label as usize >= classes && *label != u32::MAX) {
            panic!(
                "{op}: label {} of row {row} is not one of the {classes} classes (0 to {}); u32::MAX marks a row to ignore",
                labels[row],
                classes as isize - 1
            );
        }
    }
}
