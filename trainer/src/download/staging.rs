//! The folder in which the missing files of a data set become complete.
//!
//! Everything is downloaded, verified, unpacked and read once in a folder `NAME.partial` of its own. If the data set's folder does not exist yet, that
//! folder becomes it, by one renaming. If it exists and lacks some files, `NAME.partial` is in it, and each of them is renamed, the one that the readers
//! look for last.
//! What an interrupted download left in `NAME.partial` is used by the next one.
//!
//! From before the first byte until the last file is in its place, the program holds a lock of the file `NAME.partial.lock` beside the folder: within it,
//! an open file would keep Windows from renaming it.

use super::catalogue::{Archive, Published, Source};
use super::checksum::md5_of;
use super::error::DownloadError;
use super::fetch::Fetcher;
use super::install::{SUMS, There, expect, is_empty, read};
use super::progress::Transfers;
use super::unpack::unpack;
use crate::data::DataSplit;
use crate::error::Error;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The folder in which a data set becomes complete, for this program alone. At its end it is removed unless it has something that the next download can
/// use.
pub(super) struct Staging {
    folder: PathBuf,
    /// Released after everything else, also after the end below.
    _lock: Lock,
}

impl Drop for Staging {
    fn drop(&mut self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        // A failure is being reported already.
        entries.map(|entry| entry.path()).filter(|path| is_empty(path)).for_each(|path| drop(fs::remove_file(path)));
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Staging {
    /// Takes the lock, and makes the folder.
    ///
    /// # Errors
    /// If another program has it, or it cannot be made.
    pub(super) fn open(folder: PathBuf) -> Result<Staging, DownloadError> {
        let base = folder.parent().unwrap_or(&folder);
        fs::create_dir_all(base).map_err(|e| DownloadError::write(base, e))?;
        let mut path = folder.clone().into_os_string();
        path.push(".lock");
        let lock = Lock::take(PathBuf::from(path), &folder)?;
        fs::create_dir_all(&folder).map_err(|e| DownloadError::write(&folder, e))?;
        Ok(Staging { folder, _lock: lock })
    }

    /// Downloads the missing files, and installs them.
    ///
    /// # Errors
    /// If one cannot be downloaded or written, is not the right one, or if a file that is there is not.
    pub(super) fn fill(
        self,
        set: &Published,
        there: &There<'_>,
        target: &Path,
        fetcher: &Fetcher,
        shown: &mut Transfers,
    ) -> Result<DataSplit, Error> {
        for source in &there.missing {
            self.fetch(set, source, fetcher, shown)?;
            if let Some(archive) = &source.archive {
                let unpacked = self.unpack(source, archive, &there.absent, target);
                unpacked.inspect_err(|error| {
                    // Of a broken archive with the right checksum another download would bring the same.
                    let useless = matches!(error, DownloadError::Archive { .. }).then_some(source.file);
                    let files = archive.members().map(|(file, _)| file).chain(useless);
                    files.for_each(|file| drop(fs::remove_file(self.folder.join(file))));
                })?;
            }
        }
        // Whole, the data set is read before it is installed.
        let is_whole = there.missing.len() == set.sources.len();
        let split = is_whole.then(|| read(set, &self.folder)).transpose();
        let split = split.inspect_err(|_| drop(fs::remove_dir_all(&self.folder)))?;
        let mut files = there.absent.clone();
        if is_whole && target.join(SUMS).symlink_metadata().is_err() {
            self.write_sums(&set.files())?;
            files.push(SUMS);
        }
        let archives: Vec<&str> =
            there.missing.iter().filter(|source| source.archive.is_some()).map(|source| source.file).collect();
        self.install(target, files, &archives)?;
        split.map_or_else(|| read(set, target), Ok)
    }

    /// Unpacks an archive, and compares what is there already with the files in it.
    fn unpack(&self, source: &Source, archive: &Archive, absent: &[&str], target: &Path) -> Result<(), DownloadError> {
        unpack(&self.folder.join(source.file), archive, &self.folder)?;
        for (file, _) in archive.members().filter(|(file, _)| !absent.contains(file)) {
            let path = self.folder.join(file);
            expect(&target.join(file), &md5_of(&path).map_err(|e| DownloadError::read(&path, e))?)?;
        }
        Ok(())
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

    /// Moves the files to where they belong; nothing that is there is replaced. The archives have been unpacked.
    fn install(&self, target: &Path, mut files: Vec<&'static str>, archives: &[&str]) -> Result<(), DownloadError> {
        let failed = |path: &Path, source, files: &[&str]| {
            let (path, installed) = (path.to_owned(), files.join(", "));
            DownloadError::Install { path, installed, source }
        };
        // An empty folder gives way.
        let _ = fs::remove_dir(target);
        if target.exists() {
            // The readers take a folder for the data set's if it has the first file.
            files.rotate_left(1);
            for (at, file) in files.iter().enumerate() {
                let path = target.join(file);
                let is_free = path.symlink_metadata().is_err();
                let moved = if is_free { fs::rename(self.folder.join(file), &path) } else { Err(taken()) };
                moved.map_err(|e| failed(&path, e, &files[..at]))?;
            }
            fs::remove_dir_all(&self.folder).map_err(|e| failed(&self.folder, e, &files))?;
        } else {
            archives.iter().try_for_each(|archive| remove(&self.folder.join(archive)))?;
            fs::rename(&self.folder, target).map_err(|e| failed(target, e, &[]))?;
        }
        sync(target).map_err(|e| failed(target, e, &files))
    }
}

/// Something has come to a place since it was looked at.
fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "there is a file by now, which is not replaced")
}

/// A lock that one program has: that of the file which has a name. The file goes at its end.
struct Lock {
    /// Closed, and thereby released, after the name is gone.
    _file: File,
    path: PathBuf,
}

impl Lock {
    fn take(path: PathBuf, folder: &Path) -> Result<Lock, DownloadError> {
        loop {
            let file = File::options().write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|e| DownloadError::write(&path, e))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Err(DownloadError::Busy(folder.to_owned())),
                // A file system without locks is not a reason to refuse.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // Between the two calls its last owner may have removed it: then others lock another file of this name.
            if is_at(&file, &path) {
                return Ok(Lock { _file: file, path });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What remains of it is locked by the next program.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a name is that of an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let both = [file.metadata(), path.metadata()].map(|found| found.map(|found| (found.dev(), found.ino())).ok());
    both[0].is_some() && both[0] == both[1]
}

/// Whether a name is that of an open file. The standard library can say no more here than whether it is still there.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
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

fn remove(path: &Path) -> Result<(), DownloadError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DownloadError::write(path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn one_program_has_the_folder_until_everything_is_in_its_place() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("mnist.partial");
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let end = Instant::now() + Duration::from_millis(400);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let Ok(staging) = Staging::open(folder.clone()) else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have it");
                        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "it is as it was left");
                        fs::write(folder.join("empty"), "").unwrap();
                        taken.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(staging);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 8);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0, "neither folder nor lock is left");
    }

    #[test]
    fn a_lock_whose_file_lost_its_name_is_none() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("lock");
        let lock = Lock::take(path.clone(), base.path()).unwrap();
        assert!(matches!(Lock::take(path.clone(), base.path()), Err(DownloadError::Busy(_))));
        // A program that opened the file before its owner removed it, and can lock it afterwards.
        let waiting = File::options().write(true).open(&path).unwrap();
        drop(lock);
        waiting.try_lock().unwrap();
        assert!(!is_at(&waiting, &path));
        if cfg!(unix) {
            let next = Lock::take(path.clone(), base.path()).unwrap();
            assert!(!is_at(&waiting, &path) && is_at(&next._file, &path));
        }
    }

    #[test]
    fn what_is_in_the_way_is_not_replaced_and_what_was_installed_is_told() {
        let base = tempfile::tempdir().unwrap();
        let target = base.path().join("cifar-100");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("c"), "theirs").unwrap();
        let staging = Staging::open(base.path().join("cifar-100.partial")).unwrap();
        ["a", "b", "c"].iter().for_each(|file| fs::write(staging.folder.join(file), "ours").unwrap());
        let error = staging.install(&target, vec!["a", "b", "c"], &[]).unwrap_err().to_string();
        let path = target.join("c").display().to_string();
        assert!(error.contains(&path) && error.contains("not replaced; installed so far: b"), "{error}");
        assert!(!error.contains("nothing is installed"));
        assert_eq!(fs::read_to_string(target.join("c")).unwrap(), "theirs");
        assert!(target.join("b").exists() && !target.join("a").exists());
        // What the next command needs is kept.
        let folder = staging.folder.clone();
        drop(staging);
        assert!(folder.join("a").exists() && folder.join("c").exists());
    }
}
