//! The memory behind tensors.

use crate::cpu::CpuBuffer;
use crate::device::Device;
use std::sync::Arc;

/// Shared memory on one device. It is written before it is shared, and again only by its single owner.
#[derive(Clone)]
pub enum Storage {
    /// Host memory.
    Cpu(Arc<CpuBuffer>),
    /// A GPU buffer.
    #[cfg(feature = "gpu")]
    Gpu(Arc<crate::gpu::Buffer>),
}

impl Storage {
    /// Memory of unspecified contents; `None` if the CPU does not have that much. A GPU that does not is poisoned.
    pub(crate) fn new(device: &Device, bytes: usize) -> Option<Storage> {
        Some(match device {
            Device::Cpu(cpu) => Storage::Cpu(Arc::new(cpu.alloc(bytes)?)),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => Storage::Gpu(Arc::new(gpu.alloc(bytes as u64))),
        })
    }

    /// Memory that holds `bytes`.
    #[track_caller]
    pub(crate) fn from_bytes(device: &Device, bytes: &[u8]) -> Storage {
        match device {
            Device::Cpu(cpu) => {
                let Some(mut buffer) = cpu.alloc(bytes.len()) else {
                    panic!("no memory of {} bytes is left", bytes.len())
                };
                buffer.as_bytes_mut().copy_from_slice(bytes);
                Storage::Cpu(Arc::new(buffer))
            }
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => Storage::Gpu(Arc::new(gpu.upload(bytes))),
        }
    }

    /// Whether this handle is the only one.
    pub(crate) fn is_unique(&mut self) -> bool {
        match self {
            Storage::Cpu(buffer) => Arc::get_mut(buffer).is_some(),
            #[cfg(feature = "gpu")]
            Storage::Gpu(buffer) => Arc::get_mut(buffer).is_some(),
        }
    }

    /// Whether two handles share one memory.
    pub(crate) fn same(&self, other: &Storage) -> bool {
        match (self, other) {
            (Storage::Cpu(a), Storage::Cpu(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "gpu")]
            (Storage::Gpu(a), Storage::Gpu(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "gpu")]
            _ => false,
        }
    }
}
