//! Convolution on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Conv2d;

/// Runs the plan.
pub fn run(p: &Conv2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::conv::run, p, inputs, outputs);
}
