//! Labels in IDX files, compressed or not.
#![no_main]

#[path = "common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = lethe::data::read_labels(&common::file("labels", data));
});
