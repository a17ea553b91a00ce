//! Replaces a file in one piece, so that whoever reads it, or comes after a crash or a full disk, finds the old one or the
//! new one and never a part.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes the parts, one after the other, to a file beside `path`, makes sure they are on the disk, and renames it.
///
/// # Errors
/// If any of that fails; then `path` is what it was, and nothing is left beside it.
pub fn write_atomically(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = write(&partial, parts).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // The first error is the one to report; the partial file may not even exist.
        let _ = fs::remove_file(&partial);
        return written;
    }
    sync_folder(path)
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// The new name is safe only when the folder is on the disk too. Windows has no such call and needs none.
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
    fn a_leftover_of_a_killed_process_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(folder.path().join("a.partial"), "half of something much longer").unwrap();
        write_atomically(&path, &[b"whole"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
