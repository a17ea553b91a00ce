//! The open command encoder: dispatches in one compute pass, copies between, all in order, submitted in large batches.
//!
//! A compute pass stays open over dispatches and is closed only by a copy or a submission. At most `IN_FLIGHT`
//! submissions are under way; the recorder waits for the oldest rather than run further ahead, which bounds the memory of
//! transfers. It knows nothing of pools and caches.

#[cfg(not(target_arch = "wasm32"))]
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::bindings::Group;
use super::caps::PARAMS_WORDS;
use super::counters::{Counts, add};
use super::error::{GpuError, Poison};
use super::params::UniformParams;
use super::pipeline::Pipeline;
use super::readback::{ReadBuffers, Slot};
use super::staging::{LARGEST, Staging};
use super::timestamps::Timestamps;

/// Submissions that may be under way at once.
#[cfg(not(target_arch = "wasm32"))]
const IN_FLIGHT: usize = 4;

/// The recorder of one device.
pub(super) struct Recorder {
    // Dropped first: a pass must end before its encoder.
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    device: wgpu::Device,
    queue: wgpu::Queue,
    poison: Arc<Poison>,
    counts: Arc<Counts>,
    /// `None` where parameters are immediates.
    uniform: Option<UniformParams>,
    staging: Staging,
    reads: ReadBuffers,
    /// Reads recorded since the last submission.
    unsubmitted: Vec<Arc<Slot>>,
    #[cfg(not(target_arch = "wasm32"))]
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    /// Serial numbers of the pipeline and the bind group that the open pass has set; 0 for none.
    set: (u64, u64),
    dispatches: u32,
    most_dispatches: u32,
    /// While operations are timed.
    timestamps: Option<Timestamps>,
}

impl Recorder {
    pub fn new(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        poison: &Arc<Poison>,
        counts: &Arc<Counts>,
        uniform_layout: Option<&wgpu::BindGroupLayout>,
        most_dispatches: u32,
    ) -> Recorder {
        Recorder {
            pass: None,
            encoder: None,
            device: device.clone(),
            queue: queue.clone(),
            poison: poison.clone(),
            counts: counts.clone(),
            uniform: uniform_layout.map(|layout| UniformParams::new(device, counts, layout, most_dispatches)),
            staging: Staging::new(device, counts),
            reads: ReadBuffers::new(device, counts, poison),
            unsubmitted: Vec::new(),
            #[cfg(not(target_arch = "wasm32"))]
            in_flight: VecDeque::new(),
            set: (0, 0),
            dispatches: 0,
            most_dispatches,
            timestamps: None,
        }
    }

    /// Records one dispatch, and submits if that makes enough.
    pub fn dispatch(&mut self, pipeline: &Pipeline, group: &Group, params: &[u32], groups: [u32; 3]) {
        let mut words = [0; PARAMS_WORDS];
        words[..params.len()].copy_from_slice(params);
        if self.pass.is_none() || self.timestamps.is_some() {
            self.begin_pass();
        }
        let Some(pass) = &mut self.pass else { return };
        if self.set.0 != pipeline.serial {
            pass.set_pipeline(&pipeline.raw);
        }
        if self.set.1 != group.serial {
            pass.set_bind_group(0, &group.raw, &[]);
        }
        self.set = (pipeline.serial, group.serial);
        match &mut self.uniform {
            None => pass.set_immediates(0, bytemuck::bytes_of(&words)),
            Some(uniform) => {
                let offset = uniform.push(&words);
                pass.set_bind_group(1, &uniform.group, &[offset]);
            }
        }
        pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
        add(&self.counts.dispatches, 1);
        self.dispatches += 1;
        if self.dispatches >= self.most_dispatches || self.timestamps.as_ref().is_some_and(Timestamps::is_full) {
            self.submit();
        }
    }

    fn begin_pass(&mut self) {
        self.encoder();
        let Some(encoder) = &mut self.encoder else { return };
        let timestamp_writes = self.timestamps.as_mut().map(Timestamps::next_pass);
        let descriptor = wgpu::ComputePassDescriptor { timestamp_writes, ..wgpu::ComputePassDescriptor::default() };
        self.pass = Some(encoder.begin_compute_pass(&descriptor).forget_lifetime());
        self.set = (0, 0);
    }

