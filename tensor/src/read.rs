//! Elements read back to the host.

#[cfg(feature = "gpu")]
use crate::device::Device;
use crate::dtype::Element;
use crate::error::DeviceError;
use crate::storage::Storage;
use crate::tensor::Tensor;

impl Tensor {
    /// The elements, row-major. Waits for the device.
    ///
    /// # Errors
    /// If the device failed since the last read.
    ///
    /// # Panics
    /// If `T` is not the tensor's type.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, DeviceError> {
        assert!(T::DTYPE == self.dtype(), "to_vec: the tensor holds {}, not {}", self.dtype(), T::DTYPE);
        let t = self.contiguous();
        let (start, n) = (t.layout().offset, t.numel());
        if n == 0 {
            return Ok(vec![]);
        }
        match t.storage() {
            Storage::Cpu(buffer) => Ok(buffer.as_slice::<T>()[start..start + n].to_vec()),
            #[cfg(feature = "gpu")]
            Storage::Gpu(buffer) => {
                let Device::Gpu(gpu) = t.device() else { unreachable!("a GPU buffer on a GPU") };
                let bytes = crate::gpu::plans::read(gpu, buffer, start, n, t.dtype())?;
                Ok(bytemuck::pod_collect_to_vec(&bytes))
            }
        }
    }

    /// The only element of a tensor of one element.
    ///
    /// # Errors
    /// If the device failed since the last read.
    ///
    /// # Panics
    /// If there is not exactly one element, or `T` is not its type.
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T, DeviceError> {
        assert!(self.numel() == 1, "item: the tensor has shape {:?}, not one element", self.shape());
        Ok(self.to_vec::<T>()?[0])
    }
}
