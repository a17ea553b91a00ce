//! A batch, and what a step makes of it.

use lethe_nn::State;
use lethe_tensor::{DType, Tensor};

/// The samples of an update, of which a step asks for a slice at a time: they need not find room on the device all at once.
pub trait Samples: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Samples `start .. end`, on the device.
    fn part(&self, start: usize, end: usize) -> Batch;
}

impl Samples for Batch {
    fn count(&self) -> usize {
        self.len()
    }

    #[track_caller]
    fn part(&self, start: usize, end: usize) -> Batch {
        self.slice(start, end)
    }
}

/// A batch on the device.
pub struct Batch {
    /// (n, …).
    pub inputs: Tensor,
    /// (n) `U32`.
    pub labels: Tensor,
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.numel()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples `start .. end`.
    ///
    /// # Panics
    /// If there are not so many.
    #[track_caller]
    pub fn slice(&self, start: usize, end: usize) -> Batch {
        Batch { inputs: self.inputs.slice(0, start, end), labels: self.labels.slice(0, start, end) }
    }

    /// How many rows have their largest logit at the label.
    pub(super) fn correct(&self, logits: &Tensor) -> Tensor {
        let hits = logits.argmax(-1, false).eq(&self.labels);
        let (one, zero) = (logits.scalar_like(1.0), logits.scalar_like(0.0));
        debug_assert!(hits.dtype() == DType::U32);
        hits.where_(&one, &zero).sum()
    }
}

/// What a step gives; every part stays on the device until it is read.
pub struct StepOutput {
    /// The update gradient, in θ's layout: the mean over slices.
    pub update: Tensor,
    /// The state after the step.
    pub state: State,
    /// The mean task loss at θ.
    pub loss: Tensor,
    /// The mean task loss at the perturbed parameters; without a perturbation, `loss`.
    pub perturbed_loss: Tensor,
    /// Correct predictions at θ, a sum over the batch.
    pub correct: Tensor,
}
