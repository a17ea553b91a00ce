//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::Pool2d;

/// Runs the plan.
pub fn run(_p: &Pool2d, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
