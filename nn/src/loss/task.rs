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
    /// The mean over samples. Logits (n, classes), labels (n) `U32`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn mean(&self, logits: &Var, labels: &Tensor) -> Var {
        self.rows(logits, labels).mean(&[], false)
    }

    /// The loss of each sample.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn rows(&self, logits: &Var, labels: &Tensor) -> Var {
        logits.cross_entropy(labels, self.likelihood, self.smoothing)
    }
}
