//! Reading bytes back: host-mappable buffers that a submission copies into, and the slot where the bytes are found
//! when it is done. The mapping callback copies them out and frees the buffer, so a result may be fetched at any time.
//! Whether and how a caller waits is not decided here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::counters::{Counts, add};
use super::error::{GpuError, Poison, lock};

/// The sizes of small reads. Their buffers are made `SMALL_COUNT` at a time, at the first read of the size, so that how
/// many there are does not depend on the device's speed.
const SMALL: [u64; 2] = [4 << 10, 64 << 10];
const SMALL_COUNT: usize = 8;
/// Buffers above this size are not kept.
const KEPT: u64 = 32 << 20;

type Free = Arc<Mutex<BTreeMap<u64, Vec<wgpu::Buffer>>>>;

/// The read-back buffers of one device.
pub(super) struct ReadBuffers {
    device: wgpu::Device,
    counts: Arc<Counts>,
    poison: Arc<Poison>,
    free: Free,
}

impl ReadBuffers {
    pub fn new(device: &wgpu::Device, counts: &Arc<Counts>, poison: &Arc<Poison>) -> ReadBuffers {
        let (device, counts, poison) = (device.clone(), counts.clone(), poison.clone());
        ReadBuffers { device, counts, poison, free: Free::default() }
    }

    /// A buffer of at least `bytes` bytes. `None` if all buffers of a small size are on their way: wait for one.
    pub fn take(&self, bytes: u64) -> Option<wgpu::Buffer> {
        let size = read_size(bytes);
        let mut free = lock(&self.free);
        match free.get_mut(&size) {
            Some(buffers) if SMALL.contains(&size) => buffers.pop(),
            Some(buffers) if !buffers.is_empty() => buffers.pop(),
            _ => {
                let count = if SMALL.contains(&size) { SMALL_COUNT } else { 1 };
                let mut buffers: Vec<_> = (0..count).map(|_| self.create(size)).collect();
                let taken = buffers.pop();
                free.insert(size, buffers);
                taken
            }
        }
    }

    /// A buffer of at least `bytes` bytes, made for the purpose.
    pub fn create_for(&self, bytes: u64) -> wgpu::Buffer {
        self.create(read_size(bytes))
    }

    fn create(&self, size: u64) -> wgpu::Buffer {
        add(&self.counts.buffers_created, 1);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read-back"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Has `buffer` mapped after the submission of `encoder`, and its bytes from `skip` on, `bytes` of them, put into the
    /// slot.
    pub fn map(&self, encoder: &wgpu::CommandEncoder, buffer: wgpu::Buffer, skip: usize, bytes: usize) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        let (filled, free, poison, raw) = (slot.clone(), self.free.clone(), self.poison.clone(), buffer.clone());
        let end = ((skip + bytes) as u64).next_multiple_of(4);
        encoder.map_buffer_on_submit(&buffer, wgpu::MapMode::Read, ..end, move |result| {
            let bytes = match (result, raw.get_mapped_range(..end)) {
                (Ok(()), Ok(view)) => Ok(view[skip..skip + bytes].to_vec()),
                (Err(error), _) => Err(poison.or_lost(error)),
                (_, Err(error)) => Err(poison.or_lost(error)),
            };
            if bytes.is_ok() {
                raw.unmap();
                if raw.size() <= KEPT {
                    lock(&free).entry(raw.size()).or_default().push(raw);
                }
            }
            filled.fill(bytes);
        });
        slot
    }
}

/// The size of the buffer for a read: the small sizes, then powers of two, then whole mebibytes.
fn read_size(bytes: u64) -> u64 {
    match SMALL.iter().find(|size| bytes <= **size) {
        Some(size) => *size,
        None if bytes <= KEPT => bytes.next_power_of_two(),
        None => bytes.next_multiple_of(1 << 20),
    }
}

/// Where the bytes of one read arrive.
#[derive(Default)]
pub(super) struct Slot(Mutex<SlotState>);

#[derive(Default)]
struct SlotState {
    bytes: Option<Result<Vec<u8>, GpuError>>,
    submission: Option<wgpu::SubmissionIndex>,
    waker: Option<Waker>,
}

impl Slot {
    /// A slot that is filled from the start.
    pub fn filled(bytes: Result<Vec<u8>, GpuError>) -> Slot {
        Slot(Mutex::new(SlotState { bytes: Some(bytes), ..SlotState::default() }))
    }

    /// Puts the result in, unless there is one.
    pub fn fill(&self, bytes: Result<Vec<u8>, GpuError>) {
        let mut state = lock(&self.0);
        state.bytes.get_or_insert(bytes);
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    /// The result, once.
    pub fn take(&self) -> Option<Result<Vec<u8>, GpuError>> {
        lock(&self.0).bytes.take()
    }

    pub fn is_filled(&self) -> bool {
        lock(&self.0).bytes.is_some()
    }

    /// As [`Slot::take`]; if there is none yet, the context is woken when there is.
    pub fn poll(&self, context: &Context<'_>) -> Poll<Result<Vec<u8>, GpuError>> {
        let mut state = lock(&self.0);
        match state.bytes.take() {
            Some(bytes) => Poll::Ready(bytes),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The submission that fills the slot, once there is one.
    pub fn submission(&self) -> Option<wgpu::SubmissionIndex> {
        lock(&self.0).submission.clone()
    }

    pub fn set_submission(&self, index: &wgpu::SubmissionIndex) {
        lock(&self.0).submission = Some(index.clone());
    }
}
