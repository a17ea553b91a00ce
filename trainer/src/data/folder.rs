//! Data sets of image files: a folder for each class, with its images at any depth.
//!
//! This module only lists the files; they are inspected and decoded elsewhere.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lethe_tensor::random::{Draw, Philox};

use super::dataset::{DataSplit, Dataset, Images};
use super::error::DataError;
use super::labels_file;
use super::listing::{Entry, Found, Kind, endings};
use super::locate::{SearchPath, find};
use crate::classes::{Classes, listed};
use crate::files;
use crate::words::count;

const TRAIN: &str = "train";
/// The folders of the test set; the first that exists is used.
const TEST: [&str; 2] = ["val", "test"];
/// The file with the classes of test images that are not in class folders, beside the images or, as TinyImageNet's, in their folder; the first that
/// exists is used.
const LABELS: [&str; 4] = ["val.txt", "val.csv", "val/val_annotations.txt", "test.txt"];
const ORDER_SEED: u64 = 2;

/// Lists the images in `train/` and, if requested, in `val/` or `test/`. Otherwise the test set is empty.
pub fn read(name: &str, with_test: bool, search_path: &SearchPath) -> Result<DataSplit, DataError> {
    let folder = root(name, search_path)?;
    let train_folder = folder.join(TRAIN);
    let classes = class_names(&train_folder)?;
    let train = read_classes(format!("{name}, training set"), &train_folder, &classes)?;
    let train = shuffled(&train);
    let empty = lacking(&train);
    if let Some(first) = empty.first() {
        let path = train_folder.join(first);
        let more = if empty.len() > 1 {
            format!("none, nor in {}", count(empty.len() - 1, "other class"))
        } else {
            "none".into()
        };
        return Err(DataError::malformed(&path, "class", images_wanted(), more));
    }
    let test_name = format!("{name}, test set");
    let test = match with_test {
        true => read_test(test_name, &folder, &classes)?,
        false => Dataset::in_files(test_name, Vec::<PathBuf>::new(), Vec::new(), classes),
    };
    Ok(DataSplit { train, test, folder: Some(folder) })
}

/// The folder that contains `train/`.
pub(super) fn root(name: &str, search_path: &SearchPath) -> Result<PathBuf, DataError> {
    find(name, search_path.folders(name), "folder train/", search_path, |folder| folder.join(TRAIN).is_dir())
}

/// The classes of a data set: the names of the folders of its training set, sorted.
pub(super) fn classes_of(root: &Path) -> Result<Classes, DataError> {
    class_names(&root.join(TRAIN))
}

/// The names of the folders in a folder, sorted; there must be two or more.
fn class_names(folder: &Path) -> Result<Classes, DataError> {
    let mut found = Found::default();
    // Broken links are reported with those in the folders of classes, unless there is nothing else.
    let entries = found.entries(folder)?;
    let names = entries.into_iter().filter(|entry| matches!(entry.kind, Kind::Folder)).map(|entry| entry.name);
    let classes = Classes::new(names);
    if classes.len() < 2 {
        found.check()?;
        let expected = "two or more folders, one for each class".to_owned();
        return Err(DataError::malformed(folder, "classes", expected, count(classes.len(), "folder")));
    }
    Ok(classes)
}

/// The names of the classes without images in a set.
fn lacking(set: &Dataset) -> Vec<&String> {
    let mut filled = vec![false; set.classes];
    set.labels.iter().for_each(|label| filled[*label as usize] = true);
    set.names.names().iter().zip(filled).filter(|(_, filled)| !filled).map(|(name, _)| name).collect()
}

/// Shuffles training images, in the same way in every run: the first of them (for `train_limit` or an analysis) must not all be of the first classes.
fn shuffled(set: &Dataset) -> Dataset {
    let mut order: Vec<usize> = (0..set.len()).collect();
    Philox::new(Draw::new(ORDER_SEED, [0; 3])).shuffle(&mut order);
    set.select(&set.name, &order)
}

/// Test images in class folders, each named as one of `classes`, in the order of the files' names, as in ImageNet's validation set.
pub(super) fn read_test_classes(name: String, folder: &Path, classes: &Classes) -> Result<Dataset, DataError> {
    let set = read_classes(name, folder, classes)?;
    let Images::Files(files) = &set.images else { unreachable!("folders are lists of files") };
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by_key(|&i| files[i].name());
    Ok(set.select(&set.name, &order))
}

