//! Running sums on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::Cumsum;

/// Runs the plan.
pub fn run(p: &Cumsum, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::cumsum, p, inputs, outputs);
}
