//! Image files of every format: with lying headers, cut off, with flipped bytes.
#![no_main]

use lethe_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The format follows from the contents, whatever the name says.
    let path = file("image.jpg", data);
    let _ = lethe::data::decode(&path, true);
});