/// The images in class folders, each named as one of `classes`, folder after folder.
fn read_classes(name: String, folder: &Path, classes: &Classes) -> Result<Dataset, DataError> {
    let numbers: HashMap<&str, u32> = classes.names().iter().map(String::as_str).zip(0..).collect();
    files::spare(folder);
    let (mut found, mut labels) = (Found::default(), Vec::new());
    let (mut unknown, mut loose) = (Vec::new(), Vec::new());
    for Entry { name, path, kind } in found.entries(folder)? {
        match (kind, numbers.get(name.as_str())) {
            (Kind::Folder, Some(number)) => {
                found.take(&path)?;
                labels.resize(found.images.len(), *number);
            }
            (Kind::Folder, None) => unknown.push(name),
            (Kind::Image, _) => loose.push(name),
            (Kind::Other, _) => found.pass_over(&path),
        }
    }
    found.check()?;
    if !unknown.is_empty() {
        let expected = format!("one of the {} classes of the training set", classes.len());
        return Err(DataError::malformed(folder, "class", expected, listed(&unknown)));
    }
    if found.images.is_empty() {
        return Err(DataError::malformed(folder, "images", images_wanted(), "none".to_owned()));
    }
    let remark = found.remark();
    let set = Dataset::in_files(name, found.images, labels, classes.clone());
    let outside = (!loose.is_empty()).then(|| {
        let images = count(loose.len(), "image");
        format!("{}: ignored {images} outside the class folders: {}", folder.display(), listed(&loose))
    });
    let remarks = outside.into_iter().chain(remark).collect();
    Ok(Dataset { remarks, ..set })
}

fn read_test(name: String, root: &Path, classes: &Classes) -> Result<Dataset, DataError> {
    let folders: Vec<PathBuf> = TEST.map(|part| root.join(part)).into_iter().filter(|folder| folder.is_dir()).collect();
    let Some(folder) = folders.first() else {
        return Err(DataError::Incomplete {
            folder: root.to_owned(),
            file: format!("folder {}/", TEST.join("/ or ")),
            beside: format!("{TRAIN}/"),
            needed: "both, or data.hold_out".to_owned(),
        });
    };
    let mut set = read_part(name, root, folder, classes)?;
    if let [_, other] = &folders[..] {
        set.remarks.push(format!("{} is ignored, since there is {}", other.display(), folder.display()));
    }
    let lacking = lacking(&set);
    if !lacking.is_empty() {
        let (count, all, names) = (lacking.len(), classes.len(), listed(&lacking));
        let remark = format!("{} has no image of {count} of {all} classes: {names}", folder.display());
        set.remarks.push(remark);
    }
    Ok(set)
}

/// The images of the test set, with or without class folders.
fn read_part(name: String, root: &Path, folder: &Path, classes: &Classes) -> Result<Dataset, DataError> {
    let entries = Found::default().entries(folder)?;
    let is_class = |entry: &&Entry| matches!(entry.kind, Kind::Folder) && classes.names().contains(&entry.name);
    // A folder that was sorted into class folders needs no labels, though the file that was used for sorting may still be there.
    if entries.iter().any(|entry| is_class(&entry)) {
        if let Some(loose) = entries.iter().find(|entry| matches!(entry.kind, Kind::Image)) {
            let expected = "all of them in class folders, or none".to_owned();
            return Err(DataError::malformed(folder, "images", expected, loose.name.clone()));
        }
        return read_test_classes(name, folder, classes);
    }
    let labels = LABELS.map(|file| root.join(file));
    if labels[..2].iter().all(|file| file.is_file()) {
        let expected = format!("one file: {} or {}", LABELS[0], LABELS[1]);
        return Err(DataError::malformed(root, "labels", expected, "both".to_owned()));
    }
    match labels.into_iter().find(|file| file.is_file()) {
        Some(labels) => read_flat(name, folder, &labels, classes),
        None if entries.iter().any(|entry| matches!(entry.kind, Kind::Folder)) => {
            read_test_classes(name, folder, classes)
        }
        None => {
            let expected =
                format!("class folders, or images with a file {} of their classes beside the folder", LABELS[0]);
            Err(DataError::malformed(folder, "classes", expected, "neither".to_owned()))
        }
    }
}

/// The images of a folder without class folders, in the order of their names, with labels from a file.
fn read_flat(name: String, folder: &Path, labels: &Path, classes: &Classes) -> Result<Dataset, DataError> {
    let mut found = Found::beside(labels);
    found.take(folder)?;
    found.check()?;
    if found.images.is_empty() {
        return Err(DataError::malformed(folder, "images", images_wanted(), "none".to_owned()));
    }
    found.images.sort_by(|a, b| a.name().cmp(b.name()));
    let labels = labels_file::read(labels, &found.images, classes)?;
    let remarks = found.remark().into_iter().collect();
    Ok(Dataset { remarks, ..Dataset::in_files(name, found.images, labels, classes.clone()) })
}