    /// Begins to time operations, where the device can.
    pub fn begin_timing(&mut self) {
        if self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            self.submit();
            self.timestamps = Some(Timestamps::new(&self.device, &self.queue));
        }
    }

    /// The operation that the next dispatches belong to.
    pub fn begin_operation(&mut self, operation: usize) {
        if let Some(timestamps) = &mut self.timestamps {
            timestamps.operation = operation;
        }
    }

    /// Ends the timing, and gives what was measured; in a browser, which cannot wait, what has arrived.
    pub fn end_timing(&mut self) -> Result<Vec<(usize, Duration)>, GpuError> {
        self.submit();
        #[cfg(not(target_arch = "wasm32"))]
        self.wait_all();
        self.timestamps.take().map_or(Ok(vec![]), Timestamps::times)
    }

    /// Records a copy between two buffers; offsets and size are multiples of 4.
    pub fn copy(&mut self, from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), bytes: u64) {
        self.encoder().copy_buffer_to_buffer(from.0, from.1, to.0, to.1, bytes);
    }

    /// Records that a range becomes zero; offset and size are multiples of 4.
    pub fn clear(&mut self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) {
        self.encoder().clear_buffer(buffer, offset, Some(bytes));
    }

    /// Records that `bytes` go to `buffer` at `offset` (a multiple of 4), padded with zeros to a multiple of 4.
    pub fn write(&mut self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) {
        let mut at = offset;
        for piece in bytes.chunks(LARGEST as usize) {
            let size = (piece.len() as u64).next_multiple_of(4);
            let Some((chunk, start)) = self.reserve(size) else { return };
            match chunk.get_mapped_range_mut(start..start + size) {
                Ok(mut view) => {
                    let whole = piece.len() & !3;
                    view.slice(..whole).copy_from_slice(&piece[..whole]);
                    if whole < piece.len() {
                        let mut last = [0; 4];
                        last[..piece.len() - whole].copy_from_slice(&piece[whole..]);
                        view.slice(whole..).copy_from_slice(&last);
                    }
                }
                Err(error) => return self.poison.set(GpuError::Internal(format!("no staging memory: {error}"))),
            }
            self.copy((&chunk, start), (buffer, at), size);
            at += size;
        }
    }

    /// Records a read of `bytes` bytes from `offset` on, for a later submission.
    pub fn read(&mut self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Arc<Slot> {
        let start = offset & !3;
        let size = (offset + bytes).next_multiple_of(4) - start;
        let target = self.read_buffer(size);
        self.copy((buffer, start), (&target, 0), size);
        let (skip, bytes) = ((offset - start) as usize, bytes as usize);
        self.end_pass();
        let Some(encoder) = &self.encoder else {
            return Arc::new(Slot::filled(Err(self.poison.or_lost("no encoder"))));
        };
        let slot = self.reads.map(encoder, target, skip, bytes);
        self.unsubmitted.push(slot.clone());
        slot
    }

    /// Submits what is recorded, if anything is. On a poisoned device, discards it.
    pub fn submit(&mut self) {
        self.end_pass();
        self.dispatches = 0;
        let Some(mut encoder) = self.encoder.take() else { return };
        if let Some(timestamps) = &mut self.timestamps {
            self.unsubmitted.extend(timestamps.resolve(&mut encoder, &self.reads));
        }
        if let Err(error) = self.poison.status() {
            self.unsubmitted.drain(..).for_each(|slot| slot.fill(Err(error.clone())));
            if let Some(uniform) = &mut self.uniform {
                uniform.clear();
            }
            return;
        }
        self.staging.close(&encoder);
        if let Some(uniform) = &mut self.uniform {
            uniform.flush(&self.queue);
        }
        let index = self.queue.submit([encoder.finish()]);
        add(&self.counts.submits, 1);
        self.unsubmitted.drain(..).for_each(|slot| slot.set_submission(&index));
        self.pace(index);
    }

    /// The encoder, outside any pass.
    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.end_pass();
        let device = &self.device;
        self.encoder.get_or_insert_with(|| device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()))
    }

    fn end_pass(&mut self) {
        self.pass = None;
    }
}

/// Waiting, where it is possible.
#[cfg(not(target_arch = "wasm32"))]
impl Recorder {
    /// Waits until all that was submitted is done.
    pub fn wait_all(&mut self) {
        while self.wait_oldest() {}
    }

    fn pace(&mut self, index: wgpu::SubmissionIndex) {
        self.in_flight.push_back(index);
        while self.in_flight.len() > IN_FLIGHT {
            self.wait_oldest();
        }
    }

    /// Waits for the oldest submission under way; `false` if there is none.
    fn wait_oldest(&mut self) -> bool {
        let Some(index) = self.in_flight.pop_front() else { return false };
        if let Err(error) = self.device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None }) {
            self.poison.set(GpuError::Internal(format!("waiting for the device failed: {error}")));
        }
        true
    }

    /// Staging room, waited for if need be; `None` on a poisoned device.
    fn reserve(&mut self, bytes: u64) -> Option<(wgpu::Buffer, u64)> {
        let mut room = self.staging.reserve(bytes);
        if room.is_none() {
            self.submit();
        }
        while room.is_none() && self.wait_oldest() {
            room = self.staging.reserve(bytes);
        }
        if room.is_none() {
            self.poison.set(GpuError::Internal("staging memory did not come back from the device".into()));
        }
        room
    }

    fn read_buffer(&mut self, bytes: u64) -> wgpu::Buffer {
        let mut buffer = self.reads.take(bytes);
        if buffer.is_none() {
            self.submit();
        }
        while buffer.is_none() && self.wait_oldest() {
            buffer = self.reads.take(bytes);
        }
        buffer.unwrap_or_else(|| self.reads.create_for(bytes))
    }
}

/// A browser's main thread cannot wait: more buffers are made instead.
#[cfg(target_arch = "wasm32")]
impl Recorder {
    fn pace(&mut self, _index: wgpu::SubmissionIndex) {}

    fn reserve(&mut self, bytes: u64) -> Option<(wgpu::Buffer, u64)> {
        self.staging.reserve(bytes).or_else(|| {
            self.staging.add_chunk();
            self.staging.reserve(bytes)
        })
    }

    fn read_buffer(&mut self, bytes: u64) -> wgpu::Buffer {
        self.reads.take(bytes).unwrap_or_else(|| self.reads.create_for(bytes))
    }
}
