//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{Gather, ScatterAdd};

/// Runs the plan.
pub fn run(_p: &Gather, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn scatter_add(_p: &ScatterAdd, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
