//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::Pad;

/// Runs the plan.
pub fn run(_p: &Pad, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
