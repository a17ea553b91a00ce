//! Memory for the CPU back end: 64-byte aligned, kept by size class, since fresh pages cost more than most kernels.

#![allow(unsafe_code)]

use std::alloc::{Layout as Allocation, alloc, dealloc};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Below this size the system allocator is as quick as the pool.
const POOLED: usize = 32 * 1024;
/// From this size on, memory is aligned to (and asked for in) huge pages.
const HUGE: usize = 4 << 20;

/// Idle memory by size class.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<usize, Vec<Chunk>>>,
    /// Bytes that buffers have in use.
    in_use: AtomicUsize,
}

impl Pool {
    /// Bytes that buffers have in use.
    pub fn in_use(&self) -> usize {
        self.in_use.load(Relaxed)
    }
}

/// An allocation.
struct Chunk {
    pointer: *mut u8,
    size: usize,
}
// SAFETY: a block is the only owner of its memory.
unsafe impl Send for Chunk {}
// SAFETY: shared access goes through `CpuBuffer`, whose shared form only reads.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// `None` beyond the address space.
    fn allocation(size: usize) -> Option<Allocation> {
        Allocation::from_size_align(size, if size >= HUGE { 2 << 20 } else { 64 }).ok()
    }

    /// Memory of this size; `None` if there is not that much.
    fn new(size: usize) -> Option<Chunk> {
        let allocation = Chunk::allocation(size)?;
        // SAFETY: the size is not zero.
        let pointer = unsafe { alloc(allocation) };
        if pointer.is_null() {
            return None;
        }
        huge_pages(pointer, size);
        // Zeroed once, so that a slice of it is initialised memory whatever a kernel does.
        // SAFETY: the allocation has `size` bytes.
        unsafe { pointer.write_bytes(0, size) };
        Some(Chunk { pointer, size })
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let allocation = Chunk::allocation(self.size).expect("it was allocated");
        // SAFETY: allocated with the same layout in `new`.
        unsafe { dealloc(self.pointer, allocation) }
    }
}

/// Asks for huge pages, which make the first touch of a large buffer several times cheaper. A hint: failure changes nothing.
fn huge_pages(pointer: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= HUGE {
        unsafe extern "C" {
            fn madvise(address: *mut u8, length: usize, advice: i32) -> i32;
        }
        const MADV_HUGEPAGE: i32 = 14;
        // SAFETY: the range is our own allocation; the advice changes no contents.
        unsafe { madvise(pointer, size, MADV_HUGEPAGE) };
    }
    let _ = (pointer, size);
}

/// Sizes are rounded up to an eighth of a power of two, so that at most an eighth is wasted. `None` beyond the address space.
fn class(bytes: usize) -> Option<usize> {
    let step = (bytes.max(512).checked_next_power_of_two()? / 16).max(64);
    bytes.max(64).checked_next_multiple_of(step)
}

/// Owned memory. It goes back to its pool when dropped.
pub struct CpuBuffer {
    block: Option<Chunk>,
    len: usize,
    pool: Arc<Pool>,
}

impl CpuBuffer {
    /// `bytes` bytes of unspecified (but initialised) contents; `None` if there are not that many.
    pub(crate) fn new(pool: &Arc<Pool>, bytes: usize) -> Option<CpuBuffer> {
        let size = class(bytes)?;
        let kept =
            (size >= POOLED).then(|| pool.idle.lock().expect("no holder panics").get_mut(&size)?.pop()).flatten();
        let block = Some(kept.or_else(|| Chunk::new(size))?);
        pool.in_use.fetch_add(size, Relaxed);
        Some(CpuBuffer { block, len: bytes, pool: pool.clone() })
    }

    fn block(&self) -> &Chunk {
        self.block.as_ref().expect("a buffer has its block until it is dropped")
    }

    /// The contents.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are allocated and initialised; no unique reference exists while `self` is shared.
        unsafe { std::slice::from_raw_parts(self.block().pointer, self.len) }
    }

    /// The contents, to be written.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        let (pointer, len) = (self.block().pointer, self.len);
        // SAFETY: as above, and `self` is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(pointer, len) }
    }

    /// The contents as elements.
    pub fn as_slice<T: bytemuck::Pod>(&self) -> &[T] {
        bytemuck::cast_slice(self.as_bytes())
    }
}

impl Drop for CpuBuffer {
    fn drop(&mut self) {
        let Some(block) = self.block.take() else { return };
        self.pool.in_use.fetch_sub(block.size, Relaxed);
        if block.size >= POOLED
            && let Ok(mut idle) = self.pool.idle.lock()
        {
            idle.entry(block.size).or_default().push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_serves_the_next_of_its_class() {
        let pool = Arc::new(Pool::default());
        let first = CpuBuffer::new(&pool, 100_000).unwrap();
        let at = first.as_bytes().as_ptr();
        drop(first);
        assert_eq!(CpuBuffer::new(&pool, 99_999).unwrap().as_bytes().as_ptr(), at);
    }

    #[test]
    fn classes_waste_at_most_an_eighth() {
        for n in [1usize, 511, 513, 40_000, 65_537, 5 << 20] {
            let class = class(n).unwrap();
            assert!(class >= n && (class - n) * 8 <= n.max(512), "{n} {class}");
        }
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        let pool = Arc::new(Pool::default());
        for bytes in [1 << 52, isize::MAX as usize, usize::MAX] {
            assert!(CpuBuffer::new(&pool, bytes).is_none(), "{bytes}");
        }
    }
}
