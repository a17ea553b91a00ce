//! What a back end does with a plan.

use super::Plan;

/// A plan that can be run. Descriptions know nothing of the back ends: for the plans of this crate the file `back_ends` names their functions.
pub trait Run: Plan {
    /// Runs it on the CPU.
    fn cpu(&self, inputs: &[crate::cpu::Input<'_>], outputs: &mut [crate::cpu::Output<'_>]);

    /// Records it on a GPU.
    #[cfg(feature = "gpu")]
    fn gpu(&self, gpu: &crate::gpu::GpuDevice, inputs: &[crate::gpu::Input<'_>], outputs: &[crate::gpu::Output<'_>]);
}
