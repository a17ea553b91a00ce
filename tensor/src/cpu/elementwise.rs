//! Elementwise expressions on the CPU.

use super::{Input, Output, reference};
use crate::plan::Elementwise;

/// Runs the plan.
pub fn run(p: &Elementwise, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    reference::elementwise::run(p, inputs, outputs);
}
