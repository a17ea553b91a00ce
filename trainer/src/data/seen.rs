//! A cache of inspected files, so that a million files need not be opened at every start. It is kept in the user's cache folder, one file for each
//! folder of images: `$XDG_CACHE_HOME/lethe` or `~/.cache/lethe` (on macOS `~/Library/Caches/lethe`, on Windows `%LOCALAPPDATA%\lethe`). A file whose
//! size and times (of modification and, on Unix, of change) are unchanged is taken to be unchanged. A cache that is broken or cannot be written only
//! costs time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use flate2::Crc;

use lethe_nn::atomic::write_atomically;

/// Fewer files than this are inspected in a moment and not cached.
const FEWEST: usize = 1000;
const HEADING: &str = "lethe: images that were looked at, 2";

/// What identifies an inspected file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub size: u64,
    /// Its modification time.
    pub modified: u64,
    /// Its change time, which programs cannot set; 0 if the system has no such time.
    pub changed: u64,
    /// A checksum of its beginning and end.
    pub ends: u32,
}

/// The inspected files.
pub(super) struct Seen {
    /// The cache file; `None` if there are few files.
    file: Option<PathBuf>,
    stamps: HashMap<PathBuf, Stamp>,
}

impl Seen {
    /// The cached entries for these files.
    pub fn of(files: &[&Path]) -> Seen {
        Seen::kept_in(if files.len() < FEWEST { None } else { folder() }, files)
    }

    fn kept_in(folder: Option<PathBuf>, files: &[&Path]) -> Seen {
        let file = folder.and_then(|folder| {
            let root = std::path::absolute(common(files)?).ok()?;
            let mut crc = Crc::new();
            crc.update(root.as_os_str().as_encoded_bytes());
            Some(folder.join(format!("images-{:08x}.txt", crc.sum())))
        });
        let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        Seen { stamps: text.as_deref().and_then(parse).unwrap_or_default(), file }
    }

    /// The cached entry of a file.
    pub fn stamp(&self, path: &Path) -> Option<Stamp> {
        if self.stamps.is_empty() {
            return None;
        }
        self.stamps.get(&std::path::absolute(path).ok()?).copied()
    }

    /// Adds these files to the cache, if any of them is new.
    pub fn keep<'a>(mut self, files: impl Iterator<Item = (&'a Path, Option<Stamp>)>) {
        let Some(file) = self.file.take() else { return };
        let mut is_new = false;
        for (path, stamp) in files {
            if let (Ok(path), Some(stamp)) = (std::path::absolute(path), stamp) {
                is_new |= self.stamps.insert(path, stamp) != Some(stamp);
            }
        }
        if is_new {
            // If it fails, the next start inspects all files again.
            let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
            let _ = folder.and_then(|()| write_atomically(&file, &[text(&self.stamps).as_bytes()]));
        }
    }
}

/// The common folder of all files.
fn common(files: &[&Path]) -> Option<PathBuf> {
    let mut shared = files.first()?.parent()?.to_owned();
    for file in files {
        while !file.starts_with(&shared) {
            shared = shared.parent()?.to_owned();
        }
    }
    Some(shared)
}

/// The user's cache folder.
fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_system = || match std::env::consts::OS {
        "windows" => variable("LOCALAPPDATA"),
        "macos" => Some(variable("HOME")?.join("Library/Caches")),
        _ => Some(variable("HOME")?.join(".cache")),
    };
    Some(variable("XDG_CACHE_HOME").or_else(of_system)?.join("lethe"))
}

/// The cache's text: a heading, one line per file, and a checksum.
fn text(stamps: &HashMap<PathBuf, Stamp>) -> String {
    let mut lines: Vec<String> = stamps
        .iter()
        .filter_map(|(path, stamp)| {
            let path = path.to_str().filter(|path| !path.contains('\n'))?;
            Some(format!("{} {} {} {:08x} {path}\n", stamp.size, stamp.modified, stamp.changed, stamp.ends))
        })
        .collect();
    lines.sort();
    let body = format!("{HEADING}\n{}", lines.concat());
    let sum = checksum(&body);
    format!("{body}{sum}\n")
}

fn checksum(body: &str) -> String {
    let mut crc = Crc::new();
    crc.update(body.as_bytes());
    format!("checksum {:08x}", crc.sum())
}

/// The entries of such a text; `None` if it is incomplete.
fn parse(text: &str) -> Option<HashMap<PathBuf, Stamp>> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = format!("{body}\n");
    let lines = body.strip_prefix(HEADING)?.strip_prefix('\n').filter(|_| checksum(&body) == sum)?;
    let stamp = |line: &str| {
        let mut parts = line.splitn(5, ' ');
        let mut number = || parts.next()?.parse().ok();
        let (size, modified, changed) = (number()?, number()?, number()?);
        let ends = u32::from_str_radix(parts.next()?, 16).ok()?;
        Some((PathBuf::from(parts.next()?), Stamp { size, modified, changed, ends }))
    };
    lines.lines().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_again_until_a_byte_of_the_record_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["/data/train/a/1.jpg", "/data/val/b 2.jpg"].map(Path::new);
        let stamps = [5, 6].map(|size| Stamp { size, modified: 7, changed: 9, ends: 8 });
        let seen = || Seen::kept_in(Some(folder.path().join("lethe")), &files);
        assert_eq!(seen().stamp(files[0]), None);
        seen().keep(files.into_iter().zip(stamps.map(Some)));
        assert_eq!(files.map(|file| seen().stamp(file)), stamps.map(Some));
        let path = seen().file.unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert!(seen().stamps.is_empty(), "byte {at}");
        }
        seen().keep(files.into_iter().zip(stamps.map(Some)));
        assert_eq!(std::fs::read(&path).unwrap(), whole, "made again");
    }

    #[test]
    fn the_record_is_of_the_folder_that_all_stand_in() {
        let of = |files: &[&str]| common(&files.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(of(&["/d/train/a/1", "/d/val/2"]), Some("/d".into()));
        assert_eq!(of(&["/d/a/1", "/d/a/2"]), Some("/d/a".into()));
    }
}
