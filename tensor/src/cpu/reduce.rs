//! Reductions on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Reduce;

/// Runs the plan.
pub fn run(p: &Reduce, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::reduce, p, inputs, outputs);
}
