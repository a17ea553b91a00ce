//! The CPU as a device: its buffers and its threads.

use super::buffer::{CpuBuffer, Pool};
use crate::error::DeviceError;
use std::sync::Arc;

/// A cheap handle on the CPU. Clones share the pool of buffers.
#[derive(Clone, Default)]
pub struct CpuDevice {
    pool: Arc<Pool>,
    threads: Option<Arc<rayon::ThreadPool>>,
}

impl CpuDevice {
    /// The instruction set that kernels use on this machine, in words.
    pub fn instructions() -> &'static str {
        super::levels::level().name()
    }

    /// The CPU, with the threads of rayon's global pool.
    pub fn new() -> CpuDevice {
        CpuDevice::default()
    }

    /// The CPU, with a pool of `threads` threads of its own.
    ///
    /// # Errors
    /// If the system refuses the threads.
    pub fn with_threads(threads: usize) -> Result<CpuDevice, DeviceError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        let pool = pool.map_err(|e| DeviceError::Threads { threads, reason: e.to_string() })?;
        Ok(CpuDevice { threads: Some(Arc::new(pool)), ..CpuDevice::default() })
    }

    /// Memory of unspecified contents; `None` if there is not that much.
    pub fn alloc(&self, bytes: usize) -> Option<CpuBuffer> {
        CpuBuffer::new(&self.pool, bytes)
    }

    /// Bytes that tensors have in use.
    pub fn memory_in_use(&self) -> usize {
        self.pool.in_use()
    }

    /// Runs a kernel on the device's own threads, so that its budget holds outside of a [`CpuDevice::scope`] too. Without a pool of its own
    /// it runs where it is called, and forks only if there is enough to do.
    pub(crate) fn run(&self, kernel: impl FnOnce() + Send) {
        match &self.threads {
            Some(pool) => pool.install(kernel),
            None => kernel(),
        }
    }

    /// Runs `f` inside the device's threads. Kernels called in it fork without waking a thread first: do a whole training step in one `scope`.
    pub fn scope<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.threads {
            Some(pool) => pool.install(f),
            None if rayon::current_thread_index().is_some() => f(),
            None => rayon::scope(|_| f()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::threads::parallel;
    use std::collections::HashSet;
    use std::sync::Mutex;

    #[test]
    fn kernels_stay_on_the_devices_threads_outside_of_a_scope() {
        let device = CpuDevice::with_threads(1).unwrap();
        let seen = Mutex::new(HashSet::new());
        device.run(|| {
            assert_eq!(rayon::current_num_threads(), 1);
            parallel(100, |_| _ = seen.lock().unwrap().insert(std::thread::current().id()));
        });
        let seen = seen.into_inner().unwrap();
        assert!(seen.len() == 1 && !seen.contains(&std::thread::current().id()));
    }
}
