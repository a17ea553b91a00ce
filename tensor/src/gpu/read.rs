//! Results: reads that wait, and reads that are fetched when they are ready.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::buffer_pool::Buffer;
use super::counters::add;
use super::device::GpuDevice;
use super::error::{GpuError, lock};
use super::readback::Slot;

impl GpuDevice {
    /// The contents of a range, after all that was recorded before. Submits. On native targets the future completes at its
    /// first poll, by blocking; in a browser it yields.
    ///
    /// # Errors
    /// The failure that poisoned the device.
    ///
    /// # Panics
    /// If the range ends beyond the buffer.
    pub async fn read(&self, buffer: &Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>, GpuError> {
        self.start_read(buffer, offset, bytes, &self.0.counts.blocking_reads).finish().await
    }

    /// As [`GpuDevice::read`], blocking.
    ///
    /// # Errors
    /// The failure that poisoned the device; in a browser always.
    ///
    /// # Panics
    /// If the range ends beyond the buffer.
    #[track_caller]
    pub fn read_blocking(&self, buffer: &Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>, GpuError> {
        self.start_read(buffer, offset, bytes, &self.0.counts.blocking_reads).wait()
    }

    /// Records a read of a range as it is at this point of the order, to be fetched later. Does not submit or wait (but
    /// for a read that is still under way, if a great many are).
    ///
    /// # Panics
    /// If the range ends beyond the buffer.
    #[track_caller]
    pub fn read_later(&self, buffer: &Buffer, offset: u64, bytes: u64) -> PendingRead {
        self.start_read(buffer, offset, bytes, &self.0.counts.async_reads)
    }

    #[track_caller]
    fn start_read(&self, buffer: &Buffer, offset: u64, bytes: u64, counter: &AtomicU64) -> PendingRead {
        let slot = match self.status() {
            Err(error) => Arc::new(Slot::filled(Err(error))),
            Ok(()) => {
                let inside = offset + bytes <= buffer.size();
                assert!(inside, "read {buffer:?}: bytes {offset}..{} are not all in it", offset + bytes);
                add(counter, 1);
                add(&self.0.counts.bytes_read, bytes);
                match bytes {
                    0 => Arc::new(Slot::filled(Ok(Vec::new()))),
                    _ => lock(&self.0.work).recorder.read(buffer.raw(), offset, bytes),
                }
            }
        };
        PendingRead { device: self.clone(), slot, is_taken: false }
    }
}

/// A read under way. It may be dropped unfetched.
pub struct PendingRead {
    device: GpuDevice,
    slot: Arc<Slot>,
    is_taken: bool,
}

impl PendingRead {
    /// The bytes if they have arrived, without waiting; `None` if they have not, or were taken before. Submits what is
    /// recorded if the read itself has not been submitted yet.
    ///
    /// The result within is an error if the device is poisoned.
    pub fn try_take(&mut self) -> Option<Result<Vec<u8>, GpuError>> {
        if self.is_taken {
            return None;
        }
        let arrived = self.slot.take().or_else(|| {
            self.ensure_submitted();
            // A failed poll shows in the next one that waits; here it only means that nothing has arrived.
            #[cfg(not(target_arch = "wasm32"))]
            let _ = self.device.0.raw.poll(wgpu::PollType::Poll);
            self.slot.take()
        });
        let taken = self.unless_poisoned(arrived);
        self.is_taken = taken.is_some();
        taken
    }

    /// Waits for the bytes.
    ///
    /// # Errors
    /// The failure that poisoned the device; in a browser always.
    ///
    /// # Panics
    /// If [`PendingRead::try_take`] has given the result away.
    #[track_caller]
    pub fn wait(self) -> Result<Vec<u8>, GpuError> {
        if cfg!(target_arch = "wasm32") {
            return Err(GpuError::CannotBlock { instead: "PendingRead::finish, or Later::arrive" });
        }
        pollster::block_on(self.finish())
    }

    /// The bytes, as a future. On native targets it completes at its first poll, by blocking.
    ///
    /// # Errors
    /// The failure that poisoned the device.
    ///
    /// # Panics
    /// If [`PendingRead::try_take`] has given the result away.
    pub async fn finish(self) -> Result<Vec<u8>, GpuError> {
        assert!(!self.is_taken, "the result of this read was taken before");
        self.ensure_submitted();
        #[cfg(not(target_arch = "wasm32"))]
        self.block();
        self.device.status()?;
        let bytes = std::future::poll_fn(|context| self.slot.poll(context)).await;
        self.device.status()?;
        bytes
    }

    /// Returns when the bytes have arrived or never will.
    #[cfg(not(target_arch = "wasm32"))]
    fn block(&self) {
        while !self.slot.is_filled() && !self.device.0.poison.is_set() {
            let wait = wgpu::PollType::Wait { submission_index: self.slot.submission(), timeout: None };
            if let Err(error) = self.device.0.raw.poll(wait) {
                self.device.0.poison.set(GpuError::Internal(format!("waiting for a read failed: {error}")));
            }
        }
    }

    fn ensure_submitted(&self) {
        if self.slot.submission().is_none() && !self.slot.is_filled() {
            self.device.submit();
        }
    }

    /// Nothing that was read after a failure can be trusted.
    fn unless_poisoned(&self, taken: Option<Result<Vec<u8>, GpuError>>) -> Option<Result<Vec<u8>, GpuError>> {
        self.device.status().map_or_else(|error| Some(Err(error)), |()| taken)
    }
}
