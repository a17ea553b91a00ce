//! Checkpoints: with the checksum that they come with, and sealed again, so that what lies behind it is reached too.
#![no_main]

use flate2::Crc;
use lethe::run::Checkpoint;
use lethe_fuzz::file;
use libfuzzer_sys::fuzz_target;

/// What stands before the checksum's eight digits, which count as zeros in it.
const FIELD: &[u8] = b"{\\\"checksum\\\":\\\"";
const ZEROS: &[u8] = b"00000000";

/// The file with the right checksum, if it has a field for one.
fn sealed(data: &[u8]) -> Option<Vec<u8>> {
    let at = data.windows(FIELD.len()).position(|part| part == FIELD)? + FIELD.len();
    let end = at + ZEROS.len();
    let mut crc = Crc::new();
    [data.get(..at)?, ZEROS, data.get(end..)?].iter().for_each(|part| crc.update(part));
    let mut sealed = data.to_vec();
    sealed[at..end].copy_from_slice(format!("{:08x}", crc.sum()).as_bytes());
    Some(sealed)
}

fuzz_target!(|data: &[u8]| {
    let sealed = sealed(data);
    for bytes in [Some(data), sealed.as_deref()].into_iter().flatten() {
        let path = file("checkpoint.safetensors", bytes);
        if let Ok(checkpoint) = Checkpoint::load(&path) {
            let _ = (checkpoint.config(), checkpoint.averaged());
        }
        let _ = Checkpoint::load_weights(&path);
    }
});
