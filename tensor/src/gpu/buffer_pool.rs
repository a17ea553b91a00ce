//! The buffer pool: device memory in size classes, handed out last in first out, and in a fixed order after each submission, so that
//! equal steps see equal buffers.
//!
//! A buffer goes back when its last handle is dropped and may be handed out at once, though recorded work still uses it:
//! everything runs in recorded order on one queue. Waiting for memory and evicting bind groups is the device's part.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::counters::{Counts, add, get};
use super::error::{GpuError, Poison, lock};

/// A piece of device memory; a cheap handle. It returns to its pool when the last clone is dropped.
#[derive(Clone)]
pub struct Buffer(Arc<Allocation>);

struct Allocation {
    raw: wgpu::Buffer,
    id: u64,
    /// The size class in bytes, or 0 for the stand-in that a poisoned device hands out, which belongs to no class.
    class: u64,
    pool: Arc<Pool>,
}

impl Buffer {
    /// The capacity in bytes: at least what was asked for.
    pub fn size(&self) -> u64 {
        self.0.raw.size()
    }

    /// A number that no other block of memory of this device has, nor will have. A buffer that comes back from the pool keeps it.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.0.raw
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer {} of {} bytes", self.id(), self.size())
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.class > 0 {
            self.pool.give_back(self.class, self.id, self.raw.clone());
        }
    }
}

/// What every pooled buffer may be used for.
const USAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

/// The pool of one device.
pub(super) struct Pool {
    device: wgpu::Device,
    poison: Arc<Poison>,
    counts: Arc<Counts>,
    /// The budget in bytes, if there is one.
    limit: Option<u64>,
    /// The largest buffer in bytes, a multiple of 4.
    largest: u64,
    stand_in: wgpu::Buffer,
    shelves: Mutex<Shelves>,
}

/// Free buffers by class, and the next id.
struct Shelves {
    free: BTreeMap<u64, Vec<(u64, wgpu::Buffer)>>,
    next_id: u64,
}

