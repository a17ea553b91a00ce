//! ReaL's labels of ImageNet.
#![no_main]

use lethe_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    const CLASSES: usize = 10;
    if let Ok(labels) = lethe::data::read_right_labels(&file("real.json", data), 3, CLASSES) {
        assert!(labels.len() == 3 && labels.iter().flatten().all(|label| (*label as usize) < CLASSES));
    }
});
