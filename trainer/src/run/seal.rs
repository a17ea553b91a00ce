//! The checksum of a checkpoint, over every byte of its file, so that a damaged file is not used.
//!
//! It is CRC-32, from the crate that reads gzip files anyway: it detects every change within 32 adjacent bits, and misses one in four billion of
//! other changes. It is stored in the file's metadata, as eight hexadecimal digits that are taken as zeros in its computation.

use flate2::Crc;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The placeholder for the digits before they are known.
const UNKNOWN: &str = "00000000";
/// The beginning of the metadata text with a checksum.
const START: &str = "{\"checksum\":\"";
/// The same as it is escaped in the header, which is JSON too.
const ESCAPED_START: &[u8] = b"{\\\"checksum\\\":\\\"";

/// Lethe's metadata in a safetensors file, written as one JSON object.
#[derive(Serialize, Deserialize)]
pub struct Sealed<'a> {
    /// The checksum of the whole file, with its own digits taken as zeros.
    pub checksum: Cow<'a, str>,
    /// The notes: whatever is not a tensor.
    pub notes: Cow<'a, BTreeMap<String, String>>,
}

/// The metadata text of notes, with the placeholder for the checksum.
pub fn unsealed(notes: &BTreeMap<String, String>) -> String {
    let sealed = Sealed { checksum: Cow::Borrowed(UNKNOWN), notes: Cow::Borrowed(notes) };
    serde_json::to_string(&sealed).expect("strings can be written as JSON")
}

/// Whether a metadata entry is such a text, under any key, since a key can be damaged too.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(START)
}

/// Writes the checksum into a file that contains the text of [`unsealed`].
pub fn seal(file: &mut [u8]) {
    let at = digits(file).expect("the metadata stands in the header");
    let sum = checksum(file, at);
    file[at..at + UNKNOWN.len()].copy_from_slice(sum.as_bytes());
}

/// The checksum of a file's bytes, if the file has a field for it.
pub fn computed(file: &[u8]) -> Option<String> {
    digits(file).map(|at| checksum(file, at))
}

/// The position of the digits.
fn digits(file: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(*file.first_chunk()?);
    let header = &file[..usize::try_from(length).ok()?.checked_add(8).filter(|end| *end <= file.len())?];
    let at = header.windows(ESCAPED_START.len()).position(|part| part == ESCAPED_START)? + ESCAPED_START.len();
    (at + UNKNOWN.len() <= header.len()).then_some(at)
}

fn checksum(file: &[u8], at: usize) -> String {
    let mut crc = Crc::new();
    [&file[..at], UNKNOWN.as_bytes(), &file[at + UNKNOWN.len()..]].iter().for_each(|part| crc.update(part));
    format!("{:08x}", crc.sum())
}
