//! Takes the files of a data set out of a compressed archive.
//!
//! An entry is taken if its whole path is that of a wanted file; the path that is written is made of our own names, so that no archive reaches another
//! folder. Nothing is allocated by what a header says: contents are copied piece by piece, and end where the archive does.

use super::catalogue::Archive;
use super::error::DownloadError;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use tar::EntryType;

/// The largest number of bytes of an archive, unpacked; CIFAR's have less than 2⁻³ of it.
const LIMIT: u64 = 2 << 30;

/// Writes the wanted files of an archive into a folder, each of them complete or not at all.
///
/// # Errors
/// If the archive is broken or lacks one of them, or a file cannot be written.
pub fn unpack(archive: &Path, wanted: &Archive, folder: &Path) -> Result<(), DownloadError> {
    let flaw = |what: String| DownloadError::Archive { path: archive.to_owned(), what };
    let broken = |e: io::Error| flaw(format!("it is broken: {e}"));
    let file = File::open(archive).map_err(|e| DownloadError::read(archive, e))?;
    let bytes = MultiGzDecoder::new(BufReader::new(file)).take(LIMIT);
    let mut missing: Vec<&str> = wanted.members().map(|(file, _)| file).collect();
    let mut tar = tar::Archive::new(bytes);
    // Raw: long names and extended headers, which no wanted file has, are not collected in memory.
    for entry in tar.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path_bytes().into_owned();
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        let Some(at) = missing.iter().position(|file| path == format!("{}/{file}", wanted.folder).as_bytes()) else {
            continue;
        };
        let file = missing[at];
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            return Err(flaw(format!("{file} in it is not a regular file")));
        }
        let length = entry.header().entry_size().map_err(broken)?;
        let part = Part(folder.join(format!("{file}.part")));
        let write = |e| DownloadError::write(&part.0, e);
        let mut out = File::create(&part.0).map_err(write)?;
        let copied = copy(&mut entry, &mut out, &broken, &write)?;
        if copied != length {
            return Err(flaw(format!("it ends in {file}, after {copied} of {length} bytes")));
        }
        out.sync_all().map_err(write)?;
        fs::rename(&part.0, folder.join(file)).map_err(write)?;
        missing.swap_remove(at);
        if missing.is_empty() {
            return Ok(());
        }
    }
    missing.sort_unstable();
    Err(flaw(format!("it has no {}/{}", wanted.folder, missing.join(", "))))
}

/// A file that is removed unless it was renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // It is gone after success; after a failure, that one is reported.
        let _ = fs::remove_file(&self.0);
    }
}

/// Copies to the end, and tells the errors of the two sides apart.
fn copy(
    from: &mut impl Read,
    to: &mut impl io::Write,
    broken: &impl Fn(io::Error) -> DownloadError,
    write: &impl Fn(io::Error) -> DownloadError,
) -> Result<u64, DownloadError> {
    let (mut piece, mut copied) = (vec![0; 1 << 16], 0);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                to.write_all(&piece[..read]).map_err(write)?;
                copied += read as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken(e)),
        }
    }
}
