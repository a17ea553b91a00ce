//! Reads the data set that a config describes.

use super::cifar;
use super::dataset::{DataSplit, Dataset};
use super::digits::digits;
use super::error::DataError;
use super::folder;
use super::idx_set;
use super::inspect::inspect;
use super::locate::SearchPath;
use super::names;
use crate::classes::Classes;
use crate::config::{DataConfig, DatasetKind, Problem};
use crate::hold_out::hold_out;
use crate::words;

/// The seed of `data.hold_out`: every run holds out the same images.
const HOLD_OUT_SEED: u64 = 1;

/// Reads the data set that the config names, selects its classes, applies `hold_out`, then `train_limit`.
///
/// # Errors
/// If its files are not found, cannot be read, are not images or contradict each other, if a class does not exist, or if there are too few images to
/// hold out.
pub fn load(config: &DataConfig, search_path: &SearchPath) -> Result<DataSplit, DataError> {
    let mut split = match config.dataset {
        DatasetKind::Digits => digits(),
        DatasetKind::FashionMnist => {
            let split = idx_set::read("fashion-mnist", Some(10), search_path)?;
            let named = |set: Dataset| set.named(Classes::new(names::FASHION_MNIST));
            DataSplit { train: named(split.train), test: named(split.test), ..split }
        }
        DatasetKind::Mnist => idx_set::read("mnist", Some(10), search_path)?,
        DatasetKind::Idx => idx_set::read("idx", config.classes, search_path)?,
        DatasetKind::Cifar10 => cifar::read(&cifar::CIFAR_10, search_path)?,
        DatasetKind::Cifar100 => cifar::read(&cifar::CIFAR_100, search_path)?,
        DatasetKind::Imagenet => folder::read("imagenet", config.hold_out.is_none(), search_path)?,
        DatasetKind::ImageFolder => folder::read("image-folder", config.hold_out.is_none(), search_path)?,
    };
    if let Some(only) = &config.only_classes {
        split = of_classes(&split, only)?;
    }
    if let Some(count) = config.hold_out {
        split = held_out(split, count)?;
    }
    for part in [&split.train, &split.test] {
        if let (true, Some(only)) = (part.is_empty(), &config.only_classes) {
            let reason = format!("leaves nothing of {}: it has no image of these classes", part.name);
            return Err(Problem::value("data.only_classes", format!("{only:?}"), reason).into());
        }
    }
    if let Some(limit) = config.train_limit {
        split.train.truncate(limit);
    }
    inspect(&mut [&mut split.train, &mut split.test])?;
    let folder = split.folder.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
    Ok(DataSplit { train: split.train.resized(config.size), test: split.test.resized(config.size), folder })
}

/// Training and test set with these classes only.
fn of_classes(split: &DataSplit, only: &[u32]) -> Result<DataSplit, DataError> {
    let classes = split.train.classes;
    if let Some(class) = only.iter().find(|class| **class as usize >= classes) {
        let reason = format!("the data set has the classes 0 to {}", classes - 1);
        return Err(Problem::value("data.only_classes", class, reason).into());
    }
    let folder = split.folder.clone();
    Ok(DataSplit { train: split.train.of_classes(only), test: split.test.of_classes(only), folder })
}

