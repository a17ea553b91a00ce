//! The checksum of a checkpoint: over every byte of its file, so that no flipped bit is trained on or measured.
//!
//! It is CRC-32, by the crate that reads gzip files anyway: any change within 32 neighbouring bits is noticed for certain, any other one but for one in four
//! billion. It stands in the file, in the metadata, as eight hexadecimal digits that count as zeros.

use flate2::Crc;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands for the digits while they are not known.
const UNKNOWN: &str = "00000000";
/// How a sealed text begins.
const START: &str = "{\"checksum\":\"";
/// The same inside of the header, which is JSON too.
const ESCAPED_START: &[u8] = b"{\\\"checksum\\\":\\\"";

/// Lethe's metadata in a safetensors file, written as one JSON object.
#[derive(Serialize, Deserialize)]
pub struct Sealed<'a> {
    /// Of the whole file, the digits taken as zeros.
    pub checksum: Cow<'a, str>,
    /// Whatever is no tensor.
    pub notes: Cow<'a, BTreeMap<String, String>>,
}

/// The text of notes whose checksum is not known yet.
pub fn unsealed(notes: &BTreeMap<String, String>) -> String {
    let sealed = Sealed { checksum: Cow::Borrowed(UNKNOWN), notes: Cow::Borrowed(notes) };
    serde_json::to_string(&sealed).expect("strings can be written as JSON")
}

/// Whether a text of the metadata is such a one, under whatever key: a key can be damaged too.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(START)
}

/// Writes the checksum into a file that holds the text of [`unsealed`].
pub fn seal(file: &mut [u8]) {
    let at = digits(file).expect("the metadata stands in the header");
    let sum = checksum(file, at);
    file[at..at + UNKNOWN.len()].copy_from_slice(sum.as_bytes());
}

/// The checksum of a file's bytes, if there is a place for it.
pub fn computed(file: &[u8]) -> Option<String> {
    digits(file).map(|at| checksum(file, at))
}

/// Where the digits stand.
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
