//! What each operation costs: a record of all that a device runs while a [`Profiler`] is there.

use crate::device::Device;
use crate::dtype::DType;
use crate::error::DeviceError;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Looked at before every operation, so that nothing is locked without a profiler.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static RECORDING: Mutex<Option<Recording>> = Mutex::new(None);

struct Recording {
    device: Device,
    start: Instant,
    operations: Vec<Operation>,
}

/// An operation that was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its name, [`Plan::name`](crate::plan::Plan::name).
    pub name: &'static str,
    /// The type of its first output.
    pub dtype: DType,
    /// The shapes of its inputs.
    pub inputs: Vec<Vec<usize>>,
    /// The shape of its first output; elements alone where it writes a part of a vector.
    pub output: Vec<usize>,
    /// Its floating-point operations; a multiply-add counts as two.
    pub flops: u64,
    /// The least bytes that it moves: every input read and every output written once.
    pub bytes: u64,
    /// When it was begun on the host, since the profiler was made.
    pub start: Duration,
    /// How long the host took: on the CPU for the work itself, on a GPU for recording it.
    pub host: Duration,
    /// How long a GPU took, by its own clock; `None` on the CPU, and on a GPU without timestamps.
    pub device: Option<Duration>,
    /// Bytes of the device's buffers that are in use after it.
    pub memory: u64,
}

impl Operation {
    /// How long the device took, as far as that is known.
    pub fn time(&self) -> Duration {
        self.device.unwrap_or(self.host)
    }
}

/// Records the operations of a device (of the CPU: of all handles on it) by all threads, until it is finished or dropped.
///
/// On a GPU every dispatch has a compute pass of its own meanwhile, which takes the driver longer than one pass for many.
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, Profiler, Tensor};
/// let x = Tensor::from_slice(&Device::cpu(), &[1.0f32; 200], &[10, 20]);
/// let profiler = Profiler::new(x.device()).expect("the only one");
/// x.matmul(&x.transpose(0, 1)).force();
/// let operations = profiler.finish().unwrap();
/// assert_eq!((operations[0].name, operations[0].flops), ("matmul", 2 * 10 * 20 * 10));
/// ```
#[derive(Debug)]
pub struct Profiler(());

impl Profiler {
    /// Begins to record; `None` if there is a profiler already. Waits for the device's earlier work.
    pub fn new(device: &Device) -> Option<Profiler> {
        let mut recording = lock();
        if recording.is_some() {
            return None;
        }
        // A failure of the device is found again by whoever reads from it.
        let _ = device.synchronize();
        #[cfg(feature = "gpu")]
        if let Device::Gpu(gpu) = device {
            gpu.begin_timing();
        }
        *recording = Some(Recording { device: device.clone(), start: Instant::now(), operations: vec![] });
        ACTIVE.store(true, Relaxed);
        Some(Profiler(()))
    }

    /// Waits for the device and returns what was recorded, in the order in which operations were begun.
    ///
    /// # Errors
    /// If the device has failed.
    pub fn finish(self) -> Result<Vec<Operation>, DeviceError> {
        // What its drop does, with the result.
        std::mem::forget(self);
        end()
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        // A failure of the device is found again by whoever reads from it.
        let _ = end();
    }
}

/// Ends the recording.
fn end() -> Result<Vec<Operation>, DeviceError> {
    ACTIVE.store(false, Relaxed);
    let Some(Recording { device, mut operations, .. }) = lock().take() else { return Ok(vec![]) };
    #[cfg(feature = "gpu")]
    if let Device::Gpu(gpu) = &device {
        for (index, time) in gpu.end_timing()? {
            if let Some(operation) = operations.get_mut(index) {
                *operation.device.get_or_insert_default() += time;
            }
        }
    }
    device.synchronize()?;
    operations.shrink_to_fit();
    Ok(operations)
}

fn lock() -> MutexGuard<'static, Option<Recording>> {
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an operation's work, which `describe` describes (its times left out), and records it if there is a profiler of its device.
pub(crate) fn recorded(device: &Device, describe: impl FnOnce() -> Operation, work: impl FnOnce()) {
    if !ACTIVE.load(Relaxed) {
        return work();
    }
    let Some(index) = begin(device, describe) else { return work() };
    let start = Instant::now();
    work();
    let host = start.elapsed();
    if let Some(recording) = &mut *lock()
        && let Some(operation) = recording.operations.get_mut(index)
    {
        operation.host = host;
        operation.start = start.saturating_duration_since(recording.start);
        operation.memory = device.memory_in_use();
    }
}

/// Adds an operation, and returns its number.
fn begin(device: &Device, describe: impl FnOnce() -> Operation) -> Option<usize> {
    let mut recording = lock();
    let recording = recording.as_mut().filter(|r| r.device.same(device))?;
    recording.operations.push(describe());
    let index = recording.operations.len() - 1;
    #[cfg(feature = "gpu")]
    if let Device::Gpu(gpu) = device {
        gpu.begin_operation(index);
    }
    Some(index)
}
