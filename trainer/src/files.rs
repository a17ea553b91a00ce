//! Files that commands write.

use crate::error::Error;
use crate::run::is_file_of_run;
use lethe_nn::atomic::write_atomically;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file atomically, and creates missing folders. A symbolic link is kept, and the file that it points to is written. What is not a regular
/// file, such as a pipe or `/dev/stdout`, is written to directly.
///
/// # Errors
/// If it cannot be written, or if it is a file of a run, which would be lost.
pub fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    written(path, bytes).map_err(|error| Error::Write { path: path.to_owned(), error })?;
    Ok(path.to_owned())
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let of_run = "it is a file of the run in this folder, which would be lost; choose another name";
    match fs::metadata(path) {
        Ok(there) if there.is_file() => match fs::canonicalize(path)? {
            target if is_file_of_run(&target) => Err(io::Error::other(of_run)),
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
