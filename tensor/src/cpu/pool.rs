//! Pooling on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Pool2d;

/// Runs the plan.
pub fn run(p: &Pool2d, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::pool::run, p, inputs, outputs);
}
