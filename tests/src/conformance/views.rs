//! Inputs as non-contiguous views.

use super::manifest::Step;
use lethe_tensor::Tensor;

/// The view that the steps make of a tensor, one after the other.
pub fn apply(base: &Tensor, steps: &[Step]) -> Tensor {
    steps.iter().fold(base.clone(), |t, step| match step {
        Step::Permute { dims } => t.permute(dims),
        Step::Slice { axis, start, end, step } => t.slice_step(*axis, *start, *end, *step),
        Step::Flip { axes } => t.flip(axes),
        Step::Expand { shape } => t.expand(shape),
    })
}
