//! Batch normalisation on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{BatchNorm, BatchNormBackward};

/// Runs the plan.
pub fn run(p: &BatchNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::norm::batch_norm, p, inputs, outputs);
}

/// Runs the plan.
pub fn backward(p: &BatchNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.0.dtype, reference::norm::batch_norm_backward, p, inputs, outputs);
}
