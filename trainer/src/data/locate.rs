//! Finds a data set and reads it: embedded, or as four IDX files with MNIST's names.

use std::path::{Path, PathBuf};

use super::dataset::{DataSplit, Dataset};
use super::digits::digits;
use super::error::DataError;
use super::idx::{read_images, read_labels};
use crate::config::{DataConfig, DatasetKind};

/// Where distributions put data sets, one folder each.
const SYSTEM: &str = "/usr/share/datasets";

/// One part of a data set: its name, its file of images and its file of labels.
type Part = (&'static str, &'static str, &'static str);
const TRAIN: Part = ("training part", "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
const TEST: Part = ("test part", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");

/// The places where data sets are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `--data-dir`: if given, the only place.
    pub data_dir: Option<PathBuf>,
    /// The environment variable `LETHE_DATA`: the first place otherwise.
    pub variable: Option<PathBuf>,
    /// The system's folder of data sets: the last place.
    pub system: PathBuf,
}

impl Places {
    /// The places of this process, with the `--data-dir` it was given.
    pub fn of_process(data_dir: Option<PathBuf>) -> Places {
        let variable = std::env::var_os("LETHE_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
        Places { data_dir, variable, system: PathBuf::from(SYSTEM) }
    }

    /// The folders to look in for the data set of this name, in order. A folder given by the user may hold the files
    /// itself or a folder of the data set's name.
    fn folders(&self, name: &str) -> Vec<PathBuf> {
        let both = |folder: &PathBuf| [folder.clone(), folder.join(name)];
        match &self.data_dir {
            Some(folder) => both(folder).to_vec(),
            None => self.variable.iter().flat_map(both).chain(std::iter::once(self.system.join(name))).collect(),
        }
    }
}

/// Reads the data set that the config names, cut to `train_limit`.
///
/// # Errors
/// If its files are nowhere, cannot be read or contradict each other.
pub fn load(config: &DataConfig, places: &Places) -> Result<DataSplit, DataError> {
    let mut split = match config.dataset {
        DatasetKind::Digits => digits(),
        DatasetKind::FashionMnist => read_split("fashion-mnist", Some(10), places)?,
        DatasetKind::Mnist => read_split("mnist", Some(10), places)?,
        DatasetKind::Idx => read_split("idx", config.classes, places)?,
    };
    if let Some(limit) = config.train_limit {
        split.train.truncate(limit);
    }
    Ok(split)
}

fn read_split(name: &'static str, classes: Option<usize>, places: &Places) -> Result<DataSplit, DataError> {
    let folder = find(name, places)?;
    let train = read_part(name, &folder, TRAIN, classes)?;
    let test = read_part(name, &folder, TEST, Some(train.classes))?;
    if test.shape != train.shape {
        let size = |set: &Dataset| format!("images of {}×{} pixels", set.shape.height, set.shape.width);
        let path = file(&folder, TEST.1, TRAIN.1)?;
        return Err(DataError::malformed(&path, "sizes", size(&train), size(&test)));
    }
    Ok(DataSplit { train, test })
}

/// The first folder that holds the training images.
fn find(name: &str, places: &Places) -> Result<PathBuf, DataError> {
    let looked = places.folders(name);
    let found = looked.iter().find(|folder| existing(folder, TRAIN.1).is_some()).cloned();
    found.ok_or_else(|| DataError::NotFound { dataset: name.to_owned(), file: TRAIN.1, looked, advice: advice(name) })
}

fn advice(name: &str) -> String {
    let package = match name {
        "fashion-mnist" => "install Debian's package dataset-fashion-mnist, or ",
        _ => "",
    };
    format!("{package}say where the files are with --data-dir DIR or the environment variable LETHE_DATA")
}

fn read_part(set: &str, folder: &Path, part: Part, classes: Option<usize>) -> Result<Dataset, DataError> {
    let (part, images_file, labels_file) = part;
    let (images_path, labels_path) = (file(folder, images_file, TRAIN.1)?, file(folder, labels_file, TRAIN.1)?);
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
    Ok(Dataset { name: format!("{set}, {part}"), images, shape, max_value: 255, labels, classes })
}

/// The path of a file that must be there, beside one that is.
fn file(folder: &Path, file: &'static str, beside: &'static str) -> Result<PathBuf, DataError> {
    existing(folder, file).ok_or_else(|| DataError::Incomplete { folder: folder.to_owned(), file, beside })
}

/// The file, plain or compressed, if it is there.
fn existing(folder: &Path, file: &str) -> Option<PathBuf> {
    [folder.join(file), folder.join(format!("{file}.gz"))].into_iter().find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a set of `count` 2×2 images with the given labels as the files of one part.
    fn write(folder: &Path, part: Part, count: u8, labels: &[u8]) {
        std::fs::create_dir_all(folder).unwrap();
        let header = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
        let images = [header(&[0x803, count.into(), 2, 2]), (0..4 * count).collect()].concat();
        std::fs::write(folder.join(part.1), images).unwrap();
        let labels = [header(&[0x801, labels.len() as u32]), labels.to_vec()].concat();
        std::fs::write(folder.join(part.2), labels).unwrap();
    }

    fn places(data_dir: Option<&Path>, variable: Option<&Path>, system: &Path) -> Places {
        let own = |path: Option<&Path>| path.map(Path::to_owned);
        Places { data_dir: own(data_dir), variable: own(variable), system: system.to_owned() }
    }

    fn config(dataset: DatasetKind, classes: Option<usize>) -> DataConfig {
        let augment = Default::default();
        DataConfig { dataset, classes, train_limit: None, mean: 0.5, std: 0.5, augment }
    }

    #[test]
    fn places_are_tried_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (given, variable, system) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        write(&given, TRAIN, 1, &[0]);
        write(&given, TEST, 1, &[0]);
        write(&variable.join("mnist"), TRAIN, 2, &[0, 1]);
        write(&variable.join("mnist"), TEST, 1, &[0]);
        write(&system.join("mnist"), TRAIN, 3, &[0, 1, 2]);
        write(&system.join("mnist"), TEST, 1, &[0]);
        let mnist = config(DatasetKind::Mnist, None);
        let count = |places: Places| load(&mnist, &places).map(|split| split.train.len());
        assert_eq!(count(places(Some(&given), Some(&variable), &system)).unwrap(), 1);
        assert_eq!(count(places(None, Some(&variable), &system)).unwrap(), 2);
        assert_eq!(count(places(None, None, &system)).unwrap(), 3);
        assert_eq!(count(places(None, Some(&given.join("none")), &system)).unwrap(), 3);
        let error = count(places(Some(&given.join("none")), Some(&variable), &system)).unwrap_err().to_string();
        assert!(error.contains("a/none, ") && !error.contains("/c/"), "{error}");
    }

    #[test]
    fn a_missing_data_set_names_places_and_package() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(None, Some(&folder.path().join("x")), &folder.path().join("y"));
        let error = load(&config(DatasetKind::FashionMnist, None), &places).unwrap_err().to_string();
        for part in ["x, ", "x/fashion-mnist, ", "y/fashion-mnist", "dataset-fashion-mnist", "LETHE_DATA"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn files_that_contradict_each_other_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let error = |classes| {
            let places = places(Some(path), None, path);
            load(&config(DatasetKind::Idx, classes), &places).unwrap_err().to_string()
        };
        write(path, TRAIN, 3, &[0, 1]);
        assert!(error(None).contains("expected 3 labels") && error(None).contains("found 2"), "{}", error(None));
        write(path, TRAIN, 3, &[0, 1, 2]);
        assert!(error(None).contains("no t10k-images-idx3-ubyte"), "{}", error(None));
        write(path, TEST, 2, &[0, 3]);
        assert!(error(None).contains("labels below 3, found 3 at index 1"), "{}", error(None));
        assert!(error(Some(2)).contains("labels below 2, found 2 at index 2"), "{}", error(Some(2)));
        let places = places(Some(path), None, path);
        assert_eq!(load(&config(DatasetKind::Idx, Some(4)), &places).unwrap().test.classes, 4);
    }
}
