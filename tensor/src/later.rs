//! Elements on their way from a device to the host, so that a training loop reads the numbers of one step while the next one runs.

#[cfg(feature = "gpu")]
use crate::device::Device;
use crate::dtype::Element;
use crate::error::DeviceError;
use crate::storage::Storage;
use crate::tensor::Tensor;
use std::marker::PhantomData;

/// A pending readback, from [`Tensor::to_vec_later`].
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, Tensor};
/// let x = Tensor::new(&Device::cpu(), [1.0, 2.0]);
/// let later = x.mul_scalar(2.0).to_vec_later::<f32>();
/// // … work that does not need the numbers …
/// assert_eq!(later.wait()?, [2.0, 4.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct Later<T> {
    source: Source,
    elements: PhantomData<T>,
}

enum Source {
    /// The bytes.
    Here(Vec<u8>),
    /// A read under way, and which of its bytes are wanted.
    #[cfg(feature = "gpu")]
    Gpu(crate::gpu::PendingRead, std::ops::Range<usize>),
}

impl Tensor {
    /// The elements as they are now, row-major, to be fetched later: on a GPU nothing is submitted, and the call does not wait.
    ///
    /// # Panics
    /// If `T` is not the tensor's type.
    #[track_caller]
    pub fn to_vec_later<T: Element>(&self) -> Later<T> {
        assert!(T::DTYPE == self.dtype(), "to_vec_later: the tensor holds {}, not {}", self.dtype(), T::DTYPE);
        let t = self.contiguous();
        let bytes = t.layout().offset * size_of::<T>()..(t.layout().offset + t.numel()) * size_of::<T>();
        let source = match t.storage() {
            Storage::Cpu(buffer) => Source::Here(bytemuck::cast_slice(&buffer.as_slice::<u8>()[bytes]).to_vec()),
            #[cfg(feature = "gpu")]
            Storage::Gpu(buffer) => {
                let Device::Gpu(gpu) = t.device() else { unreachable!("a GPU buffer on a GPU") };
                // Copies start and end at multiples of 4 bytes.
                let (from, to) = (bytes.start / 4 * 4, bytes.end.next_multiple_of(4));
                let read = gpu.read_later(buffer, from as u64, (to - from) as u64);
                Source::Gpu(read, bytes.start - from..bytes.end - from)
            }
        };
        Later { source, elements: PhantomData }
    }
}

impl<T: Element> Later<T> {
    /// The elements, as a future: the form for browsers, which cannot wait.
    ///
    /// # Errors
    /// If the device failed since the last read.
    pub async fn arrive(self) -> Result<Vec<T>, DeviceError> {
        match self.source {
            Source::Here(bytes) => Ok(bytemuck::pod_collect_to_vec(&bytes)),
            #[cfg(feature = "gpu")]
            Source::Gpu(read, range) => Ok(bytemuck::pod_collect_to_vec(&read.finish().await?[range])),
        }
    }

    /// Waits for the elements.
    ///
    /// # Errors
    /// If the device failed since the last read; in a browser always, on a GPU.
    pub fn wait(self) -> Result<Vec<T>, DeviceError> {
        match self.source {
            Source::Here(bytes) => Ok(bytemuck::pod_collect_to_vec(&bytes)),
            #[cfg(feature = "gpu")]
            Source::Gpu(read, range) => Ok(bytemuck::pod_collect_to_vec(&read.wait()?[range])),
        }
    }
}
