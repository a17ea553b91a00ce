//! Kernel parameters where the device has no immediates: a uniform buffer with one place for each dispatch between two
//! submissions, bound with a dynamic offset. Nothing is created after the first dispatch.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::caps::{PARAMS_BYTES, PARAMS_WORDS};
use super::counters::{Counts, add};

/// The distance of two places: the largest alignment of a dynamic offset that a device may demand.
const STRIDE: usize = 256;

/// The parameters of the dispatches recorded since the last submission.
pub(super) struct UniformParams {
    buffer: wgpu::Buffer,
    /// The bind group for group 1.
    pub group: wgpu::BindGroup,
    bytes: Vec<u8>,
}

impl UniformParams {
    /// For at most `slots` dispatches between two submissions.
    pub fn new(
        device: &wgpu::Device,
        counts: &Arc<Counts>,
        layout: &wgpu::BindGroupLayout,
        slots: u32,
    ) -> UniformParams {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: u64::from(slots) * STRIDE as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let window = wgpu::BufferBinding { buffer: &buffer, offset: 0, size: NonZeroU64::new(u64::from(PARAMS_BYTES)) };
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("parameters"),
            layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(window) }],
        });
        add(&counts.buffers_created, 1);
        add(&counts.bind_groups_created, 1);
        UniformParams { buffer, group, bytes: Vec::with_capacity(slots as usize * STRIDE) }
    }

    /// Keeps the words for the next dispatch; returns the dynamic offset of their place.
    pub fn push(&mut self, words: &[u32; PARAMS_WORDS]) -> u32 {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytemuck::bytes_of(words));
        self.bytes.resize(offset + STRIDE, 0);
        offset as u32
    }

    /// Sends what was kept ahead of the submission that uses it. wgpu runs such a write after all earlier submissions, so
    /// the places can be used again each time.
    pub fn flush(&mut self, queue: &wgpu::Queue) {
        if !self.bytes.is_empty() {
            queue.write_buffer(&self.buffer, 0, &self.bytes);
            self.bytes.clear();
        }
    }

    /// Forgets what was kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}
