//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{Softmax, SoftmaxBackward};

/// Runs the plan.
pub fn run(_p: &Softmax, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn backward(_p: &SoftmaxBackward, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
