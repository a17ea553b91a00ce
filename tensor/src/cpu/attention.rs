//! Attention on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Attention, AttentionBackward};

/// Runs the plan.
pub fn run(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::attention::forward, p, inputs, outputs);
}

/// Runs the plan.
pub fn backward(p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.0.dtype, reference::attention::backward, p, inputs, outputs);
}
