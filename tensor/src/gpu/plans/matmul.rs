//! PLACEHOLDER

use crate::gpu::{GpuDevice, Input, Output};
use crate::plan::Matmul;

/// Runs the plan.
pub fn run(_p: &Matmul, _gpu: &GpuDevice, _inputs: &[Input<'_>], _outputs: &[Output<'_>]) {
    unimplemented!()
}
