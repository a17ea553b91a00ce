//! What the runtime did, in numbers: for tests of steady state, benchmarks and the program's report. No clock times.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of a device's counters. All but the three of memory only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Compute dispatches recorded.
    pub dispatches: u64,
    /// Command buffers submitted.
    pub submits: u64,
    /// wgpu buffers created, those for uploads and reads included.
    pub buffers_created: u64,
    /// Bind groups created.
    pub bind_groups_created: u64,
    /// Compute pipelines created.
    pub pipelines_created: u64,
    /// Reads for which the caller waits.
    pub blocking_reads: u64,
    /// Reads started with [`GpuDevice::read_later`](super::GpuDevice::read_later).
    pub async_reads: u64,
    /// Bytes read back, by either kind of read.
    pub bytes_read: u64,
    /// Bytes that the pool owns, in use and free.
    pub pool_bytes: u64,
    /// Bytes in buffers that are in use.
    pub live_bytes: u64,
    /// The largest `live_bytes` so far.
    pub pool_high_water: u64,
}

impl Counters {
    /// What was counted since `earlier`; the three figures of memory as they are now.
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters {
            dispatches: self.dispatches - earlier.dispatches,
            submits: self.submits - earlier.submits,
            buffers_created: self.buffers_created - earlier.buffers_created,
            bind_groups_created: self.bind_groups_created - earlier.bind_groups_created,
            pipelines_created: self.pipelines_created - earlier.pipelines_created,
            blocking_reads: self.blocking_reads - earlier.blocking_reads,
            async_reads: self.async_reads - earlier.async_reads,
            bytes_read: self.bytes_read - earlier.bytes_read,
            ..*self
        }
    }
}

/// The living counters, shared by the parts of one device.
#[derive(Default)]
pub(super) struct Counts {
    pub dispatches: AtomicU64,
    pub submits: AtomicU64,
    pub buffers_created: AtomicU64,
    pub bind_groups_created: AtomicU64,
    pub pipelines_created: AtomicU64,
    pub blocking_reads: AtomicU64,
    pub async_reads: AtomicU64,
    pub bytes_read: AtomicU64,
    pub pool_bytes: AtomicU64,
    pub live_bytes: AtomicU64,
    pub pool_high_water: AtomicU64,
    /// The size of the last buffer the pool asked the driver for: named when memory runs out later than that.
    pub last_asked: AtomicU64,
}

impl Counts {
    pub fn snapshot(&self) -> Counters {
        Counters {
            dispatches: get(&self.dispatches),
            submits: get(&self.submits),
            buffers_created: get(&self.buffers_created),
            bind_groups_created: get(&self.bind_groups_created),
            pipelines_created: get(&self.pipelines_created),
            blocking_reads: get(&self.blocking_reads),
            async_reads: get(&self.async_reads),
            bytes_read: get(&self.bytes_read),
            pool_bytes: get(&self.pool_bytes),
            live_bytes: get(&self.live_bytes),
            pool_high_water: get(&self.pool_high_water),
        }
    }
}

/// Adds to a counter. Counters order nothing, so relaxed will do.
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// A counter's value.
pub(super) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
