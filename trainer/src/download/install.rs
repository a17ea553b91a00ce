//! Installs a data set where the readers look for it, whole or not at all.
//!
//! Everything is downloaded, verified, unpacked and read once in a folder `NAME.partial` of its own. If the data set's folder does not exist yet, that
//! folder becomes it, by one renaming. If it exists and lacks some files, each of them is renamed into it, the one that the readers look for last.
//! What an interrupted download left in `NAME.partial` is used by the next one.

use super::catalogue::{Published, Source, listed};
use super::checksum::md5_of;
use super::error::DownloadError;
use super::fetch::Fetcher;
use super::progress::Transfers;
use super::unpack::unpack;
use crate::config::DataConfig;
use crate::data::{DataSplit, SearchPath, find_published, idx_file, load};
use crate::error::Error;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The checksums of the files that were installed, as md5sum prints them.
const SUMS: &str = "MD5SUMS";
const LOCK: &str = "lock";

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
struct There<'a> {
    missing: Vec<&'a Source>,
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
    let base = found.clone().or(place).ok_or(DownloadError::NoPlace)?;
    let folder = found.unwrap_or_else(|| base.join(set.name));
    let There { missing, unverified } = check(set, &folder)?;
    if missing.is_empty() {
        return Ok(Installed { split: read(set, &folder)?, folder, fetched: Vec::new(), unverified });
    }
    let staging = base.join(format!("{}.partial", set.name));
    let split = Staging::open(&staging)?.fill(set, &missing, &folder, fetcher, shown);
    let split = split.inspect_err(|_| tidy(&staging))?;
    Ok(Installed { folder, fetched: missing.iter().map(|source| source.file).collect(), unverified, split })
}

/// Compares the files in a folder with their checksums.
fn check<'a>(set: &'a Published, folder: &Path) -> Result<There<'a>, DownloadError> {
    let sums = fs::read_to_string(folder.join(SUMS)).unwrap_or_default();
    let sums = listed(&sums).unwrap_or_default();
    let mut there = There::default();
    for source in &set.sources {
        let Some(archive) = &source.archive else {
            match idx_file(folder, source.file.trim_end_matches(".gz")) {
                None => there.missing.push(source),
                Some(path) if path.extension().is_some_and(|extension| extension == "gz") => {
                    expect(&path, &source.md5)?
                }
                Some(path) => there.unverified.extend(path.file_name().map(|name| name.to_string_lossy().into_owned())),
            }
            continue;
        };
        for (file, length) in archive.members() {
            let path = folder.join(file);
            match (path.metadata(), sums.get(file)) {
                (Err(_), _) => {
                    there.missing.push(source);
                    break;
                }
                // Other files than the published ones may have any length.
                (Ok(found), _) if found.len() != length && set.is_published() => {
                    let (expected, found) = (format!("{length} bytes"), found.len().to_string());
                    return Err(DownloadError::Differs { path, expected, found });
                }
                (Ok(_), Some(md5)) => expect(&path, md5)?,
                (Ok(_), None) => there.unverified.push(file.to_owned()),
            }
        }
    }
    Ok(there)
}

fn expect(path: &Path, md5: &str) -> Result<(), DownloadError> {
    let found = md5_of(path).map_err(|e| DownloadError::read(path, e))?;
    if found == *md5 {
        return Ok(());
    }
    let (expected, found) =
        (format!("the MD5 checksum {md5}"), if is_empty(path) { "an empty file".into() } else { found });
    Err(DownloadError::Differs { path: path.to_owned(), expected, found })
}

fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.len() == 0)
}

/// Reads the data set in a folder, as a training does.
fn read(set: &Published, folder: &Path) -> Result<DataSplit, Error> {
    Ok(load(&DataConfig::of(set.kind), &SearchPath::only(folder))?)
}

/// The folder in which a data set becomes complete, for this program alone.
struct Staging<'a> {
    folder: &'a Path,
    /// Held as long as the folder is written.
    _lock: File,
}

