//! Inspects all files of a data set before anything is computed: whether each exists, has a supported format and a plausible size, and is complete.
//! All flaws are reported together. Files are decoded when they are needed; a flaw that only decoding shows ends the run with the file's name.

use std::fs::{File, Metadata};
use std::io::{BufReader, IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use image::ImageFormat;
use indicatif::{ProgressBar, ProgressStyle};

use super::dataset::{Dataset, ImageFile, Images};
use super::decode::flaw;
use super::error::DataError;
use super::form::{ImageFlaw, PNG_END, check_png_end, check_size, form, reader};
use super::form_length::check_length;
use super::jpeg;
use super::seen::{Seen, Stamp};

/// The number of bytes at a file's beginning that, with its end, identify it.
const HEAD: usize = 4096;
const TAIL: usize = 16;
/// The number of files that a thread takes at a time.
const PORTION: usize = 64;
/// With fewer files the inspection ends before a progress bar would appear.
const SHOWN: usize = 2000;

/// Inspects the files of these sets, and records what identifies them.
///
/// # Errors
/// If some cannot be used: the first of them are named, and the others counted.
pub(super) fn inspect(sets: &mut [&mut Dataset]) -> Result<(), DataError> {
    let mut files: Vec<&mut ImageFile> = Vec::new();
    for set in sets {
        if let Images::Files(list) = &mut set.images {
            files.extend(Arc::make_mut(list).iter_mut());
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    let seen = Seen::of(&files.iter().map(|file| file.path.as_path()).collect::<Vec<_>>());
    let bad = look(&mut files, &seen);
    let all = files.len();
    seen.keep(files.into_iter().map(|file| (file.path.as_path(), file.stamp)));
    if bad.is_empty() { Ok(()) } else { Err(DataError::images(bad, all)) }
}

/// Inspects all files on all threads, and returns their flaws.
fn look(files: &mut [&mut ImageFile], seen: &Seen) -> Vec<(PathBuf, ImageFlaw)> {
    let bar = bar(files.len());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(files.len().div_ceil(PORTION));
    let (portions, bad) = (Mutex::new(files.chunks_mut(PORTION)), Mutex::new(Vec::new()));
    let next = || portions.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(portion) = next() {
            for file in portion.iter_mut() {
                match glance(&file.path, seen) {
                    Ok(stamp) => file.stamp = Some(stamp),
                    Err(flaw) => {
                        bad.lock().unwrap_or_else(PoisonError::into_inner).push((file.path.clone(), flaw));
                    }
                }
            }
            bar.inc(portion.len() as u64);
        }
    };
    std::thread::scope(|scope| {
        // If the system provides no more threads, this one does the work.
        (1..workers).for_each(|_| drop(std::thread::Builder::new().spawn_scoped(scope, work)));
        work();
    });
    bar.finish_and_clear();
    bad.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn bar(files: usize) -> ProgressBar {
    if files < SHOWN || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {percent:>3} %  checking {len} images  {eta} left");
    ProgressBar::new(files as u64).with_style(style.expect("a fixed template"))
}

/// Inspects a file without decoding it.
fn glance(path: &Path, seen: &Seen) -> Result<Stamp, ImageFlaw> {
    let found = std::fs::metadata(path).map_err(|source| ImageFlaw::unreadable(path, source))?;
    if !found.is_file() {
        return Err(ImageFlaw::Other { found: "no file".to_owned() });
    }
    let (size, modified, changed) = (found.len(), modified(&found), changed(&found));
    let is_same = |stamp: &Stamp| (stamp.size, stamp.modified, stamp.changed) == (size, modified, changed);
    if let Some(stamp) = seen.stamp(path).filter(|stamp| modified > 0 && is_same(stamp)) {
        return Ok(stamp);
    }
    let mut file = File::open(path).map_err(ImageFlaw::Read)?;
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(ImageFlaw::Read)?;
    let form = form(&head)?;
    let (width, height) = dimensions(&mut file, form)?;
    check_size(width, height)?;
    check_length(form, &head, size)?;
    let mut tail = Vec::with_capacity(TAIL);
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL as u64))).map_err(ImageFlaw::Read)?;
    file.take(TAIL as u64).read_to_end(&mut tail).map_err(ImageFlaw::Read)?;
    check_end(path, form, &tail)?;
    let mut crc = Crc::new();
    crc.update(&head);
    crc.update(&tail);
    Ok(Stamp { size, modified, changed, ends: crc.sum() })
}

/// Its width and height.
fn dimensions(file: &mut File, form: ImageFormat) -> Result<(u64, u64), ImageFlaw> {
    file.rewind().map_err(ImageFlaw::Read)?;
    let mut source = BufReader::new(file);
    if form == ImageFormat::Jpeg {
        let (width, height) = jpeg::dimensions(&mut source).map_err(ImageFlaw::Read)??;
        return Ok((width as u64, height as u64));
    }
    let (width, height) = reader(source, form).into_dimensions().map_err(flaw)?;
    Ok((width.into(), height.into()))
}

/// Checks that a file ends as its format requires. If other data follows the image, the whole file is checked.
fn check_end(path: &Path, form: ImageFormat, tail: &[u8]) -> Result<(), ImageFlaw> {
    let all = || std::fs::read(path).map_err(ImageFlaw::Read);
    match form {
        ImageFormat::Jpeg if !tail.ends_with(&jpeg::END) => Ok(jpeg::check(&all()?)?),
        ImageFormat::Png if !tail.ends_with(&PNG_END) => check_png_end(&all()?),
        _ => Ok(()),
    }
}

/// Its modification time, in nanoseconds since 1970; 0 if the system does not know.
fn modified(found: &Metadata) -> u64 {
    let since = found.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Its change time (contents or metadata), in nanoseconds since 1970.
#[cfg(unix)]
fn changed(found: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    (found.ctime() as u64).wrapping_mul(1_000_000_000).wrapping_add(found.ctime_nsec() as u64)
}

/// There is no such time on this system.
#[cfg(not(unix))]
fn changed(_: &Metadata) -> u64 {
    0
}
