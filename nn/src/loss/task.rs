//! The loss of the task.

use super::Likelihood;
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// Cross-entropy of a softmax (CE) or of independent sigmoids (BCE): summed over classes, averaged over samples, with label smoothing
/// `q = (1 − s) e_y + s / C`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskLoss {
    /// Softmax for CE, sigmoid for BCE.
    pub likelihood: Likelihood,
    /// s.
    pub smoothing: f64,
}

impl TaskLoss {
    /// The mean over samples. Logits (n, classes), labels (n) `U32`; those of `u32::MAX` add nothing, but are counted.
    ///
    /// # Panics
    /// As [`Var::cross_entropy`].
    #[track_caller]
    pub fn mean(&self, logits: &Var, labels: &Tensor) -> Var {
        self.rows(logits, labels).mean()
    }

    /// The loss of each sample; 0 where the label is `u32::MAX`.
    ///
    /// # Panics
    /// As [`Var::cross_entropy`].
    #[track_caller]
    pub fn rows(&self, logits: &Var, labels: &Tensor) -> Var {
        logits.cross_entropy(labels, self.likelihood, self.smoothing)
    }
}
