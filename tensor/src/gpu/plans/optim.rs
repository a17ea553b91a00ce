//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{AdamW, Sgd};

/// Runs the plan.
pub fn adamw(_p: &AdamW, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn sgd(_p: &Sgd, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
