//! What can go wrong outside the calling code.

use thiserror::Error;

/// A failure of a device: opening it, or work given to it earlier, which shows at the next read.
#[derive(Clone, Debug, Error)]
pub enum DeviceError {
    /// The thread pool of a CPU device could not be made.
    #[error("the thread pool with {threads} threads could not be started: {reason}. Ask for fewer threads.")]
    Threads {
        /// How many threads were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// The GPU refused, ran out of memory, or was lost.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] crate::gpu::GpuError),
}
