//! ReaL's labels of ImageNet.
#![no_main]

#[path = "common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    const CLASSES: usize = 10;
    if let Ok(labels) = lethe::data::read_right_labels(&common::file("real.json", data), 3, CLASSES) {
        assert!(labels.len() == 3 && labels.iter().flatten().all(|label| (*label as usize) < CLASSES));
    }
});
