//! Cross-entropies over rows.

use crate::graph::Var;
use lethe_tensor::plan::Likelihood;
use lethe_tensor::{DType, Tensor};

impl Var {
    /// The loss of each row of these logits [rows, classes]: softmax `Σ t (lse(z) − z)`, sigmoid `Σ softplus(z) − t z`. Targets (never
    /// tracked) are labels `[rows]` (`U32`) or distributions [rows, classes], smoothed to `t ← (1 − s) t + s / classes`.
    /// `dz = dy (softmax(z) Σ t − t)`, or `dy (σ(z) − t)`: finite also where a loss is infinite, because the label's logit is −∞. A row
    /// whose label is `u32::MAX` has neither loss nor gradient, whatever its logits are; on a GPU those of any other label beyond the
    /// classes are NaN.
    ///
    /// # Panics
    /// If this is not [rows, classes], the targets are neither labels `[rows]` of `U32` nor distributions of this shape and type, or (on the CPU) a
    /// label is neither a class nor `u32::MAX`.
    #[track_caller]
    pub fn cross_entropy(&self, targets: &Tensor, likelihood: Likelihood, smoothing: f64) -> Var {
        let (z, targets) = (self.clone(), targets.clone());
        let (loss, grad) = self.tensor().cross_entropy_with_grad(&targets, likelihood, smoothing);
        Var::record("cross_entropy", &[self], loss, move |dy| {
            let column = dy.unsqueeze(-1);
            if !Var::recorded(&[dy, &z]) {
                return vec![Some(&column * &Var::constant(&grad))];
            }
            let t = Var::constant(&distribution(&targets, z.tensor(), smoothing));
            let labels = (targets.dtype() == DType::U32).then(|| ignored(&targets));
            let left = |v: &Var| labels.as_ref().map_or(v.clone(), |ignored| v.masked_fill(ignored, 0.0));
            let z = left(&z); // before anything is made of it: 0 times the slope of a NaN would be one
            let p = match likelihood {
                Likelihood::Softmax => &z.softmax(-1) * &t.sum_axes(&[-1], true),
                Likelihood::Sigmoid => z.sigmoid(),
            };
            vec![Some(&column * &left(&(&p - &t)))]
        })
    }
}

/// 1 for each row that is left out, as a column.
fn ignored(labels: &Tensor) -> Tensor {
    labels.unsqueeze(-1).eq_scalar(f64::from(u32::MAX))
}

/// Targets as distributions of the logits' shape and type, smoothed. The label of a row that is left out gives zeros.
pub(crate) fn distribution(targets: &Tensor, logits: &Tensor, smoothing: f64) -> Tensor {
    let classes = logits.shape()[1];
    let uniform = smoothing / classes as f64;
    if targets.dtype() != DType::U32 {
        return targets.mul_scalar(1.0 - smoothing).add_scalar(uniform);
    }
    let row = targets.one_hot(classes, logits.computed_type()).mul_scalar(1.0 - smoothing).add_scalar(uniform);
    ignored(targets).where_(&logits.scalar_like(0.0), &row)
}