impl Staging<'_> {
    fn open(folder: &Path) -> Result<Staging<'_>, DownloadError> {
        fs::create_dir_all(folder).map_err(|e| DownloadError::write(folder, e))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(|e| DownloadError::write(&path, e))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(DownloadError::Busy(folder.to_owned())),
            // A file system without locks is not a reason to refuse.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Staging { folder, _lock: lock }),
        }
    }

    /// Downloads the missing files, and installs them.
    fn fill(
        self,
        set: &Published,
        missing: &[&Source],
        target: &Path,
        fetcher: &Fetcher,
        shown: &mut Transfers,
    ) -> Result<DataSplit, Error> {
        let mut files = Vec::new();
        for source in missing {
            let path = self.folder.join(source.file);
            self.fetch(set, source, fetcher, shown)?;
            match &source.archive {
                None => files.push(source.file),
                Some(archive) => {
                    unpack(&path, archive, self.folder).inspect_err(|error| {
                        // Of a broken archive with the right checksum another download would bring the same.
                        let useless = matches!(error, DownloadError::Archive { .. }).then_some(source.file);
                        let files = archive.members().map(|(file, _)| file).chain(useless);
                        files.for_each(|file| drop(fs::remove_file(self.folder.join(file))));
                    })?;
                    files.extend(archive.members().map(|(file, _)| file));
                }
            }
        }
        // Whole, the data set is read before it is installed.
        let is_whole = missing.len() == set.sources.len();
        let split = is_whole.then(|| read(set, self.folder)).transpose();
        let split = split.inspect_err(|_| drop(fs::remove_dir_all(self.folder)))?;
        for source in missing.iter().filter(|source| source.archive.is_some()) {
            remove(&self.folder.join(source.file))?;
        }
        if is_whole && !target.join(SUMS).exists() {
            self.write_sums(&files)?;
            files.push(SUMS);
        }
        self.install(target, files)?;
        split.map_or_else(|| read(set, target), Ok)
    }

    /// Downloads a file and verifies it.
    fn fetch(
        &self,
        set: &Published,
        source: &Source,
        fetcher: &Fetcher,
        shown: &mut Transfers,
    ) -> Result<(), DownloadError> {
        let (url, path) = (set.url(source), self.folder.join(source.file));
        if md5_of(&path).is_ok_and(|found| found == source.md5) {
            return Ok(());
        }
        let part = self.folder.join(format!("{}.part", source.file));
        loop {
            let is_resumed = fetcher.fetch(&url, &part, source.file, shown)?;
            let found = md5_of(&part).map_err(|e| DownloadError::read(&part, e))?;
            if found == source.md5 {
                return fs::rename(&part, &path).map_err(|e| DownloadError::write(&path, e));
            }
            remove(&part)?;
            if !is_resumed {
                return Err(DownloadError::Checksum { url, expected: source.md5.clone(), found });
            }
            // The beginning may have been that of another file.
            shown.warn(&format!(
                "{}: with what an earlier download left its checksum is wrong; beginning anew",
                source.file
            ));
        }
    }

    /// Writes the checksums of the files beside them.
    fn write_sums(&self, files: &[&str]) -> Result<(), DownloadError> {
        let line = |file: &&str| {
            let path = self.folder.join(file);
            md5_of(&path).map(|md5| format!("{md5}  {file}\n")).map_err(|e| DownloadError::read(&path, e))
        };
        let lines: String = files.iter().map(line).collect::<Result<_, _>>()?;
        let path = self.folder.join(SUMS);
        fs::write(&path, lines).and_then(|()| File::open(&path)?.sync_all()).map_err(|e| DownloadError::write(&path, e))
    }

    /// Moves the files to where they belong.
    fn install(self, target: &Path, files: Vec<&str>) -> Result<(), DownloadError> {
        let folder = self.folder.to_owned();
        let write = |e| DownloadError::write(target, e);
        // An open file would keep Windows from renaming its folder.
        drop(self);
        remove(&folder.join(LOCK))?;
        // An empty folder gives way.
        let _ = fs::remove_dir(target);
        if target.exists() {
            let mut files = files;
            // The readers take a folder for the data set's if it has the first file.
            files.rotate_left(1);
            for file in files {
                fs::rename(folder.join(file), target.join(file)).map_err(write)?;
            }
            fs::remove_dir_all(&folder).map_err(|e| DownloadError::write(&folder, e))?;
        } else {
            fs::rename(&folder, target).map_err(write)?;
        }
        sync(target).map_err(write)
    }
}

/// Makes the new names durable. Windows has no such call and does not need it.
fn sync(target: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(target)?.sync_all()?;
        let above = target.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// After a failure: removes the staging folder unless it has something that the next download can use.
fn tidy(staging: &Path) {
    let entries = fs::read_dir(staging).into_iter().flatten().filter_map(Result::ok);
    // A failure is being reported already.
    entries.map(|entry| entry.path()).filter(|path| is_empty(path)).for_each(|path| drop(fs::remove_file(path)));
    let _ = fs::remove_dir(staging);
}

fn remove(path: &Path) -> Result<(), DownloadError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DownloadError::write(path, e)),
        _ => Ok(()),
    }
}
