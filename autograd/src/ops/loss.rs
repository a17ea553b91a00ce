//! Cross-entropies over rows.

use crate::Var;
use lethe_tensor::plan::Likelihood;
use lethe_tensor::{DType, Tensor};

impl Var {
    /// The loss of each row of these logits [rows, classes]: softmax `Σ t (lse(z) − z)`, sigmoid `Σ softplus(z) − t z`. Targets (never
    /// tracked) are labels [rows] (`U32`) or distributions [rows, classes], smoothed to `t ← (1 − s) t + s / classes`.
    /// `dz = dy (softmax(z) Σ t − t)`, or `dy (σ(z) − t)`. A row whose label lies beyond the classes has
    /// neither loss nor gradient.
    ///
    /// # Panics
    /// If the shapes or types do not fit.
    #[track_caller]
    pub fn cross_entropy(&self, targets: &Tensor, likelihood: Likelihood, smoothing: f64) -> Var {
        let (z, targets) = (self.clone(), targets.clone());
        let (loss, grad) = self.tensor().cross_entropy(&targets, likelihood, smoothing);
        Var::record("cross_entropy", &[self], loss, move |dy| {
            let column = dy.unsqueeze(-1);
            if !Var::recorded(&[dy, &z]) {
                return vec![Some(&column * &Var::constant(&grad))];
            }
            let t = Var::constant(&distribution(&targets, z.tensor(), smoothing));
            let p = match likelihood {
                Likelihood::Softmax => &z.softmax(-1) * &t.sum(&[-1], true),
                Likelihood::Sigmoid => &z.sigmoid() * &Var::constant(&counted(&targets, z.tensor())),
            };
            vec![Some(&column * &(&p - &t))]
        })
    }
}

/// 1 for each row that counts, 0 for one whose label lies beyond the classes: [rows, 1], or [] where targets are distributions.
fn counted(targets: &Tensor, logits: &Tensor) -> Tensor {
    let one = logits.scalar_like(1.0);
    if targets.dtype() != DType::U32 {
        return one;
    }
    targets.unsqueeze(-1).lt_scalar(logits.shape()[1] as f64).select(&one, &logits.scalar_like(0.0))
}

/// Targets as distributions of the logits' shape and type, smoothed. A label beyond the classes gives a row of zeros.
pub(crate) fn distribution(targets: &Tensor, logits: &Tensor, smoothing: f64) -> Tensor {
    let classes = logits.shape()[1];
    let uniform = smoothing / classes as f64;
    if targets.dtype() != DType::U32 {
        return targets.mul_scalar(1.0 - smoothing).add_scalar(uniform);
    }
    let row = targets.one_hot(classes, logits.computed_type()).mul_scalar(1.0 - smoothing).add_scalar(uniform);
    targets.unsqueeze(-1).lt_scalar(classes as f64).select(&row, &logits.scalar_like(0.0))
}
