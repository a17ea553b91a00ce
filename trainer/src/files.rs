//! Files that commands write.

use crate::error::Error;
use crate::run::is_file_of_run;
use lethe_nn::atomic::write_atomically;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What this program reads: files, and folders of files.
static READ: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Remembers that this program reads a file, or the files in a folder: [`write`] does not replace them.
pub fn spare(path: &Path) {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = fs::canonicalize(path).ok().filter(|path| !read.contains(path)) {
        read.push(path);
    }
}

/// The bytes of a file, which is then not replaced.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    spare(path);
    fs::read(path)
}

/// The same of a text.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    spare(path);
    fs::read_to_string(path)
}

fn is_read(path: &Path) -> bool {
    READ.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|read| path.starts_with(read))
}

/// Writes a file atomically, and creates missing folders. A symbolic link is kept, and the file that it points to is written. What is not a regular
/// file, such as a pipe or `/dev/stdout`, is written to directly.
///
/// # Errors
/// If it cannot be written, or if it is a file of a run or one that this program reads, which would be lost.
pub fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    written(path, bytes).map_err(|error| Error::Write { path: path.to_owned(), error })?;
    Ok(path.to_owned())
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let of_run = "it is a file of the run in this folder, which would be lost; choose another name";
    let of_input = "this command reads it, and it would be lost; choose another name";
    match fs::metadata(path) {
        Ok(there) if there.is_file() => match fs::canonicalize(path)? {
            target if is_file_of_run(&target) => Err(io::Error::other(of_run)),
            target if is_read(&target) => Err(io::Error::other(of_input)),
            target => write_atomically(&target, &[bytes]),
        },
        _ if is_file_of_run(path) => Err(io::Error::other(of_run)),
        // Replacing it would take it away from other programs.
        Ok(there) if !there.is_dir() => File::options().write(true).open(path)?.write_all(bytes),
        _ => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            write_atomically(path, &[bytes])
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, symlink};

    #[test]
    fn files_of_a_run_are_not_replaced_by_their_names_or_by_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = ["config.toml", "lock", "checkpoint.safetensors", "checkpoints/epoch-001.safetensors"];
        fs::create_dir(at("checkpoints")).unwrap();
        names.iter().for_each(|name| fs::write(at(name), b"old").unwrap());
        symlink(at(names[2]), at("link")).unwrap();
        for name in names.iter().chain(&["link", "summary.json", "checkpoints/other"]) {
            let error = write(&at(name), b"new").unwrap_err().to_string();
            assert!(error.contains("a file of the run"), "{error}");
        }
        write(&at("export.safetensors"), b"new").unwrap();
        assert!(names.iter().all(|name| fs::read(at(name)).unwrap() == b"old"));
    }

    #[test]
    fn what_is_read_is_not_replaced_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, images, image] =
            ["file", "link", "images", "images/1.png"].map(|name| folder.path().join(name));
        fs::create_dir(&images).unwrap();
        [&file, &image].iter().for_each(|path| fs::write(path, b"old").unwrap());
        symlink(&file, &link).unwrap();
        [&link, &images].iter().for_each(|path| spare(path));
        for path in [&file, &link, &folder.path().join("images/../file"), &image] {
            let error = write(path, b"new").unwrap_err().to_string();
            assert!(error.contains("this command reads it"), "{error}");
        }
        write(&images.join("sheet.png"), b"new").unwrap();
        assert!([&file, &image].iter().all(|path| fs::read(path).unwrap() == b"old"));
    }

    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, null] = ["a/file", "link", "null"].map(|name| folder.path().join(name));
        write(&file, b"one").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::read(&file).unwrap() == b"two");
        symlink("/dev/null", &null).unwrap();
        write(&null, b"three").unwrap();
        assert!(fs::metadata(&null).unwrap().file_type().is_char_device());
    }
}
