//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{Attention, AttentionBackward};

/// Runs the plan.
pub fn run(_p: &Attention, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn backward(_p: &AttentionBackward, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
