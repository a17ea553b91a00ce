//! Labels in IDX files, compressed or not.
#![no_main]

use lethe_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = lethe::data::read_labels(&file("labels", data));
});
