//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{BatchNorm, BatchNormBackward};

/// Runs the plan.
pub fn run(_p: &BatchNorm, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn backward(_p: &BatchNormBackward, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
