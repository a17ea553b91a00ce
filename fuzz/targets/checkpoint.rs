//! Checkpoints, with a right checksum or a wrong one.
#![no_main]

#[path = "common.rs"]
mod common;

use lethe::run::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = common::file("checkpoint.safetensors", data);
    if let Ok(checkpoint) = Checkpoint::load(&path) {
        let _ = (checkpoint.config(), checkpoint.averaged());
    }
    let _ = Checkpoint::load_weights(&path);
});
