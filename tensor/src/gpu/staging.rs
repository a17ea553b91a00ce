//! Bytes on their way to the device: a few host-mapped chunks that are filled while commands are recorded, copied from by
//! the submission, and mapped again when it is done. A copy recorded among the dispatches keeps the order, which
//! `Queue::write_buffer` would not: it runs ahead of all that is recorded but not yet submitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::counters::{Counts, add};

/// Chunks of the current size. All are made at once, so that how many there are does not depend on the device's speed.
const CHUNKS: usize = 3;
/// The first size in bytes.
const SMALLEST: u64 = 256 << 10;
/// The largest size in bytes; longer uploads go in pieces.
pub(super) const LARGEST: u64 = 32 << 20;
/// The alignment of a mapped range (wgpu's `MAP_ALIGNMENT`).
const ALIGNMENT: u64 = 8;

/// The chunks of one device.
pub(super) struct Staging {
    device: wgpu::Device,
    counts: Arc<Counts>,
    size: u64,
    chunks: Vec<Chunk>,
}

struct Chunk {
    raw: wgpu::Buffer,
    used: u64,
    mapped: Arc<AtomicBool>,
}

impl Chunk {
    fn is_mapped(&self) -> bool {
        self.mapped.load(Ordering::Acquire)
    }
}

impl Staging {
    pub fn new(device: &wgpu::Device, counts: &Arc<Counts>) -> Staging {
        Staging { device: device.clone(), counts: counts.clone(), size: SMALLEST, chunks: Vec::new() }
    }

    /// Room for `bytes` bytes (a multiple of 4, at most `LARGEST`) in a mapped chunk: the chunk and the offset in it.
    /// `None` if all chunks wait for the device.
    pub fn reserve(&mut self, bytes: u64) -> Option<(wgpu::Buffer, u64)> {
        self.size = self.size.max(bytes.next_power_of_two());
        let size = self.size;
        self.chunks.retain(|chunk| chunk.raw.size() == size || chunk.used > 0 || !chunk.is_mapped());
        if !self.chunks.iter().any(|chunk| chunk.raw.size() == size) {
            (0..CHUNKS).for_each(|_| self.add_chunk());
        }
        let has_room = |chunk: &&mut Chunk| chunk.is_mapped() && chunk.used + bytes <= chunk.raw.size();
        // A chunk in use first, so that a submission closes as few as it can.
        let (in_use, idle): (Vec<_>, Vec<_>) = self.chunks.iter_mut().partition(|chunk| chunk.used > 0);
        let chunk = in_use.into_iter().chain(idle).find(has_room)?;
        let offset = chunk.used;
        chunk.used = (offset + bytes).next_multiple_of(ALIGNMENT);
        Some((chunk.raw.clone(), offset))
    }

    /// One more chunk of the current size, mapped.
    pub fn add_chunk(&mut self) {
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: self.size,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        });
        add(&self.counts.buffers_created, 1);
        self.chunks.push(Chunk { raw, used: 0, mapped: Arc::new(AtomicBool::new(true)) });
    }

    /// Unmaps the chunks in use, which `encoder` copies from, and has them mapped again after its submission.
    pub fn close(&mut self, encoder: &wgpu::CommandEncoder) {
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.used > 0 && chunk.is_mapped()) {
            chunk.raw.unmap();
            chunk.used = 0;
            chunk.mapped.store(false, Ordering::Release);
            let mapped = chunk.mapped.clone();
            encoder.map_buffer_on_submit(&chunk.raw, wgpu::MapMode::Write, .., move |result| {
                mapped.store(result.is_ok(), Ordering::Release);
            });
        }
    }
}
