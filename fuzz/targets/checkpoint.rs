//! Checkpoints: with the checksum that they come with, and sealed again, so that what lies behind it is reached too.
#![no_main]

#[path = "common.rs"]
mod common;

use lethe::run::{Checkpoint, computed, seal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut sealed = data.to_vec();
    if computed(data).is_some() {
        seal(&mut sealed);
    }
    for bytes in [data, &sealed] {
        let path = common::file("checkpoint.safetensors", bytes);
        if let Ok(checkpoint) = Checkpoint::load(&path) {
            let _ = (checkpoint.config(), checkpoint.averaged());
        }
        let _ = Checkpoint::load_weights(&path);
    }
});
