//! The sets that a model is evaluated on: the test set, ImageNet's other evaluation sets with their protocols, and stand-ins for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dataset::{Dataset, Images};
use super::error::DataError;
use super::folder::{classes_of, read_test_classes, root};
use super::inspect::inspect;
use super::locate::{SearchPath, find};
use super::stand_in::StandIn;
use crate::classes::Classes;
use crate::config::{DataConfig, DatasetKind, Problem};
use crate::files;
use crate::words::{count, unlike};

const IMAGENET: &str = "imagenet";
/// The file of ReaL's labels.
const REAL: &str = "real.json";
/// The number of ImageNet's validation images, and of those with a label in ReaL.
const VALIDATION: usize = 50_000;
const KEPT: usize = 46_837;

/// An evaluation set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestSet {
    /// The test set of the data set itself; for ImageNet its validation images (V1).
    Test,
    /// ReaL: ImageNet's validation images with all their correct labels (Beyer et al. 2020).
    Real,
    /// ImageNet-V2: new images of the same classes (Recht et al. 2019).
    V2,
    /// ImageNet-R: renditions of 200 of the classes (Hendrycks et al. 2021).
    R,
    /// ImageNet-Sketch: drawings of the same classes (Wang et al. 2019).
    Sketch,
    /// An altered test set, as a stand-in for a robustness set.
    StandIn(StandIn),
}

/// A set with the labels of its protocol.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its images, with one label each.
    pub data: Arc<Dataset>,
    /// For ReaL, all correct labels of each image; an image without any is skipped.
    pub right: Option<Vec<Vec<u32>>>,
}

impl TestSet {
    /// The evaluation sets of ImageNet.
    const OF_IMAGENET: [TestSet; 5] = [TestSet::Test, TestSet::Real, TestSet::V2, TestSet::R, TestSet::Sketch];

    /// The words that [`TestSet::parse`] accepts.
    pub fn words() -> Vec<&'static str> {
        let sets = TestSet::OF_IMAGENET.map(TestSet::name).into_iter();
        sets.chain(["v1", "all", "stand-ins"]).chain(StandIn::ALL.map(StandIn::name)).collect()
    }

    /// The sets that a word stands for, given the data set: `test` or `v1`, `real`, `v2`, `r`, `sketch`, a stand-in's name; `stand-ins` for all of
    /// those, `all` for all sets of the data set. `None` for any other word.
    pub fn parse(word: &str, dataset: DatasetKind) -> Option<Vec<TestSet>> {
        let stand_ins = || StandIn::ALL.map(TestSet::StandIn).to_vec();
        match word {
            "v1" => Some(vec![TestSet::Test]),
            "stand-ins" => Some(stand_ins()),
            "all" if dataset == DatasetKind::Imagenet => Some(TestSet::OF_IMAGENET.to_vec()),
            "all" => Some([vec![TestSet::Test], stand_ins()].concat()),
            _ => {
                let single = TestSet::OF_IMAGENET.into_iter().chain(stand_ins()).find(|set| set.name() == word);
                single.map(|set| vec![set])
            }
        }
    }

    /// Its name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            TestSet::Test => "test",
            TestSet::Real => "real",
            TestSet::V2 => "v2",
            TestSet::R => "r",
            TestSet::Sketch => "sketch",
            TestSet::StandIn(stand_in) => stand_in.name(),
        }
    }

    /// Reads the set; `test` is the test set of the data set that the config names.
    ///
    /// # Errors
    /// If it belongs to another data set, is not found, cannot be read, or does not match the test set.
    pub fn load(self, config: &DataConfig, search_path: &SearchPath, test: &Arc<Dataset>) -> Result<Judged, DataError> {
        let judged = |data: Dataset| {
            let mut data = Dataset { names: test.names.clone(), ..data.resized(config.size) };
            inspect(&mut [&mut data])?;
            Ok(Judged { data: Arc::new(data), right: None })
        };
        match self {
            TestSet::Test => return Ok(Judged { data: test.clone(), right: None }),
            TestSet::StandIn(stand_in) => return judged(test.altered(stand_in)),
            _ => {}
        }
        if config.dataset != DatasetKind::Imagenet {
            let reason = "belongs to data.dataset = \"imagenet\"; other data sets have `test` and `stand-ins`";
            return Err(Problem::value("--on", self.name(), reason).into());
        }
        if self == TestSet::Real && config.hold_out.is_some() {
            let reason = "has labels for the validation images, which data.hold_out has replaced by others";
            return Err(Problem::value("--on", self.name(), reason).into());
        }
        let root = root(IMAGENET, search_path)?;
        let beside = |folders: &[&str]| {
            let looked =
                around(&root, search_path).into_iter().flat_map(|base| folders.iter().map(move |f| base.join(f)));
            find(self.name(), looked.collect(), "such folder", search_path, |folder| folder.is_dir())
        };
        match self {
            TestSet::V2 => {
                // Folders are named by class number, which is not the order of their names: 0, 1, 10, 100, …
                let numbers = Classes::numbered(test.classes);
                let folder = beside(&["imagenet-v2", "imagenetv2-matched-frequency-format-val"])?;
                judged(read_test_classes("imagenet-v2".into(), &folder, &numbers)?)
            }
            TestSet::R => {
                judged(read_test_classes("imagenet-r".into(), &beside(&["imagenet-r"])?, &classes_of(&root)?)?)
            }
            TestSet::Sketch => {
                let folder = beside(&["imagenet-sketch", "sketch"])?;
                judged(read_test_classes("imagenet-sketch".into(), &folder, &classes_of(&root)?)?)
            }
            _ => {
                let looked = around(&root, search_path).into_iter().flat_map(|base| [base.join("imagenet-real"), base]);
                let looked = looked.chain([root.clone()]).collect();
                let folder = find(self.name(), looked, REAL, search_path, |folder| folder.join(REAL).exists())?;
                Ok(Judged { data: test.clone(), right: Some(right_labels(&folder.join(REAL), test)?) })
            }
        }
    }
}

