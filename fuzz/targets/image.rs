//! Image files of every format: with lying headers, cut off, with flipped bytes.
#![no_main]

#[path = "common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The format follows from the contents, whatever the name says.
    let path = common::file("image.jpg", data);
    let _ = lethe::data::decode(&path, true);
});
