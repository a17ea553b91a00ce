//! Data sets of four IDX files that are named as MNIST's.

use std::path::{Path, PathBuf};

use super::dataset::{DataSplit, Dataset};
use super::error::DataError;
use super::idx::{read_images, read_labels};
use super::locate::{SearchPath, download, find};

/// The training or test set: its name, its file of images and its file of labels.
pub(super) type Part = (&'static str, &'static str, &'static str);
pub(super) const TRAIN: Part = ("training set", "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
pub(super) const TEST: Part = ("test set", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");

/// Reads the data set with this name.
pub fn read(name: &str, classes: Option<usize>, search_path: &SearchPath) -> Result<DataSplit, DataError> {
    let file_name = format!("{0} (or {0}.gz)", TRAIN.1);
    let folders = search_path.folders(name);
    let folder = find(name, folders, &file_name, search_path, |folder| existing(folder, TRAIN.1).is_some())?;
    let file = |file: &str| file_of(name, &folder, file, search_path);
    let train = read_part(name, [file(TRAIN.1)?, file(TRAIN.2)?], TRAIN.0, classes)?;
    let test = read_part(name, [file(TEST.1)?, file(TEST.2)?], TEST.0, Some(train.classes))?;
    if test.shape != train.shape {
        let size = |set: &Dataset| format!("images of {}×{} pixels", set.shape.height, set.shape.width);
        let path = file(TEST.1)?;
        return Err(DataError::malformed(&path, "sizes", size(&train), size(&test)));
    }
    Ok(DataSplit { train, test, folder: Some(folder) })
}

/// The folder in which the data set with this name is found, which may lack files.
pub(super) fn found(name: &str, search_path: &SearchPath) -> Option<PathBuf> {
    search_path.folders(name).into_iter().find(|folder| existing(folder, TRAIN.1).is_some())
}

fn read_part(
    set: &str,
    [images_path, labels_path]: [PathBuf; 2],
    part: &str,
    classes: Option<usize>,
) -> Result<Dataset, DataError> {
    let (images, count, shape) = read_images(&images_path)?;
    let labels = read_labels(&labels_path)?;
    if labels.len() != count {
        let expected = format!("{count} labels, one for each image of {}", images_path.display());
        return Err(DataError::malformed(&labels_path, "count", expected, labels.len().to_string()));
    }
    let classes = classes.unwrap_or_else(|| labels.iter().map(|l| usize::from(*l) + 1).max().unwrap_or(0).max(2));
    if let Some(at) = labels.iter().position(|label| usize::from(*label) >= classes) {
        let found = format!("{} at index {at}", labels[at]);
        return Err(DataError::malformed(&labels_path, "label", format!("labels below {classes}"), found));
    }
    let labels = labels.into_iter().map(u32::from).collect();
    Ok(Dataset::in_memory(format!("{set}, {part}"), images, shape, 255, labels, classes))
}

/// The path of a required file beside the training images.
fn file_of(name: &str, folder: &Path, file: &str, search_path: &SearchPath) -> Result<PathBuf, DataError> {
    existing(folder, file).ok_or_else(|| {
        let how = download(name, search_path.data_dir.as_deref()).map_or_else(String::new, |how| format!("; {how}"));
        DataError::Incomplete {
            folder: folder.to_owned(),
            file: format!("{file} (or {file}.gz)"),
            beside: TRAIN.1.to_owned(),
            needed: format!("all four files{how}"),
        }
    })
}

/// The path of the file, plain or compressed, in either spelling, if it exists.
pub(crate) fn existing(folder: &Path, file: &str) -> Option<PathBuf> {
    // The original names, and those of some mirrors: train-images.idx3-ubyte.
    let spellings = [file.to_owned(), file.replacen("-idx", ".idx", 1)];
    let files = spellings.iter().flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))]);
    files.into_iter().find(|path| path.exists())
}
