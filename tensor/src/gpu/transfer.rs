//! Bytes to and within the device: uploads, writes, copies and fills, all in order with recorded dispatches.

use super::bindings::Binding;
use super::buffer_pool::Buffer;
use super::caps::{BINDING_ALIGNMENT, fold_groups};
use super::device::GpuDevice;
use super::error::lock;
use super::pipeline::Kernel;
use super::tables::TableKey;

impl GpuDevice {
    /// A new buffer with these contents, zeros up to the next multiple of 4 bytes and arbitrary bytes after.
    pub fn upload(&self, bytes: &[u8]) -> Buffer {
        let buffer = self.alloc(bytes.len() as u64);
        if !self.0.poison.is_set() {
            lock(&self.0.work).recorder.write(buffer.raw(), 0, bytes);
        }
        buffer
    }

    /// The table of this key; `words` makes it where the device does not hold it yet. What `words` returns must follow from the key.
    pub(super) fn cached_table(&self, key: TableKey, words: impl FnOnce() -> Vec<i32>) -> Buffer {
        self.0.tables.get(key, || self.upload(bytemuck::cast_slice(&words())))
    }

    /// Overwrites a range, after all that was recorded before.
    ///
    /// # Panics
    /// If offset or length is not a multiple of 4, or the range ends beyond the buffer.
    #[track_caller]
    pub fn write(&self, buffer: &Buffer, offset: u64, bytes: &[u8]) {
        if self.0.poison.is_set() {
            return;
        }
        check_range("write", buffer, offset, bytes.len() as u64);
        lock(&self.0.work).recorder.write(buffer.raw(), offset, bytes);
    }

    /// Copies `bytes` bytes from one buffer to another.
    ///
    /// # Panics
    /// If both are the same buffer, an offset or the length is not a multiple of 4, or a range ends beyond its buffer.
    #[track_caller]
    pub fn copy(&self, src: &Buffer, src_offset: u64, dst: &Buffer, dst_offset: u64, bytes: u64) {
        if self.0.poison.is_set() || bytes == 0 {
            return;
        }
        assert!(src.id() != dst.id(), "copy: source and destination must be different buffers, not both {src:?}");
        check_range("copy from", src, src_offset, bytes);
        check_range("copy to", dst, dst_offset, bytes);
        lock(&self.0.work).recorder.copy((src.raw(), src_offset), (dst.raw(), dst_offset), bytes);
    }

    /// Fills `bytes` bytes from `offset` on with a word.
    ///
    /// # Panics
    /// If offset or length is not a multiple of 4, or the range ends beyond the buffer.
    #[track_caller]
    pub fn fill(&self, buffer: &Buffer, offset: u64, bytes: u64, word: u32) {
        if self.0.poison.is_set() || bytes == 0 {
            return;
        }
        check_range("fill", buffer, offset, bytes);
        if word == 0 {
            return lock(&self.0.work).recorder.clear(buffer.raw(), offset, bytes);
        }
        // A binding starts at a multiple of 256 bytes; the kernel skips the words before the range.
        let base = offset & !(BINDING_ALIGNMENT - 1);
        let skip = ((offset - base) / 4) as usize;
        let words = (offset + bytes - base) / 4;
        for (start, len) in self.caps().windows(words as usize, 4) {
            let at = base + 4 * start as u64;
            let binding = Binding { slot: 0, buffer, offset: at, size: 4 * len as u64, write: true };
            let params = [skip.saturating_sub(start) as u32, len as u32, word];
            let kernel = Kernel::generated("fill", "fill", &|| FILL.to_string());
            self.dispatch(kernel, &[binding], &params, fold_groups(len.div_ceil(256) as u64));
        }
    }
}

const FILL: &str = "
struct Params { begin: u32, end: u32, word: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(256)
fn fill(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 256u + lane;
    if (i >= p.begin && i < p.end) { words[i] = p.word; }
}
";

#[track_caller]
fn check_range(what: &str, buffer: &Buffer, offset: u64, bytes: u64) {
    assert!(
        offset.is_multiple_of(4) && bytes.is_multiple_of(4) && offset + bytes <= buffer.size(),
        "{what} {buffer:?}: bytes {offset}..{} (multiples of 4, within the buffer)",
        offset + bytes
    );
}
