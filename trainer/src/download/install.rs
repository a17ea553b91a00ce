//! Installs a data set where the readers look for it, whole or not at all.
//!
//! A file that is there is never replaced: it is compared with its published checksum, or with what was downloaded, and another one is refused.
//! How the missing ones come is described in [`super::staging`].

use super::catalogue::{Published, Source, listed};
use super::checksum::md5_of;
use super::error::DownloadError;
use super::fetch::Fetcher;
use super::progress::Transfers;
use super::staging::Staging;
use crate::config::DataConfig;
use crate::data::{DataSplit, SearchPath, find_published, idx_file, load};
use crate::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The checksums of the files that were installed, as md5sum prints them.
pub(super) const SUMS: &str = "MD5SUMS";

/// A data set that is there.
pub struct Installed {
    /// The folder of its files.
    pub folder: PathBuf,
    /// The names of the files that were downloaded; none if all were there.
    pub fetched: Vec<&'static str>,
    /// The names of the files that were there and have no checksum to be compared with.
    pub unverified: Vec<String>,
    /// Its images.
    pub split: DataSplit,
}

/// What a folder has of a data set.
#[derive(Default)]
pub(super) struct There<'a> {
    /// What must be downloaded.
    pub missing: Vec<&'a Source>,
    /// The files that it is downloaded for, in the order of the data set.
    pub absent: Vec<&'static str>,
    unverified: Vec<String>,
}

/// Downloads what is missing of a data set, and installs it.
///
/// # Errors
/// If a file cannot be downloaded or written, is not the published one, or if a file that is there is another one.
pub fn get(
    set: &Published,
    search_path: &SearchPath,
    fetcher: &Fetcher,
    shown: &mut Transfers,
) -> Result<Installed, Error> {
    let place = search_path.base();
    let is_ours = |folder: &Path| place.as_ref().is_some_and(|place| folder.starts_with(place));
    let is_whole = |folder: &Path| check(set, folder).is_ok_and(|there| there.missing.is_empty());
    // A copy elsewhere, such as the system's, that is not whole or not the published one stays as it is: the readers look for ours first.
    let found = find_published(set.kind, search_path).filter(|folder| is_ours(folder) || is_whole(folder));
    let folder = found.or_else(|| Some(place?.join(set.name))).ok_or(DownloadError::NoPlace)?;
    let mut there = check(set, &folder)?;
    let mut staging = None;
    if !there.missing.is_empty() {
        staging = Some(Staging::open(staging_for(&folder, set.name))?);
        // Before this program had the folder for itself, another one may have installed them.
        there = check(set, &folder)?;
    }
    let Some(staging) = staging.filter(|_| !there.missing.is_empty()) else {
        return Ok(Installed { split: read(set, &folder)?, folder, fetched: Vec::new(), unverified: there.unverified });
    };
    let split = staging.fill(set, &there, &folder, fetcher, shown)?;
    let fetched = there.missing.iter().map(|source| source.file).collect();
    Ok(Installed { folder, fetched, unverified: there.unverified, split })
}

/// Where files are brought together for a folder: in it if it has any, so that they are on its disk, and otherwise beside it.
fn staging_for(folder: &Path, name: &str) -> PathBuf {
    let is_in_use = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    let base = if is_in_use { folder } else { folder.parent().unwrap_or(folder) };
    base.join(format!("{name}.partial"))
}

/// Compares all the files in a folder with their checksums. Files of an archive that lacks others are compared when it is there.
fn check<'a>(set: &'a Published, folder: &Path) -> Result<There<'a>, DownloadError> {
    let sums = fs::read_to_string(folder.join(SUMS)).unwrap_or_default();
    let sums = listed(&sums).unwrap_or_default();
    let mut there = There::default();
    for source in &set.sources {
        let before = there.absent.len();
        let mut unverified = Vec::new();
        match &source.archive {
            None => match idx_file(folder, source.plain_name()) {
                None if is_free(&folder.join(source.file))? => there.absent.push(source.file),
                None => {}
                Some(path) => match source.md5_as(&path) {
                    Some(md5) => expect(&path, md5)?,
                    None => unverified.extend(path.file_name().map(|name| name.to_string_lossy().into_owned())),
                },
            },
            Some(archive) => {
                for (file, length) in archive.members() {
                    let path = folder.join(file);
                    if is_free(&path)? {
                        there.absent.push(file);
                        continue;
                    }
                    let found = path.metadata().map_err(|e| DownloadError::read(&path, e))?.len();
                    // Other files than the published ones may have any length.
                    if found != length && set.is_published() {
                        let (expected, found) = (format!("{length} bytes"), found.to_string());
                        return Err(DownloadError::Differs { path, expected, found });
                    }
                    match sums.get(file) {
                        Some(md5) => expect(&path, md5)?,
                        None => unverified.push(file.to_owned()),
                    }
                }
            }
        }
        if there.absent.len() > before {
            there.missing.push(source);
        } else {
            there.unverified.extend(unverified);
        }
    }
    if !there.missing.is_empty() && !there.unverified.is_empty() {
        let (files, missing) = (there.unverified.join(", "), there.absent.join(", "));
        return Err(DownloadError::Mixed { folder: folder.to_owned(), files, missing });
    }
    Ok(there)
}

/// Whether nothing has this name, not even a link to a disk that is not there.
fn is_free(path: &Path) -> Result<bool, DownloadError> {
    let is_nothing = |e: &std::io::Error| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    match path.metadata() {
        Ok(_) => Ok(false),
        Err(e) if is_nothing(&e) && path.symlink_metadata().is_err() => Ok(true),
        Err(e) => Err(DownloadError::read(path, e)),
    }
}

/// Checks that a file has this checksum.
pub(super) fn expect(path: &Path, md5: &str) -> Result<(), DownloadError> {
    let found = md5_of(path).map_err(|e| DownloadError::read(path, e))?;
    if found == *md5 {
        return Ok(());
    }
    let (expected, found) =
        (format!("the MD5 checksum {md5}"), if is_empty(path) { "an empty file".into() } else { found });
    Err(DownloadError::Differs { path: path.to_owned(), expected, found })
}

pub(super) fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.len() == 0)
}

/// Reads the data set in a folder, as a training does.
pub(super) fn read(set: &Published, folder: &Path) -> Result<DataSplit, Error> {
    Ok(load(&DataConfig::of(set.kind), &SearchPath::only(folder))?)
}
