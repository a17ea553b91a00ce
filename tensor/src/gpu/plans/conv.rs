//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::Conv2d;

/// Runs the plan.
pub fn run(_p: &Conv2d, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
