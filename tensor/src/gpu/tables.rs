//! Small tables that kernels read and the host makes once: kept on the device by key, so that a training step uploads none.

use std::collections::HashMap;
use std::sync::Mutex;

use super::device::GpuDevice;
use super::error::lock;
use super::pool::Buffer;

/// What identifies a table: its kind, and the sizes that it follows from.
pub(super) type TableKey = (&'static str, Vec<usize>);

/// More tables than this means a program whose shapes never repeat: start again rather than grow for ever.
const MOST_TABLES: usize = 1 << 10;

/// The tables of one device.
#[derive(Default)]
pub(super) struct Tables(Mutex<HashMap<TableKey, Buffer>>);

impl GpuDevice {
    /// The table of this key; `words` makes it where the device does not hold it yet. What `words` returns must follow from the key.
    pub(super) fn cached_table(&self, key: TableKey, words: impl FnOnce() -> Vec<i32>) -> Buffer {
        let mut known = lock(&self.0.tables.0);
        if known.len() >= MOST_TABLES && !known.contains_key(&key) {
            known.clear();
        }
        known.entry(key).or_insert_with(|| self.upload(bytemuck::cast_slice(&words()))).clone()
    }
}
