//! Small tables that kernels read and the host makes once: kept on the device by key, so that a training step uploads none.

use std::collections::HashMap;
use std::sync::Mutex;

use super::buffer_pool::Buffer;
use super::error::lock;

/// What identifies a table: its kind, and the sizes that it follows from.
pub(super) type TableKey = (&'static str, Vec<usize>);

/// More tables than this means a program whose shapes never repeat: start again rather than grow for ever.
const MAX_TABLES: usize = 1 << 10;

/// The tables of one device.
#[derive(Default)]
pub(super) struct Tables(Mutex<HashMap<TableKey, Buffer>>);

impl Tables {
    /// The table of this key, which `make` makes where it is not there yet.
    pub fn get(&self, key: TableKey, make: impl FnOnce() -> Buffer) -> Buffer {
        let mut known = lock(&self.0);
        if known.len() >= MAX_TABLES && !known.contains_key(&key) {
            known.clear();
        }
        known.entry(key).or_insert_with(make).clone()
    }
}
