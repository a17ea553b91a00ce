//! How long operations take by the GPU's own clock: every dispatch has a compute pass of its own, with a timestamp before and after it.

use std::sync::Arc;
use std::time::Duration;

use super::error::GpuError;
use super::readback::{ReadBuffers, Slot};

/// Passes of a query set; a set holds 4096 queries on every device.
const PASSES: u32 = 2048;
/// Bytes of a timestamp.
const BYTES: u64 = 8;

/// The timestamps of one device.
pub(super) struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Nanoseconds of a tick.
    period: f32,
    /// The operation whose dispatches are recorded.
    pub operation: usize,
    /// The operations of the passes since the last submission.
    passes: Vec<usize>,
    /// The operations of earlier submissions, and their ticks.
    submitted: Vec<(Vec<usize>, Arc<Slot>)>,
}

impl Timestamps {
    /// For a device that has them.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Timestamps {
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("operations"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * PASSES,
        });
        let resolved = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: u64::from(2 * PASSES) * BYTES,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let period = queue.get_timestamp_period();
        Timestamps { set, resolved, period, operation: 0, passes: vec![], submitted: vec![] }
    }

    /// Where the next pass writes its timestamps.
    pub fn next_pass(&mut self) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * self.passes.len() as u32;
        self.passes.push(self.operation);
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Whether no pass is left.
    pub fn is_full(&self) -> bool {
        self.passes.len() as u32 == PASSES
    }

    /// Has the ticks of the passes read after the submission of this encoder; the slot, for it to be told of.
    pub fn resolve(&mut self, encoder: &mut wgpu::CommandEncoder, reads: &ReadBuffers) -> Option<Arc<Slot>> {
        let passes = std::mem::take(&mut self.passes);
        if passes.is_empty() {
            return None;
        }
        let count = 2 * passes.len() as u32;
        let bytes = u64::from(count) * BYTES;
        let target = reads.create_for(bytes);
        encoder.resolve_query_set(&self.set, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &target, 0, bytes);
        let slot = reads.map(encoder, target, 0, bytes as usize);
        self.submitted.push((passes, slot.clone()));
        Some(slot)
    }

    /// The times of all passes that the device has finished, with the numbers of their operations.
    ///
    /// # Errors
    /// If the device failed meanwhile.
    pub fn times(self) -> Result<Vec<(usize, Duration)>, GpuError> {
        let mut times = vec![];
        for (operations, slot) in self.submitted {
            let Some(ticks) = slot.take() else { continue };
            let ticks = ticks?;
            for (operation, pass) in operations.into_iter().zip(ticks.chunks_exact(2 * BYTES as usize)) {
                let [start, end] = [0, BYTES as usize].map(|at| {
                    let tick: [u8; BYTES as usize] = pass[at..at + BYTES as usize].try_into().expect("eight bytes");
                    u64::from_le_bytes(tick)
                });
                // Some drivers' clocks go back at times.
                let nanoseconds = end.saturating_sub(start) as f64 * f64::from(self.period);
                times.push((operation, Duration::from_secs_f64(nanoseconds * 1e-9)));
            }
        }
        Ok(times)
    }
}
