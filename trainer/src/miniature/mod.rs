//! Small synthetic data sets in the formats of the large ones: ImageNet with all its evaluation sets, CIFAR-10 and CIFAR-100. With them the whole
//! pipeline of the paper can be tested without the data. The same call writes the same files.
//!
//! The images are easy to classify: an accuracy on them shows that the pipeline works, and nothing about a method.

mod cifar;
mod imagenet;
mod painting;
mod put;

use crate::error::Error;
use std::path::Path;

/// Writes all of them into a new or empty folder.
///
/// # Errors
/// If the folder is not empty, or cannot be written.
pub fn write(folder: &Path) -> Result<(), Error> {
    let error = |error| Error::Write { path: folder.to_owned(), error };
    std::fs::create_dir_all(folder).map_err(error)?;
    if std::fs::read_dir(folder).map_err(error)?.next().is_some() {
        return Err(error(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "it is not empty; name a new folder",
        )));
    }
    imagenet::write(folder)?;
    cifar::write(folder)
}
