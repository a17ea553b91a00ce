//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{LayerNorm, LayerNormBackward};

/// Runs the plan.
pub fn run(_p: &LayerNorm, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn backward(_p: &LayerNormBackward, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
