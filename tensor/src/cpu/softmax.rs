//! Softmax over rows on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Softmax, SoftmaxBackward};

/// Runs the plan.
pub fn run(p: &Softmax, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::rows::softmax, p, inputs, outputs);
}

/// Runs the plan.
pub fn backward(p: &SoftmaxBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.0.dtype, reference::rows::softmax_backward, p, inputs, outputs);
}
