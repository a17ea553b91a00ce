//! Cross-entropies on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::CrossEntropy;

/// Runs the plan.
pub fn run(p: &CrossEntropy, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::rows::cross_entropy, p, inputs, outputs);
}
