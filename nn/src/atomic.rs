//! Replaces files atomically: a reader, also after a crash or on a full disk, finds either the old or the new file, never a
//! part of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The suffix of a file that is not complete yet.
const PARTIAL: &str = ".partial";

/// Writes the parts, one after the other, to a file beside `path`, syncs it to the disk, and renames it to `path`.
///
/// # Errors
/// If any of these steps fails; then `path` is unchanged, and nothing is left beside it.
pub fn write_atomically(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    replace(path, parts, || Ok(()))
}

/// The same, and the file that was at `path` becomes `previous`. Between the two renames only `previous` exists.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_keeping(path: &Path, previous: &Path, parts: &[&[u8]]) -> io::Result<()> {
    replace(path, parts, || if path.exists() { fs::rename(path, previous) } else { Ok(()) })
}

fn replace(path: &Path, parts: &[&[u8]], make_way: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let (mut file, partial) = create_partial(path)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
    let written = written.and_then(|()| make_way()).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // The first error is the one that is reported.
        let _ = fs::remove_file(&partial);
        return written;
    }
    sync_folder(path)
}

/// A new file beside `path` with a name that no other thread or process uses, so that two that replace a file at the same time both write a complete
/// one.
fn create_partial(path: &Path) -> io::Result<(File, PathBuf)> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{}{PARTIAL}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
        let partial = path.with_file_name(name);
        match File::options().write(true).create_new(true).open(&partial) {
            // It was left by a killed process: process ids are reused.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            file => return Ok((file?, partial)),
        }
    }
}

/// The name of the file that a partial file with this name was meant to replace.
pub fn replaced_by(partial: &str) -> Option<&str> {
    let (name, number) = partial.strip_suffix(PARTIAL)?.rsplit_once('.')?;
    number.bytes().all(|b| b.is_ascii_digit() || b == b'-').then_some(name)
}

/// The new name is durable only when the folder is on the disk too. Windows has no such call and does not need it.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, &[b"one, ", b"two"]).unwrap();
        write_atomically(&path, &[b"three"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file: the rename fails after everything was written.
        let path = folder.path().join("a");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "kept").unwrap();
        assert!(write_atomically(&path, &[b"new"]).is_err());
        assert_eq!(fs::read(path.join("inside")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_writers_of_one_file_leave_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let texts = ["one".repeat(10_000), "three".repeat(10_000), "2".to_owned()];
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..20).for_each(|_| write_atomically(&path, &[text.as_bytes()]).unwrap()));
            }
        });
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_partial_file_tells_what_it_was_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let (_, partial) = create_partial(&folder.path().join("checkpoint.safetensors")).unwrap();
        assert_eq!(replaced_by(partial.file_name().unwrap().to_str().unwrap()), Some("checkpoint.safetensors"));
        assert_eq!([replaced_by("a.partial"), replaced_by("a.b.partial"), replaced_by("a.1-2")], [None; 3]);
    }
}