fn images_wanted() -> String {
    format!("images ({})", endings())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search_path(folder: &Path) -> SearchPath {
        SearchPath::only(folder)
    }

    /// Creates empty files: nothing here decodes them.
    fn touch(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
    }

    fn names(set: &Dataset) -> Vec<(String, u32)> {
        let Images::Files(files) = &set.images else { panic!("folders are lists of files") };
        files.iter().map(|file| file.name().to_owned()).zip(set.labels.iter().copied()).collect()
    }

    #[test]
    fn classes_are_folders_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imagenet");
        touch(&path, &["train/n2/b.JPEG", "train/n2/a.png", "train/n1/c.jpg", "train/n1/notes.txt", "train/.x/d.jpg"]);
        let error = || read("imagenet", true, &search_path(folder.path())).unwrap_err().to_string();
        assert!(
            error().contains("no folder val/ or test/ beside train/") && error().contains("hold_out"),
            "{}",
            error()
        );
        touch(&path, &["test/n2/e.jpg", "test/n1/f.jpg"]);
        let split = read("imagenet", true, &search_path(folder.path())).unwrap();
        let own = |list: &[(&str, u32)]| list.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect::<Vec<_>>();
        let mut train = names(&split.train);
        train.sort();
        assert_eq!(train, own(&[("a.png", 1), ("b.JPEG", 1), ("c.jpg", 0)]));
        assert_eq!(names(&split.test), own(&[("e.jpg", 1), ("f.jpg", 0)]), "in the order of the names");
        assert!(read("imagenet", false, &search_path(folder.path())).unwrap().test.is_empty());
        touch(&path, &["test/n3/g.jpg"]);
        assert!(error().contains("one of the 2 classes of the training set, found `n3`"), "{}", error());
        touch(&path, &["train/n4/readme.txt"]);
        assert!(
            error().contains("n4: class: expected images (.jpeg, .jpg, .png, .bmp, .webp, .tif, .tiff), found none"),
            "{}",
            error()
        );
    }

    #[test]
    fn the_first_training_images_are_of_all_classes() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<String> = (0..100).map(|i| format!("train/n{}/{i}.jpg", i / 25)).collect();
        touch(folder.path(), &files.iter().map(String::as_str).collect::<Vec<_>>());
        let read = || read("image-folder", false, &search_path(folder.path())).unwrap().train;
        let first = &read().labels[..20];
        assert!((0..4).all(|class| first.contains(&class)), "{first:?}");
        assert_eq!(read(), read());
    }

    #[test]
    fn a_flat_folder_takes_its_labels_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        touch(path, &["train/n1/a.jpg", "train/n2/b.jpg", "val/v1.JPEG", "val/v2.JPEG"]);
        let test = |text: &str| {
            std::fs::write(path.join("val.txt"), text).unwrap();
            read("imagenet", true, &search_path(path)).map(|split| split.test.labels).map_err(|e| e.to_string())
        };
        assert_eq!(test("v2.JPEG 1\nv1.JPEG n1\n\n").unwrap(), [0, 1]);
        assert!(test("v2.JPEG 1\n").unwrap_err().contains("a line for v1.JPEG"), "{:?}", test("v2.JPEG 1\n"));
        assert!(test("v1.JPEG 2\n").unwrap_err().contains("`v1.JPEG 2` in line 1"));
        touch(path, &["val/n1/y.JPEG", "val/n2/x.JPEG"]);
        assert!(test("of no use").unwrap_err().contains("in class folders, or none, found v1.JPEG"));
        for file in ["val/v1.JPEG", "val/v2.JPEG"] {
            std::fs::remove_file(path.join(file)).unwrap();
        }
        assert_eq!(test("of no use").unwrap(), [1, 0], "folders have their labels");
    }

    #[test]
    fn classes_called_by_numbers_are_told_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        touch(path, &["train/1/a.jpg", "train/10/b.jpg", "train/2/c.jpg", "val/v1.jpg", "val/v2.jpg"]);
        let labels = |text: &str| {
            std::fs::write(path.join("val.txt"), text).unwrap();
            read("image-folder", true, &search_path(path)).unwrap().test.labels
        };
        assert_eq!(labels("v1.jpg 1\nv2.jpg 10\n"), [0, 1]);
        assert_eq!(labels("v1.jpg 1\nv2.jpg 0\n"), [1, 0], "one that is no name: all are numbers");
    }

    #[test]
    fn a_folder_without_classes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = || read("image-folder", true, &search_path(folder.path())).unwrap_err().to_string();
        assert!(error().contains("image-folder not found: no folder train/ in"), "{}", error());
        touch(folder.path(), &["train/n1/a.jpg"]);
        assert!(error().contains("one for each class, found 1 folder"), "{}", error());
    }
}
