//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::CrossEntropy;

/// Runs the plan.
pub fn run(_p: &CrossEntropy, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
