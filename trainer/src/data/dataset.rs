//! A set of labelled images, in memory or in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::seen::Stamp;
use super::stand_in::StandIn;
use crate::classes::Classes;
use crate::shape::ImageShape;

/// Images of one size in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// The values in the order NCHW: image after image, channel after channel, row by row. Shared by data sets that prepare
    /// the same images differently.
    pub values: Arc<Vec<u8>>,
    /// The size of every image.
    pub shape: ImageShape,
    /// The value that means full brightness: 255, or 16 for the digits.
    pub max_value: u8,
}

impl Pixels {
    /// The values of image `index`, in the order CHW.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.len();
        &self.values[index * size..][..size]
    }
}

/// The file of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Where it is.
    pub path: PathBuf,
    /// The number of trailing path components relative to the folder of its class, or, without class folders, to the folder of its data set.
    depth: u16,
    /// What identifies its contents, once it was inspected.
    pub stamp: Option<Stamp>,
    /// Whether its codes were checked completely, which is done only once.
    pub(super) checked: Checked,
}

/// A flag for something that is done once. It is ignored when files are compared.
#[derive(Debug, Default)]
pub(super) struct Checked(pub AtomicBool);

impl Clone for Checked {
    fn clone(&self) -> Checked {
        Checked(AtomicBool::new(self.0.load(Ordering::Relaxed)))
    }
}

impl PartialEq for Checked {
    fn eq(&self, _: &Checked) -> bool {
        true
    }
}

impl Eq for Checked {}

impl ImageFile {
    /// A file whose last `depth` path components are its relative path.
    pub fn new(path: PathBuf, depth: u16) -> ImageFile {
        ImageFile { path, depth, stamp: None, checked: Checked::default() }
    }

    /// Its path relative to the folder of its class.
    pub fn relative_path(&self) -> &Path {
        let above = self.path.ancestors().nth(self.depth.into());
        above.and_then(|above| self.path.strip_prefix(above).ok()).unwrap_or(&self.path)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

impl From<PathBuf> for ImageFile {
    fn from(path: PathBuf) -> ImageFile {
        ImageFile::new(path, 1)
    }
}

/// The images of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Images {
    /// In memory.
    Memory(Pixels),
    /// In files of any size, which are decoded when they are needed.
    Files(Arc<Vec<ImageFile>>),
}

/// Labelled images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name, for messages.
    pub name: String,
    /// The images, in memory or in files.
    pub images: Images,
    /// The size of every image as the model sees it: its own, or `data.size`.
    pub shape: ImageShape,
    /// The class of each image, below `classes`.
    pub labels: Vec<u32>,
    /// The number of classes, C in the paper.
    pub classes: usize,
    /// Their names.
    pub names: Classes,
    /// Remarks about how it was read, for the user: one line each.
    pub remarks: Vec<String>,
    /// The alteration of every image that makes a stand-in for a robustness set; `None` for other sets.
    pub stand_in: Option<StandIn>,
}

/// A training set and a test set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSplit {
    /// The images to train on.
    pub train: Dataset,
    /// The images to test on.
    pub test: Dataset,
    /// The folder that they were read from; `None` for images that are part of the program.
    pub folder: Option<PathBuf>,
}

impl Dataset {
    /// The stand-in for a robustness set that it becomes by an alteration.
    pub fn altered(&self, stand_in: StandIn) -> Dataset {
        Dataset { name: format!("{}, {stand_in}", self.name), stand_in: Some(stand_in), ..self.clone() }
    }

    /// A set in memory: values in the order NCHW, up to `max_value`; one label per image.
    pub fn in_memory(
        name: String,
        values: Vec<u8>,
        shape: ImageShape,
        max_value: u8,
        labels: Vec<u32>,
        classes: usize,
    ) -> Dataset {
        let images = Images::Memory(Pixels { values: Arc::new(values), shape, max_value });
        Dataset {
            name,
            images,
            shape,
            labels,
            classes,
            names: Classes::numbered(classes),
            remarks: Vec::new(),
            stand_in: None,
        }
    }

