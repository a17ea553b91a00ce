//! Where tensors live and who computes them.

use crate::cpu::CpuDevice;
use crate::dtype::DType;
use crate::error::DeviceError;
use crate::layout::numel;
use std::io::Write;

/// A cheap handle on a CPU or a GPU: made explicitly and passed on, never global.
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, Tensor};
/// let device = Device::cpu(); // Device::best() takes a GPU where there is one
/// let x = Tensor::new(&device, [1.0, 2.0]);
/// assert!((&x + &x).device().same(&device)); // a result is where its operands are
/// ```
#[derive(Clone)]
pub enum Device {
    /// The CPU back end.
    Cpu(CpuDevice),
    /// A GPU through wgpu.
    #[cfg(feature = "gpu")]
    Gpu(crate::gpu::GpuDevice),
}

impl Device {
    /// The CPU, with the threads of rayon's global pool.
    pub fn cpu() -> Device {
        Device::Cpu(CpuDevice::new())
    }

    /// The best adapter, a software one last.
    ///
    /// # Errors
    /// If there is no adapter, or it refuses.
    #[cfg(feature = "gpu")]
    pub fn gpu() -> Result<Device, DeviceError> {
        use crate::gpu::{AdapterChoice, GpuDevice, GpuOptions};
        Ok(Device::Gpu(GpuDevice::open(&AdapterChoice::Best, GpuOptions::default())?))
    }

    /// The first real GPU that gives a device, else the CPU; never a software adapter. Standard error has a warning for each GPU that gives none.
    ///
    /// # Errors
    /// If wgpu's environment variables name an adapter that is not there; in a browser always.
    pub fn best() -> Result<Device, DeviceError> {
        Device::best_telling(|refusal| {
            // If it cannot be written, the device is still the right one.
            let _ = writeln!(std::io::stderr(), "warning: {refusal}; taking another device");
        })
    }

    /// As [`Device::best`], and `refused` is told of each GPU that cannot be opened, in place of standard error.
    ///
    /// # Errors
    /// As [`Device::best`].
    pub fn best_telling(refused: impl FnMut(&DeviceError)) -> Result<Device, DeviceError> {
        #[cfg(not(feature = "gpu"))]
        {
            // There is no GPU that could refuse.
            drop(refused);
            Ok(Device::cpu())
        }
        #[cfg(feature = "gpu")]
        match cfg!(target_arch = "wasm32") {
            true => Err(crate::gpu::GpuError::CannotBlock { instead: "Device::best_async" }.into()),
            false => pollster::block_on(Device::best_async(refused)),
        }
    }

    /// As [`Device::best_telling`], where blocking is impossible.
    ///
    /// # Errors
    /// If wgpu's environment variables name an adapter that is not there.
    #[cfg(feature = "gpu")]
    pub async fn best_async(mut refused: impl FnMut(&DeviceError)) -> Result<Device, DeviceError> {
        use crate::gpu::{GpuDevice, GpuError, GpuOptions};
        let told = |error: &GpuError| refused(&error.clone().into());
        match GpuDevice::open_real_async(GpuOptions::default(), told).await {
            Ok(gpu) => Ok(Device::Gpu(gpu)),
            Err(GpuError::NoAdapter { .. } | GpuError::RequestDevice { .. }) => Ok(Device::cpu()),
            Err(error) => Err(error.into()),
        }
    }

    /// The CPU, and a GPU where `GpuDevice::for_tests` finds one: what a test of every device runs on.
    ///
    /// # Panics
    /// Where there is no GPU although the environment says `LETHE_REQUIRE_GPU=1`.
    #[cfg(not(target_arch = "wasm32"))]
    #[track_caller]
    pub fn all_for_tests() -> Vec<Device> {
        #[cfg(feature = "gpu")]
        let gpu = crate::gpu::GpuDevice::for_tests(crate::gpu::GpuOptions::default()).map(Device::Gpu);
        #[cfg(not(feature = "gpu"))]
        let gpu = None;
        [Device::cpu()].into_iter().chain(gpu).collect()
    }

    /// Bytes of the device's memory that tensors have in use, as its allocator rounds them; what it keeps for later is not among them.
    pub fn memory_in_use(&self) -> u64 {
        match self {
            Device::Cpu(cpu) => cpu.memory_in_use() as u64,
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => gpu.counters().live_bytes,
        }
    }

    /// Whether this is the CPU.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Device::Cpu(_))
    }

    /// The most 32-bit elements of one operand that a kernel sees at once. Operations on more are made of operations on parts.
    pub fn most_elements(&self) -> usize {
        match self {
            Device::Cpu(_) => usize::MAX,
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => (gpu.caps().max_binding / 4) as usize,
        }
    }

    /// The longest row that one kernel takes from its first element to its last. On a GPU a few threads share a row, and none may run long:
    /// longer rows are better served by several kernels, each of which all threads work at.
    pub(crate) fn longest_row(&self) -> usize {
        const LONGEST: usize = 1 << 18;
        if self.is_cpu() { usize::MAX } else { LONGEST.min(self.most_elements()) }
    }

    /// Runs `f` inside the device's threads: do a whole training step in one `scope`, so that no kernel has to wake them.
    pub fn scope<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match self {
            Device::Cpu(cpu) => cpu.scope(f),
            #[cfg(feature = "gpu")]
            Device::Gpu(_) => f(),
        }
    }

    /// Hands over the work recorded so far without waiting for it: at the end of a step, so that a GPU computes while the host goes on.
    pub fn submit(&self) {
        match self {
            Device::Cpu(_) => {}
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => gpu.submit(),
        }
    }

    /// Waits until all work given so far is done.
    ///
    /// # Errors
    /// If the device failed since the last read: out of memory, an invalid kernel, or lost.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        match self {
            Device::Cpu(_) => Ok(()),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => Ok(gpu.synchronize()?),
        }
    }

    /// The most bytes that one tensor can take here, and what sets that limit.
    fn largest_tensor(&self) -> (u64, &'static str) {
        match self {
            // 47 bits are what a process of today's 64-bit systems can address.
            Device::Cpu(_) => ((isize::MAX as u64).min(1 << 47), "the address space"),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => (gpu.caps().max_buffer, "the adapter's largest buffer"),
        }
    }

    /// Refuses what no memory of the device could hold, at the call and before any work is done.
    ///
    /// # Panics
    /// If a tensor of this type and shape is larger than one tensor may be here; the message begins with `op`.
    #[track_caller]
    pub fn check_room(&self, op: &str, dtype: DType, shape: &[usize]) {
        let bytes = numel(shape) as u128 * dtype.size() as u128;
        let (most, whose) = self.largest_tensor();
        assert!(
            bytes <= u128::from(most),
            "{op}: {dtype} {shape:?} takes {bytes} bytes, of which {self:?} allows {most} for one tensor ({whose})"
        );
    }

    /// Whether tensors of both can meet in one operation.
    pub fn same(&self, other: &Device) -> bool {
        match (self, other) {
            (Device::Cpu(_), Device::Cpu(_)) => true,
            #[cfg(feature = "gpu")]
            (Device::Gpu(a), Device::Gpu(b)) => a.same(b),
            #[cfg(feature = "gpu")]
            _ => false,
        }
    }
}

/// With back end and driver: what a report of a run or of a fault must say.
impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu(_) => write!(f, "cpu ({})", CpuDevice::instructions()),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => write!(f, "{}", gpu.summary()),
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu(_) => f.write_str("cpu"),
            #[cfg(feature = "gpu")]
            Device::Gpu(gpu) => write!(f, "{}", gpu.summary().name),
        }
    }
}
