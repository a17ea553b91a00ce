//! Plans on the GPU: what each dispatches. A file for each file of [`crate::plan`].
//!
//! A plan's inputs become [`Span`](crate::gpu::Span)s, its outputs are filled through [`Output`](crate::gpu::Output), and the kernels
//! are those of the shader package, found by file, entry, flags and constants, or generated. Nothing is checked again.

pub mod attention;
pub mod batch_norm;
pub mod concat;
pub mod conv;
pub mod copy;
pub mod cumsum;
pub mod custom;
pub mod elementwise;
pub mod gather;
mod items;
pub mod layer_norm;
pub mod loss;
pub mod matmul;
pub mod pad;
mod parts;
pub mod pool;
pub mod reduce;
mod rows;
pub mod softmax;
mod taps;
mod tiling;
pub mod update;

pub use items::run;

use super::{Buffer, GpuDevice, GpuError, Kernel};
use crate::dtype::DType;

/// A kernel of the shader package. Looking one up hashes a few words; a variant that the list lacks is a mistake here.
#[track_caller]
fn variant(file: &str, entry: &str, flags: &[&str], constants: &[(&str, f64)]) -> Kernel<'static> {
    Kernel::variant(lethe_shaders::find(file, entry, flags, constants))
}

/// Threads that share a line of `n` elements: few for short ones, so that a workgroup serves several.
fn lanes(n: usize) -> (&'static str, f64) {
    let lanes = lethe_shaders::LANES;
    ("LANES", f64::from(lanes.into_iter().find(|l| n <= 8 * *l as usize).unwrap_or(lanes[lanes.len() - 1])))
}

/// `n` elements from element `start` on, in host memory, when all that was recorded is done.
///
/// # Errors
/// The failure that poisoned the device.
pub fn read(gpu: &GpuDevice, buffer: &Buffer, start: usize, n: usize, dtype: DType) -> Result<Vec<u8>, GpuError> {
    let (begin, end) = (start * dtype.size(), (start + n) * dtype.size());
    let (from, to) = (begin / 4 * 4, end.next_multiple_of(4));
    let mut bytes = gpu.read_blocking(buffer, from as u64, (to - from) as u64)?;
    bytes.truncate(end - from);
    bytes.drain(..begin - from);
    Ok(bytes)
}
