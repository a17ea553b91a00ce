//! Matrix products on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Matmul;

/// Runs the plan.
pub fn run(p: &Matmul, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::matmul, p, inputs, outputs);
}
