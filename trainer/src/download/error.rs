//! Errors of downloads.

use std::io;
use std::path::{Path, PathBuf};

use crate::words::count;

/// A data set that could not be downloaded or installed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server has no such file, or does not give it.
    #[error("{url}: the server answered {status}{}; --from URL names the folder of a mirror", reason(*status))]
    Status {
        /// The address.
        url: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The request cannot be made.
    #[error("{url}: {what}; --from URL names the folder of a mirror")]
    Request {
        /// The address.
        url: String,
        /// Why not.
        what: String,
    },
    /// What came several times is not the file.
    #[error(
        "{url}: {what}, in the last of {}; {}",
        count(*attempts, "attempt"),
        if *kept == 0 { "try again later, or name the folder of a mirror with --from URL".to_owned() }
        else { format!("the same command continues after the {kept} bytes in {}", part.display()) }
    )]
    GaveUp {
        /// The address.
        url: String,
        /// What happened last.
        what: String,
        /// How often it was tried.
        attempts: usize,
        /// The number of bytes that were kept.
        kept: u64,
        /// Where they are.
        part: PathBuf,
    },
    /// What the server sends is something else.
    #[error(
        "{url}: expected a file compressed by gzip, found {found}; the address may need a login, or have moved: --from URL names another"
    )]
    NotGzip {
        /// The address.
        url: String,
        /// What it sends.
        found: String,
    },
    /// The file does not end.
    #[error("{url}: expected at most {limit} bytes, found {found}; it is not this data set's file")]
    TooLong {
        /// The address.
        url: String,
        /// The largest length that is accepted.
        limit: u64,
        /// What was found.
        found: String,
    },
    /// The file is complete and not the published one.
    #[error(
        "{url}: expected the MD5 checksum {expected}, found {found}; nothing is installed. If this mirror's files are meant to be others than the \
         published ones, give their checksums, as md5sum prints them, with --checksums FILE"
    )]
    Checksum {
        /// The address.
        url: String,
        /// The checksum that it must have.
        expected: String,
        /// The one that it has.
        found: String,
    },
    /// A file that is there already is another one.
    #[error("{}: expected {expected}, found {found}; move the file away and repeat the command, or choose another --data-dir", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A folder has files of a data set, perhaps of another one, and lacks others.
    #[error(
        "{}: it lacks {missing}, which would be installed beside {files}; expected a checksum to compare {files} with, found none: add lines for the \
         files to that of --checksums, move them away, or choose another --data-dir",
        folder.display()
    )]
    Mixed {
        /// The folder.
        folder: PathBuf,
        /// The files that are there.
        files: String,
        /// Those that are not.
        missing: String,
    },
    /// An archive cannot be unpacked.
    #[error("{}: cannot be unpacked: {what}; nothing is installed", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file of checksums has a line of another form.
    #[error("{}, line {line}: expected an MD5 checksum of 32 digits and a file name, as md5sum prints them", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A file of checksums lacks one.
    #[error("{}: expected a line for {file}, found none", path.display())]
    NoChecksum {
        /// The file.
        path: PathBuf,
        /// The file without a checksum.
        file: &'static str,
    },
    /// Another program downloads the same.
    #[error("{}: another program is downloading this data set there; wait for it, or choose another --data-dir", .0.display())]
    Busy(PathBuf),
    /// The user has no folder of their own.
    #[error("no folder to install to: give one with --data-dir DIR or the environment variable LETHE_DATA")]
    NoPlace,
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}; nothing is installed", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be brought to its place.
    #[error(
        "{}: cannot be installed: {source}; {}",
        path.display(),
        if installed.is_empty() { "nothing is installed".to_owned() }
        else { format!("installed so far: {installed}; the same command continues") }
    )]
    Install {
        /// Its path, or that of the folder.
        path: PathBuf,
        /// The files that are in their place.
        installed: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl DownloadError {
    pub(super) fn read(path: &Path, source: io::Error) -> DownloadError {
        DownloadError::Read { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> DownloadError {
        DownloadError::Write { path: path.to_owned(), source }
    }

    /// Whether the command line is wrong, and not the world.
    pub fn is_usage(&self) -> bool {
        matches!(self, DownloadError::Line { .. } | DownloadError::NoChecksum { .. })
    }
}

/// What a status means, in words.
fn reason(status: u16) -> &'static str {
    match status {
        401 => " (it asks for a login)",
        403 => " (forbidden)",
        404 => " (not found)",
        410 => " (gone)",
        _ => "",
    }
}