    /// The set with these names of its classes.
    ///
    /// # Panics
    /// If their number is not that of its classes.
    #[must_use]
    pub fn named(self, names: Classes) -> Dataset {
        assert!(names.len() == self.classes, "{} names for {} classes", names.len(), self.classes);
        Dataset { names, ..self }
    }

    /// A set of colour images in files, with one label per file. Its shape is empty until a size is given ([`Dataset::resized`]).
    pub fn in_files(
        name: String,
        files: impl IntoIterator<Item = impl Into<ImageFile>>,
        labels: Vec<u32>,
        names: Classes,
    ) -> Dataset {
        let shape = ImageShape { channels: 3, height: 0, width: 0 };
        let images = Images::Files(Arc::new(files.into_iter().map(Into::into).collect()));
        Dataset { name, images, shape, labels, classes: names.len(), names, remarks: Vec::new(), stand_in: None }
    }

    /// The set with square images of this size, if one is given.
    #[must_use]
    pub fn resized(self, size: Option<usize>) -> Dataset {
        Dataset { shape: size.map_or(self.shape, |side| self.shape.square(side)), ..self }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The first `count` images only, or all if there are fewer.
    pub fn truncate(&mut self, count: usize) {
        self.labels.truncate(count);
        match &mut self.images {
            Images::Memory(pixels) => {
                let values = count.saturating_mul(pixels.shape.len());
                Arc::make_mut(&mut pixels.values).truncate(values);
            }
            Images::Files(files) => Arc::make_mut(files).truncate(count),
        }
    }

    /// The images with these indices, in this order.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn select(&self, name: &str, indices: &[usize]) -> Dataset {
        let images = match &self.images {
            Images::Memory(pixels) => {
                let values = indices.iter().flat_map(|&i| pixels.image(i).iter().copied()).collect();
                Images::Memory(Pixels { values: Arc::new(values), ..*pixels })
            }
            Images::Files(files) => Images::Files(Arc::new(indices.iter().map(|&i| files[i].clone()).collect())),
        };
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Dataset {
            name: name.to_owned(),
            images,
            labels,
            names: self.names.clone(),
            remarks: self.remarks.clone(),
            ..*self
        }
    }

    /// The images of these classes, which become the classes 0, 1, … in this order.
    pub fn of_classes(&self, classes: &[u32]) -> Dataset {
        let new_label = |label: &u32| classes.iter().position(|class| class == label);
        let kept: Vec<usize> = (0..self.len()).filter(|&i| new_label(&self.labels[i]).is_some()).collect();
        let kept = self.select(&self.name, &kept);
        let labels = kept.labels.iter().filter_map(new_label).map(|label| label as u32).collect();
        Dataset { labels, classes: classes.len(), names: self.names.select(classes), ..kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_classes_are_numbered_anew() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let all = Dataset::in_memory("m".into(), (0..5).collect(), shape, 255, vec![3, 0, 2, 3, 1], 4);
        let some = all.of_classes(&[3, 1]);
        assert_eq!((some.labels, some.classes), (vec![0, 0, 1], 2));
        assert_eq!(some.images, all.select("m", &[0, 3, 4]).images);
    }

    #[test]
    fn both_kinds_are_cut_and_chosen_alike() {
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        let memory = Dataset::in_memory("m".into(), (0..8).collect(), shape, 255, vec![0, 1, 2, 3], 4);
        let paths = ["a", "b", "c", "d"].map(PathBuf::from);
        let files = Dataset::in_files("f".into(), paths.to_vec(), vec![0, 1, 2, 3], Classes::numbered(4));
        let kept = |set: &Dataset| match &set.images {
            Images::Memory(pixels) => (0..set.len()).map(|i| pixels.image(i)[0] as usize / 2).collect::<Vec<_>>(),
            Images::Files(list) => list.iter().map(|p| paths.iter().position(|q| *q == p.path).unwrap()).collect(),
        };
        for mut set in [memory, files] {
            let chosen = set.select("s", &[3, 1, 1]);
            assert_eq!((kept(&chosen), chosen.labels), (vec![3, 1, 1], vec![3, 1, 1]));
            set.truncate(2);
            assert_eq!((kept(&set), &set.labels[..]), (vec![0, 1], &[0, 1][..]));
            set.truncate(usize::MAX);
            assert_eq!(set.len(), 2);
        }
    }
}
