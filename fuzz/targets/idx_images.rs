//! Images in IDX files, compressed or not.
#![no_main]

use lethe_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((values, count, shape)) = lethe::data::read_images(&file("images", data)) {
        assert_eq!(values.len(), count * shape.height * shape.width * shape.channels);
    }
});
