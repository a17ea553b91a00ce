//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::Cumsum;

/// Runs the plan.
pub fn run(_p: &Cumsum, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
