//! Images that are there twice: in one part of a data set, or in both.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use md5::{Digest, Md5};
use serde::Serialize;

use super::dataset::{DataSplit, Dataset, Images};
use super::error::DataError;

/// The numbers of images that are equal, byte for byte, to an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Training images that are equal to an earlier training image.
    pub train: usize,
    /// Test images that are equal to an earlier test image.
    pub test: usize,
    /// Test images that are equal to a training image.
    pub test_in_train: usize,
    /// Those among them of whose class none of these training images is.
    pub in_other_class: usize,
}

type Sum = [u8; 16];

/// Compares all images with each other: pixels in memory, or the bytes of files. Of files only those are read whose length and ends are equal.
///
/// # Errors
/// If a file cannot be read.
pub fn duplicates(split: &DataSplit) -> Result<Duplicates, DataError> {
    let mut stamps: HashMap<(u64, u32), usize> = HashMap::new();
    for file in files(&split.train).iter().chain(files(&split.test)) {
        *stamps.entry(file.stamp.map(|stamp| (stamp.size, stamp.ends)).unwrap_or_default()).or_default() += 1;
    }
    let (train, test) = (sums(&split.train, &stamps)?, sums(&split.test, &stamps)?);
    let mut found = Duplicates::default();
    // Equal training images may have several labels.
    let (mut seen, mut labelled) = (HashSet::new(), HashSet::new());
    for (sum, label) in train.iter().zip(&split.train.labels).filter_map(|(sum, label)| Some(((*sum)?, *label))) {
        found.train += usize::from(!seen.insert(sum));
        labelled.insert((sum, label));
    }
    let mut tested = HashSet::new();
    for (sum, label) in test.iter().zip(&split.test.labels).filter_map(|(sum, label)| Some(((*sum)?, *label))) {
        found.test += usize::from(!tested.insert(sum));
        if seen.contains(&sum) {
            found.test_in_train += 1;
            found.in_other_class += usize::from(!labelled.contains(&(sum, label)));
        }
    }
    Ok(found)
}

fn files(set: &Dataset) -> &[super::dataset::ImageFile] {
    match &set.images {
        Images::Files(files) => files,
        Images::Memory(_) => &[],
    }
}

/// A checksum of each image that may be there twice.
fn sums(set: &Dataset, stamps: &HashMap<(u64, u32), usize>) -> Result<Vec<Option<Sum>>, DataError> {
    let of_file = |path: &Path| {
        let bytes = std::fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        Ok(Some(Md5::digest(&bytes).into()))
    };
    match &set.images {
        Images::Memory(pixels) => Ok((0..set.len()).map(|i| Some(Md5::digest(pixels.image(i)).into())).collect()),
        Images::Files(files) => {
            let is_alone = |stamp: Option<super::seen::Stamp>| {
                stamp.is_some_and(|stamp| stamps.get(&(stamp.size, stamp.ends)) == Some(&1))
            };
            files.iter().map(|file| if is_alone(file.stamp) { Ok(None) } else { of_file(&file.path) }).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::inspect::inspect;
    use super::*;
    use crate::classes::Classes;
    use crate::shape::ImageShape;
    use image::{Rgb, RgbImage};

    fn found(train: Dataset, test: Dataset) -> [usize; 4] {
        let Duplicates { train, test, test_in_train, in_other_class } =
            duplicates(&DataSplit { train, test, folder: None }).unwrap();
        [train, test, test_in_train, in_other_class]
    }

    #[test]
    fn equal_images_are_counted_within_and_between_the_parts() {
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        let set = |pixels: &[[u8; 2]], labels: &[u32]| {
            Dataset::in_memory("m".into(), pixels.concat(), shape, 255, labels.to_vec(), 2)
        };
        let train = set(&[[1, 2], [2, 1], [1, 2], [1, 2]], &[0, 1, 0, 0]);
        let test = set(&[[2, 1], [3, 3], [3, 3], [1, 2]], &[1, 0, 0, 1]);
        assert_eq!(found(train, test), [2, 1, 2, 1]);
        // Equal training images of two classes: a test image is in another class if it is of neither, in whatever order they are.
        for labels in [[0, 1], [1, 0]] {
            let set = |pixels: &[[u8; 2]], labels: &[u32]| {
                Dataset::in_memory("m".into(), pixels.concat(), shape, 255, labels.to_vec(), 3)
            };
            let test = set(&[[1, 2], [1, 2], [1, 2]], &[0, 1, 2]);
            assert_eq!(found(set(&[[1, 2], [1, 2]], &labels), test), [1, 2, 3, 1]);
        }
    }

    #[test]
    fn files_are_compared_by_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let set = |names: &[(&str, u8)]| {
            let paint = |(name, grey): &(&str, u8)| {
                let path = folder.path().join(name);
                RgbImage::from_fn(80, 80, |x, y| Rgb([(x * y) as u8, *grey, (x ^ y) as u8])).save(&path).unwrap();
                path
            };
            let paths: Vec<_> = names.iter().map(paint).collect();
            let mut set = Dataset::in_files("f".into(), paths, vec![0; names.len()], Classes::numbered(2));
            inspect(&mut [&mut set]).unwrap();
            set
        };
        let (train, test) = (set(&[("a.bmp", 1), ("b.bmp", 2), ("c.bmp", 1)]), set(&[("d.bmp", 2), ("e.bmp", 9)]));
        assert_eq!(found(train, test), [1, 0, 1, 0]);
    }
}
