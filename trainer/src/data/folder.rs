//! A data set of image files: a folder for each class, whose images it holds.
//!
//! Only the list of files is read here; the loader decodes them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lethe_tensor::random::{Draw, Philox};

use super::dataset::{DataSplit, Dataset, Images};
use super::error::DataError;
use super::form::ENDINGS;
use super::locate::{Places, find};

const TRAIN: &str = "train";
/// The folders of the test part; the first that is there.
const TEST: [&str; 2] = ["val", "test"];
/// Beside a folder of test images without classes: a line for each of them, its file name, then its class by number or name.
const LABELS: &str = "val.txt";
const ORDER_SEED: u64 = 2;

/// Reads the lists of `train/` and, where it is wanted, `val/` or `test/`. Otherwise the test part is empty.
pub fn read(name: &str, with_test: bool, places: &Places) -> Result<DataSplit, DataError> {
    let folder = root(name, places)?;
    let train_folder = folder.join(TRAIN);
    let classes = class_names(&train_folder)?;
    let train = read_classes(format!("{name}, training part"), &train_folder, &classes)?;
    let train = shuffled(&train);
    let mut filled = vec![false; classes.len()];
    train.labels.iter().for_each(|label| filled[*label as usize] = true);
    if let Some(empty) = filled.iter().position(|filled| !filled) {
        let path = train_folder.join(&classes[empty]);
        return Err(DataError::malformed(&path, "class", images_wanted(), "none".to_owned()));
    }
    let test_name = format!("{name}, test part");
    let test = match with_test {
        true => read_test(test_name, &folder, &classes)?,
        false => Dataset::in_files(test_name, Vec::new(), Vec::new(), classes.len()),
    };
    Ok(DataSplit { train, test })
}

/// The folder that holds `train/`.
pub(super) fn root(name: &str, places: &Places) -> Result<PathBuf, DataError> {
    find(name, places.folders(name), "folder train/", |folder| folder.join(TRAIN).is_dir())
}

/// The classes of a data set: the names of the folders of its training part, sorted.
pub(super) fn classes_of(root: &Path) -> Result<Vec<String>, DataError> {
    class_names(&root.join(TRAIN))
}

/// The names of the folders in a folder, sorted: two or more.
fn class_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = list(folder)?;
    names.retain(|name| folder.join(name).is_dir());
    if names.len() < 2 {
        let expected = "a folder for each class, two or more".to_owned();
        return Err(DataError::malformed(folder, "classes", expected, format!("{} folders", names.len())));
    }
    Ok(names)
}

/// Training images in an order that is the same in every run: the first so many of them (`train_limit`, an analysis) must not all be of the first classes.
fn shuffled(set: &Dataset) -> Dataset {
    let mut order: Vec<usize> = (0..set.len()).collect();
    Philox::new(Draw::new(ORDER_SEED, [0; 3])).shuffle(&mut order);
    set.select(&set.name, &order)
}

/// Test images of the folders in a folder, each named as one of `classes`, in the order of the files' names: that of ImageNet's validation set.
pub(super) fn read_test_classes(name: String, folder: &Path, classes: &[String]) -> Result<Dataset, DataError> {
    let set = read_classes(name, folder, classes)?;
    let Images::Files(files) = &set.images else { unreachable!("folders are lists of files") };
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by_key(|&i| files[i].file_name());
    Ok(set.select(&set.name, &order))
}

/// The images of the folders in a folder, each named as one of `classes`, folder after folder.
fn read_classes(name: String, folder: &Path, classes: &[String]) -> Result<Dataset, DataError> {
    let numbers: HashMap<&str, u32> = classes.iter().zip(0..).map(|(name, number)| (name.as_str(), number)).collect();
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    for class in class_names(folder)? {
        let path = folder.join(&class);
        let Some(number) = numbers.get(class.as_str()) else {
            let expected = format!("one of the {} classes of the training part", classes.len());
            return Err(DataError::malformed(&path, "class", expected, class));
        };
        files.extend(images(&path)?);
        labels.resize(files.len(), *number);
    }
    if files.is_empty() {
        return Err(DataError::malformed(folder, "images", images_wanted(), "none".to_owned()));
    }
    Ok(Dataset::in_files(name, files, labels, classes.len()))
}

fn read_test(name: String, root: &Path, classes: &[String]) -> Result<Dataset, DataError> {
    let Some(folder) = TEST.map(|part| root.join(part)).into_iter().find(|folder| folder.is_dir()) else {
        return Err(DataError::Incomplete {
            folder: root.to_owned(),
            file: format!("folder {}/", TEST.join("/ or ")),
            beside: format!("{TRAIN}/"),
            needed: "both, or data.hold_out".to_owned(),
        });
    };
    let labels = root.join(LABELS);
    // A folder that was sorted into classes needs no labels, though the file that it was sorted by may still be there.
    let is_sorted = list(&folder)?.iter().any(|name| classes.binary_search(name).is_ok() && folder.join(name).is_dir());
    if let (true, Some(loose)) = (is_sorted, images(&folder)?.first()) {
        let found = loose.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(DataError::malformed(
            &folder,
            "images",
            "all of them in folders of classes, or none".to_owned(),
            found,
        ));
    }
    if labels.exists() && !is_sorted {
        read_flat(name, &folder, &labels, classes)
    } else {
        read_test_classes(name, &folder, classes)
    }
}