/// The folders that may contain a set's folder: the given ones, and the parent of ImageNet's.
fn around(root: &Path, search_path: &SearchPath) -> Vec<PathBuf> {
    let mut bases = search_path.bases();
    bases.extend(root.parent().map(Path::to_owned));
    bases.dedup();
    bases
}

/// The correct labels of this number of images, in order: a JSON list of lists of classes below `classes`.
///
/// # Errors
/// If the file cannot be read, is not such a list, or has no class for any image.
pub fn read_right_labels(path: &Path, images: usize, classes: usize) -> Result<Vec<Vec<u32>>, DataError> {
    let text = files::read_to_string(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let expected = || format!("a list of classes below {classes} for each of {}", count(images, "test image"));
    let malformed = |found: String| DataError::malformed(path, "labels", expected(), found);
    let lists: Vec<Vec<u32>> = serde_json::from_str(&text).map_err(|error| malformed(unlike(&error)))?;
    if lists.len() != images {
        return Err(malformed(count(lists.len(), "list")));
    }
    match lists.iter().flatten().find(|label| **label as usize >= classes) {
        Some(label) => Err(malformed(format!("class {label}"))),
        None if lists.iter().all(Vec::is_empty) => Err(malformed("empty lists only".to_owned())),
        None => Ok(lists),
    }
}

/// Checks that, for ImageNet's 50,000 images, as many have a label as in ReaL; otherwise the labels are not ReaL's.
fn check_kept(path: &Path, lists: &[Vec<u32>]) -> Result<(), DataError> {
    let kept = lists.iter().filter(|labels| !labels.is_empty()).count();
    if lists.len() != VALIDATION || kept == KEPT {
        return Ok(());
    }
    let expected = format!("{KEPT} of {VALIDATION} images with a label, as ReaL has them");
    Err(DataError::malformed(path, "labels", expected, kept.to_string()))
}

/// ReaL's labels for each image of the validation set. The file lists them in the order of the images' file names, regardless of their folders.
fn right_labels(path: &Path, test: &Dataset) -> Result<Vec<Vec<u32>>, DataError> {
    let Images::Files(files) = &test.images else { unreachable!("ImageNet is a list of files") };
    let mut lists = read_right_labels(path, test.len(), test.classes)?;
    check_kept(path, &lists)?;
    let mut in_order: Vec<usize> = (0..files.len()).collect();
    in_order.sort_by_key(|&i| files[i].name());
    let mut right = vec![Vec::new(); lists.len()];
    in_order.into_iter().zip(&mut lists).for_each(|(image, list)| right[image] = std::mem::take(list));
    Ok(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of small images.
    fn tree(root: &Path) -> (SearchPath, Arc<Dataset>) {
        let files = [
            "imagenet/train/n1/a.jpg",
            "imagenet/train/n2/b.jpg",
            "imagenet/train/n3/c.jpg",
            "imagenet/val/n1/v3.jpg",
            "imagenet/val/n2/v1.jpg",
            "imagenet/val/n3/v2.jpg",
            "imagenet-v2/2/x.jpeg",
            "imagenet-v2/0/y.jpeg",
            "imagenet-r/n1/r.jpg",
            "imagenet-r/n3/r.jpg",
        ];
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::RgbImage::new(1, 1).save_with_format(path, image::ImageFormat::Png).unwrap();
        }
        let search_path = SearchPath::only(root);
        let test = super::super::folder::read(IMAGENET, true, &search_path).unwrap().test;
        (search_path, Arc::new(test))
    }

    fn config() -> DataConfig {
        DataConfig { size: Some(8), ..DataConfig::of(DatasetKind::Imagenet) }
    }

    #[test]
    fn sets_are_mapped_into_the_training_classes() {
        let folder = tempfile::tempdir().unwrap();
        let (search_path, test) = tree(folder.path());
        let load = |set: TestSet| set.load(&config(), &search_path, &test);
        assert_eq!(load(TestSet::V2).unwrap().data.labels, [2, 0], "x, then y");
        let r = load(TestSet::R).unwrap().data;
        assert_eq!((&r.labels[..], r.classes, r.shape.width), (&[0, 2][..], 3, 8));
        let error = load(TestSet::Sketch).unwrap_err().to_string();
        assert!(error.contains("sketch not found: no such folder in") && error.contains("imagenet-sketch"), "{error}");
        let mnist = TestSet::R.load(&DataConfig::of(DatasetKind::Mnist), &search_path, &test).unwrap_err().to_string();
        assert!(mnist.contains("--on = r") && mnist.contains("stand-ins"), "{mnist}");
    }

    #[test]
    fn real_labels_follow_the_file_names() {
        let folder = tempfile::tempdir().unwrap();
        let (search_path, test) = tree(folder.path());
        let write = |text: &str| std::fs::write(folder.path().join(REAL), text).unwrap();
        let load = || TestSet::Real.load(&config(), &search_path, &test).map(|judged| judged.right.unwrap());
        write("[[1], [], [0, 2]]");
        assert_eq!(load().unwrap(), [vec![1], vec![], vec![0, 2]]);
        let turned = Arc::new(test.select("another order", &[2, 0, 1]));
        let right = TestSet::Real.load(&config(), &search_path, &turned).unwrap().right.unwrap();
        assert_eq!(right, [vec![0, 2], vec![1], vec![]], "v3, v1, v2");
        for (text, part) in [
            ("[[1]]", "found 1 list"),
            ("[[1], [3], []]", "found class 3"),
            ("{}", "found something else in line 1"),
            ("[[", "found text that is not JSON in line 1"),
            ("[[], [], []]", "found empty lists only"),
        ] {
            write(text);
            let error = load().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("for each of 3 test images"), "{error}");
        }
    }

    #[test]
    fn real_labels_are_as_many_as_published() {
        let lists = |kept| [vec![vec![1]; kept], vec![vec![]; VALIDATION - kept]].concat();
        let path = Path::new("real.json");
        assert!(check_kept(path, &lists(46_837)).is_ok() && check_kept(path, &[vec![], vec![1]]).is_ok());
        let error = check_kept(path, &lists(46_836)).unwrap_err().to_string();
        assert!(error.contains("expected 46837 of 50000 images") && error.contains("found 46836"), "{error}");
    }

    #[test]
    fn words_name_sets_and_groups() {
        let parse = |word, dataset| TestSet::parse(word, dataset);
        assert!(TestSet::words().into_iter().all(|word| parse(word, DatasetKind::Mnist).is_some()));
        assert_eq!(parse("all", DatasetKind::Imagenet).unwrap().len(), 5);
        assert_eq!(parse("all", DatasetKind::Cifar10).unwrap().len(), 7);
        assert_eq!(parse("v1", DatasetKind::Imagenet), Some(vec![TestSet::Test]));
        assert_eq!(parse("v3", DatasetKind::Imagenet), None);
    }
}
