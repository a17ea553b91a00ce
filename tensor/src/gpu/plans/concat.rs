//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::{Assemble, Concat};

/// Runs the plan.
pub fn run(_p: &Concat, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}

/// Runs the plan.
pub fn assemble(_p: &Assemble, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