impl Pool {
    pub fn new(
        device: &wgpu::Device,
        poison: &Arc<Poison>,
        counts: &Arc<Counts>,
        limit: Option<u64>,
        largest: u64,
    ) -> Pool {
        let stand_in = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("stand-in"),
            size: GRAIN,
            usage: USAGE,
            mapped_at_creation: false,
        });
        add(&counts.buffers_created, 1);
        Pool {
            device: device.clone(),
            poison: poison.clone(),
            counts: counts.clone(),
            limit,
            largest: largest & !3,
            stand_in,
            shelves: Mutex::new(Shelves { free: BTreeMap::new(), next_id: 1 }),
        }
    }

    /// A buffer of at least `bytes` bytes with arbitrary contents, or why there is none. Poisons nothing.
    pub fn take(self: &Arc<Pool>, bytes: u64) -> Result<Buffer, GpuError> {
        let class =
            size_class(bytes, self.largest).ok_or(GpuError::BufferTooLarge { asked: bytes, largest: self.largest })?;
        let mut shelves = lock(&self.shelves);
        let (id, raw) = match shelves.free.get_mut(&class).and_then(Vec::pop) {
            Some(free) => free,
            None => {
                let raw = self.create(class)?;
                shelves.next_id += 1;
                (shelves.next_id - 1, raw)
            }
        };
        drop(shelves);
        let live = self.counts.live_bytes.fetch_add(class, Ordering::Relaxed) + class;
        self.counts.pool_high_water.fetch_max(live, Ordering::Relaxed);
        Ok(Buffer(Arc::new(Allocation { raw, id, class, pool: self.clone() })))
    }

    /// What a poisoned device hands out: nothing that is recorded on it will run.
    pub fn stand_in(self: &Arc<Pool>) -> Buffer {
        Buffer(Arc::new(Allocation { raw: self.stand_in.clone(), id: 0, class: 0, pool: self.clone() }))
    }

    /// Puts the free buffers of each class in the order of their ids, whatever order they came back in: steps that begin so, and allocate
    /// and free alike, get the same buffers, so that their bind groups are there already.
    pub fn sort_free(&self) {
        for free in lock(&self.shelves).free.values_mut() {
            free.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        }
    }

    /// Destroys all free buffers; returns their ids, whose bind groups must go too.
    pub fn trim(&self) -> Vec<u64> {
        let free = std::mem::take(&mut lock(&self.shelves).free);
        let mut ids = Vec::new();
        for (class, buffers) in free {
            self.counts.pool_bytes.fetch_sub(class * buffers.len() as u64, Ordering::Relaxed);
            ids.extend(buffers.into_iter().map(|(id, _)| id));
        }
        ids
    }

    fn give_back(&self, class: u64, id: u64, raw: wgpu::Buffer) {
        self.counts.live_bytes.fetch_sub(class, Ordering::Relaxed);
        lock(&self.shelves).free.entry(class).or_default().push((id, raw));
    }

    /// Makes the pool larger by one buffer.
    fn create(&self, class: u64) -> Result<wgpu::Buffer, GpuError> {
        self.counts.last_asked.store(class, Ordering::Relaxed);
        if self.limit.is_some_and(|limit| get(&self.counts.pool_bytes) + class > limit) {
            return Err(self.exhausted(class));
        }
        let descriptor = wgpu::BufferDescriptor { label: None, size: class, usage: USAGE, mapped_at_creation: false };
        let raw = self.create_raw(&descriptor).ok_or_else(|| self.exhausted(class))?;
        self.poison.status()?;
        add(&self.counts.buffers_created, 1);
        add(&self.counts.pool_bytes, class);
        Ok(raw)
    }

    /// Asks the driver; `None` if it has no memory.
    #[cfg(not(target_arch = "wasm32"))]
    fn create_raw(&self, descriptor: &wgpu::BufferDescriptor<'_>) -> Option<wgpu::Buffer> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let raw = self.device.create_buffer(descriptor);
        pollster::block_on(scope.pop()).is_none().then_some(raw)
    }

    /// A browser tells of exhausted memory only later, through the device's error callback.
    #[cfg(target_arch = "wasm32")]
    fn create_raw(&self, descriptor: &wgpu::BufferDescriptor<'_>) -> Option<wgpu::Buffer> {
        Some(self.device.create_buffer(descriptor))
    }

    fn exhausted(&self, asked: u64) -> GpuError {
        GpuError::OutOfMemory { asked, in_use: get(&self.counts.live_bytes), allowed: self.limit }
    }
}

/// The smallest buffer, and what every class is a multiple of.
const GRAIN: u64 = 256;

/// The size class of a request: powers of two with four steps between, so at most a quarter is waste; multiples of 256
/// bytes; not above `largest`. `None` if the request itself is.
fn size_class(bytes: u64, largest: u64) -> Option<u64> {
    if bytes > largest {
        return None;
    }
    let bytes = bytes.max(1);
    let power = 1 << (63 - bytes.leading_zeros());
    let step = (power / 4).max(GRAIN);
    Some(bytes.next_multiple_of(step).min(largest))
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn size_classes_hold_the_request_and_waste_little() {
        let largest = (1 << 31) - 4;
        let mut classes = std::collections::BTreeSet::new();
        for bytes in (0..5000).chain((0..2000).map(|i| i * i * 511)).filter(|b| *b <= largest) {
            let class = size_class(bytes, largest).unwrap();
            assert!(class >= bytes && class >= 256 && class.is_multiple_of(4));
            assert!(class <= 256 || class as f64 <= 1.25 * bytes as f64 + 256.0, "{bytes} in {class}");
            assert_eq!(size_class(class, largest), Some(class), "a class is its own class");
            classes.insert(class);
        }
        assert!(classes.len() < 100, "{} classes", classes.len());
        assert_eq!(size_class(largest, largest), Some(largest));
        assert_eq!(size_class(largest + 1, largest), None);
    }
}