/// The images of a folder without classes, in the order of their names, with the labels of a file.
fn read_flat(name: String, folder: &Path, labels: &Path, classes: &[String]) -> Result<Dataset, DataError> {
    let text = std::fs::read_to_string(labels).map_err(|source| DataError::Read { path: labels.to_owned(), source })?;
    // Names, if all are: classes may be called by numbers, and need not stand in their order.
    let by_word = |word: &str| classes.binary_search_by(|class| class.as_str().cmp(word)).ok();
    let words = text.lines().filter_map(|line| line.trim().rsplit_once(' '));
    let are_names = words.into_iter().all(|(_, word)| by_word(word).is_some());
    let mut by_name = HashMap::new();
    for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let class = |word: &str| match word.parse::<usize>() {
            Ok(number) if !are_names => Some(number).filter(|number| *number < classes.len()),
            _ => by_word(word),
        };
        let Some((file, class)) = text.trim().rsplit_once(' ').and_then(|(file, word)| Some((file, class(word)?)))
        else {
            let expected = format!("a file name, a space and a class, below {} or by name", classes.len());
            return Err(DataError::malformed(labels, "line", expected, format!("`{text}` in line {}", line + 1)));
        };
        by_name.insert(file.trim().to_owned(), class as u32);
    }
    let files = images(folder)?;
    let of = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let missing = || DataError::malformed(labels, "labels", format!("a line for {name}"), "none".to_owned());
        by_name.get(&*name).copied().ok_or_else(missing)
    };
    let labels = files.iter().map(of).collect::<Result<Vec<u32>, _>>()?;
    if files.is_empty() {
        return Err(DataError::malformed(folder, "images", images_wanted(), "none".to_owned()));
    }
    Ok(Dataset::in_files(name, files, labels, classes.len()))
}

/// The image files in a folder, by their names; anything else is passed over.
fn images(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let is_image = |name: &String| {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    Ok(list(folder)?.into_iter().filter(is_image).map(|name| folder.join(name)).collect())
}

fn images_wanted() -> String {
    format!("images ({})", ENDINGS.map(|ending| format!(".{ending}")).join(", "))
}

/// The names in a folder, sorted, but for hidden ones.
pub(super) fn list(folder: &Path) -> Result<Vec<String>, DataError> {
    let error = |source| DataError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let readable = || std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{name:?} is no Unicode name"));
        names.push(name.to_str().ok_or_else(readable).map_err(error)?.to_owned());
    }
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places { data_dir: Some(folder.to_owned()), variable: None, system: "nowhere".into() }
    }

    /// Empty files: nothing here decodes them.
    fn touch(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
    }

    fn names(set: &Dataset) -> Vec<(String, u32)> {
        let Images::Files(files) = &set.images else { panic!("folders are lists of files") };
        let name = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(name).zip(set.labels.iter().copied()).collect()
    }

    #[test]
    fn classes_are_folders_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imagenet");
        touch(&path, &["train/n2/b.JPEG", "train/n2/a.png", "train/n1/c.jpg", "train/n1/notes.txt", "train/.x/d.jpg"]);
        let error = || read("imagenet", true, &places(folder.path())).unwrap_err().to_string();
        assert!(
            error().contains("no folder val/ or test/ beside train/") && error().contains("hold_out"),
            "{}",
            error()
        );
        touch(&path, &["test/n2/e.jpg", "test/n1/f.jpg"]);
        let split = read("imagenet", true, &places(folder.path())).unwrap();
        let own = |list: &[(&str, u32)]| list.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect::<Vec<_>>();
        let mut train = names(&split.train);
        train.sort();
        assert_eq!(train, own(&[("a.png", 1), ("b.JPEG", 1), ("c.jpg", 0)]));
        assert_eq!(names(&split.test), own(&[("e.jpg", 1), ("f.jpg", 0)]), "in the order of the names");
        assert!(read("imagenet", false, &places(folder.path())).unwrap().test.is_empty());
        touch(&path, &["test/n3/g.jpg"]);
        assert!(error().contains("one of the 2 classes of the training part, found n3"), "{}", error());
        touch(&path, &["train/n4/readme.txt"]);
        assert!(error().contains("n4: class: expected images (.jpeg, .jpg, .png), found none"), "{}", error());
    }

    #[test]
    fn the_first_training_images_are_of_all_classes() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<String> = (0..100).map(|i| format!("train/n{}/{i}.jpg", i / 25)).collect();
        touch(folder.path(), &files.iter().map(String::as_str).collect::<Vec<_>>());
        let read = || read("image-folder", false, &places(folder.path())).unwrap().train;
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
            read("imagenet", true, &places(path)).map(|split| split.test.labels).map_err(|e| e.to_string())
        };
        assert_eq!(test("v2.JPEG 1\nv1.JPEG n1\n\n").unwrap(), [0, 1]);
        assert!(test("v2.JPEG 1\n").unwrap_err().contains("a line for v1.JPEG"));
        assert!(test("v1.JPEG 2\n").unwrap_err().contains("`v1.JPEG 2` in line 1"));
        touch(path, &["val/n1/y.JPEG", "val/n2/x.JPEG"]);
        assert!(test("of no use").unwrap_err().contains("in folders of classes, or none, found v1.JPEG"));
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
            read("image-folder", true, &places(path)).unwrap().test.labels
        };
        assert_eq!(labels("v1.jpg 1\nv2.jpg 10\n"), [0, 1]);
        assert_eq!(labels("v1.jpg 1\nv2.jpg 0\n"), [1, 0], "one that is no name: all are numbers");
    }

    #[test]
    fn a_folder_without_classes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = || read("image-folder", true, &places(folder.path())).unwrap_err().to_string();
        assert!(error().contains("image-folder not found: no folder train/ in"), "{}", error());
        touch(folder.path(), &["train/n1/a.jpg"]);
        assert!(error().contains("two or more, found 1 folders"), "{}", error());
    }
}
