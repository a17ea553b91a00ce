//! The loss of a classifier.

use super::{Likelihood, Objective};
use crate::accuracy::hits;
use lethe_autograd::Var;
use lethe_tensor::{DType, Tensor};

/// Cross-entropy of a softmax (CE) or of independent sigmoids (BCE): summed over classes, averaged over samples, with label smoothing
/// `q = (1 − s) e_y + s / C`.
///
/// # Examples
/// ```
/// use lethe_nn::loss::{Objective, TaskLoss};
/// use lethe_tensor::{DType, Device, Tensor};
/// let logits = Tensor::zeros(&Device::cpu(), DType::F32, &[2, 4]); // all 4 classes are as likely
/// let labels = Tensor::new(&Device::cpu(), [0u32, 3]);
/// let (loss, slope) = TaskLoss::cross_entropy().value_and_cotangent(&logits, &labels);
/// assert!((loss.item::<f32>()? - 4f32.ln()).abs() < 1e-5);
/// assert!((slope.i((0, 0)).item::<f32>()? + 0.375).abs() < 1e-5); // (1/4 − 1) / 2 samples
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskLoss {
    /// Softmax for CE, sigmoid for BCE.
    pub likelihood: Likelihood,
    /// s.
    pub smoothing: f64,
}

impl TaskLoss {
    /// Softmax cross-entropy, not smoothed.
    pub fn cross_entropy() -> TaskLoss {
        TaskLoss { likelihood: Likelihood::Softmax, smoothing: 0.0 }
    }

    /// Sigmoid cross-entropy, not smoothed.
    pub fn binary_cross_entropy() -> TaskLoss {
        TaskLoss { likelihood: Likelihood::Sigmoid, smoothing: 0.0 }
    }

    /// The mean over samples. Logits (n, classes); labels (n) `U32`, of which those of `u32::MAX` add nothing, but are counted, or distributions
    /// (n, classes).
    ///
    /// # Panics
    /// As [`Var::cross_entropy`].
    #[track_caller]
    pub fn mean(&self, logits: &Var, targets: &Tensor) -> Var {
        self.rows(logits, targets).mean()
    }

    /// The loss of each sample; 0 where the label is `u32::MAX`.
    ///
    /// # Panics
    /// As [`Var::cross_entropy`].
    #[track_caller]
    pub fn rows(&self, logits: &Var, targets: &Tensor) -> Var {
        logits.cross_entropy(targets, self.likelihood, self.smoothing)
    }
}

impl Objective for TaskLoss {
    #[track_caller]
    fn value(&self, output: &Var, targets: &Tensor) -> Var {
        self.mean(output, targets)
    }

    /// The kernel of the loss gives its gradient too.
    #[track_caller]
    fn value_and_cotangent(&self, output: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
        let (rows, grad) = output.cross_entropy_with_grad(targets, self.likelihood, self.smoothing);
        let n = rows.numel() as f64;
        (rows.mean(), grad.mul_scalar(1.0 / n))
    }

    /// Rows whose largest logit is that of the label; of a distribution, that of its likeliest class.
    #[track_caller]
    fn correct(&self, output: &Tensor, targets: &Tensor) -> Option<Tensor> {
        let is_label = targets.dtype() == DType::U32;
        let labels = if is_label { targets.clone() } else { targets.argmax(-1, false) };
        Some(hits("correct", output, &labels).0.sum())
    }
}