/// Splits the training set: `count` of its images become the test set; both keep their order.
fn held_out(DataSplit { train, folder, .. }: DataSplit, count: usize) -> Result<DataSplit, DataError> {
    if count >= train.len() {
        let reason = format!("leaves nothing to train on: the training set has {}", words::count(train.len(), "image"));
        return Err(Problem::value("data.hold_out", count, reason).into());
    }
    let held = hold_out(&train.labels, train.classes, count, HOLD_OUT_SEED);
    let (test, kept): (Vec<usize>, Vec<usize>) = (0..train.len()).partition(|&i| held[i]);
    let test = train.select(&format!("{}, held out", train.name), &test);
    Ok(DataSplit { test, train: train.select(&train.name, &kept), folder })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::idx_set::{Part, TEST, TRAIN};
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

    fn search_path(data_dir: Option<&Path>, variable: Option<&Path>, system: &Path) -> SearchPath {
        let own = |path: Option<&Path>| path.map(Path::to_owned);
        SearchPath {
            data_dir: own(data_dir),
            variable: own(variable),
            system: system.to_owned(),
            ..SearchPath::default()
        }
    }

    fn config(dataset: DatasetKind, classes: Option<usize>) -> DataConfig {
        DataConfig { classes, ..DataConfig::of(dataset) }
    }

    #[test]
    fn folders_are_searched_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (given, variable, system) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        write(&given, TRAIN, 1, &[0]);
        write(&given, TEST, 1, &[0]);
        write(&variable.join("mnist"), TRAIN, 2, &[0, 1]);
        write(&variable.join("mnist"), TEST, 1, &[0]);
        write(&system.join("mnist"), TRAIN, 3, &[0, 1, 2]);
        write(&system.join("mnist"), TEST, 1, &[0]);
        let mnist = config(DatasetKind::Mnist, None);
        let count = |search_path: SearchPath| load(&mnist, &search_path).map(|split| split.train.len());
        assert_eq!(count(search_path(Some(&given), Some(&variable), &system)).unwrap(), 1);
        let found = load(&mnist, &search_path(None, Some(&variable), &system)).unwrap().folder.unwrap();
        assert!(found.is_absolute() && found.ends_with("b/mnist"), "{found:?}");
        assert_eq!(count(search_path(None, Some(&variable), &system)).unwrap(), 2);
        assert_eq!(count(search_path(None, None, &system)).unwrap(), 3);
        assert_eq!(count(search_path(None, Some(&given.join("none")), &system)).unwrap(), 3);
        let error = count(search_path(Some(&given.join("none")), Some(&variable), &system)).unwrap_err().to_string();
        assert!(error.contains("a/none, ") && !error.contains("/c/"), "{error}");
    }

    #[test]
    fn a_missing_data_set_names_folders_and_package() {
        let folder = tempfile::tempdir().unwrap();
        let search_path = search_path(None, Some(&folder.path().join("x")), &folder.path().join("y"));
        let error = load(&config(DatasetKind::FashionMnist, None), &search_path).unwrap_err().to_string();
        for part in ["x, ", "x/fashion-mnist, ", "y/fashion-mnist", "dataset-fashion-mnist", "LETHE_DATA"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn files_that_contradict_each_other_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let error = |classes| {
            let search_path = search_path(Some(path), None, path);
            load(&config(DatasetKind::Idx, classes), &search_path).unwrap_err().to_string()
        };
        write(path, TRAIN, 3, &[0, 1]);
        assert!(error(None).contains("expected 3 labels") && error(None).contains("found 2"), "{}", error(None));
        write(path, TRAIN, 3, &[0, 1, 2]);
        assert!(error(None).contains("no t10k-images-idx3-ubyte"), "{}", error(None));
        write(path, TEST, 2, &[0, 3]);
        assert!(error(None).contains("labels below 3, found 3 at index 1"), "{}", error(None));
        assert!(error(Some(2)).contains("labels below 2, found 2 at index 2"), "{}", error(Some(2)));
        let search_path = search_path(Some(path), None, path);
        assert_eq!(load(&config(DatasetKind::Idx, Some(4)), &search_path).unwrap().test.classes, 4);
    }

    #[test]
    fn classes_that_a_part_lacks_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write(path, TRAIN, 4, &[0, 1, 2, 0]);
        write(path, TEST, 2, &[0, 1]);
        let of = |only: Vec<u32>, hold_out| {
            let config = DataConfig { only_classes: Some(only), hold_out, ..config(DatasetKind::Idx, None) };
            load(&config, &search_path(Some(path), None, path)).map(|split| split.test.len()).map_err(|e| e.to_string())
        };
        assert_eq!(of(vec![0, 2], None).unwrap(), 1);
        let error = of(vec![2], None).unwrap_err();
        assert!(error.contains("data.only_classes = [2]") && error.contains("no image of these classes"), "{error}");
        assert_eq!(of(vec![0, 2], Some(1)).unwrap(), 1, "the test set is of training images");
    }

    #[test]
    fn images_are_held_out_before_the_limit() {
        let search_path = search_path(None, None, Path::new("nowhere"));
        let with = |hold_out, train_limit, size| {
            let config = DataConfig { hold_out, train_limit, size, ..DataConfig::of(DatasetKind::Digits) };
            load(&config, &search_path)
        };
        let split = with(Some(100), Some(1000), Some(12)).unwrap();
        assert_eq!((split.train.len(), split.test.len(), split.train.shape.width), (1000, 100, 12));
        assert!((0..10).all(|class| (8..=12).contains(&split.test.labels.iter().filter(|l| **l == class).count())));
        assert_eq!(split.test, with(Some(100), None, Some(12)).unwrap().test);
        let message = with(Some(1437), None, None).unwrap_err().to_string();
        assert!(message.contains("data.hold_out = 1437") && message.contains("1437 images"), "{message}");
    }
}
