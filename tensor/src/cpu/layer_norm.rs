//! Layer normalisation on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{LayerNorm, LayerNormBackward};

/// Runs the plan.
pub fn run(p: &LayerNorm, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::norm::layer_norm, p, inputs, outputs);
}

/// Runs the plan.
pub fn backward(p: &LayerNormBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.0.dtype, reference::norm::layer_norm_backward, p, inputs, outputs);
}
