//! Checksums that identify a data set, so that a run is not resumed on other images than it began with.

use super::dataset::{DataSplit, Dataset, Images};
use flate2::Crc;

impl DataSplit {
    /// The numbers of training and test images, and a checksum over the names of the classes and each image's label and pixels. For images in files,
    /// instead of the pixels: over the path relative to the folder of the class (folders above may be moved, and test images may be sorted into
    /// classes), the size in bytes, and the first 4096 and last 16 bytes. One line per set.
    pub fn fingerprint(&self) -> String {
        format!("train: {}\ntest: {}\n", part(&self.train), part(&self.test))
    }
}

fn part(set: &Dataset) -> String {
    let mut crc = Crc::new();
    set.names.names().iter().for_each(|name| {
        crc.update(name.as_bytes());
        crc.update(b"/");
    });
    set.labels.iter().for_each(|label| crc.update(&label.to_le_bytes()));
    match &set.images {
        Images::Memory(pixels) => crc.update(&pixels.values),
        Images::Files(files) => {
            for file in files.iter() {
                crc.update(file.relative_path().as_os_str().as_encoded_bytes());
                crc.update(b"/");
                let stamp = file.stamp.map(|stamp| (stamp.size, stamp.ends)).unwrap_or_default();
                crc.update(&stamp.0.to_le_bytes());
                crc.update(&stamp.1.to_le_bytes());
            }
        }
    }
    format!("{} images, checksum {:08x}", set.len(), crc.sum())
}

#[cfg(test)]
mod tests {
    use super::super::digits::digits;
    use super::*;
    use crate::classes::Classes;
    use std::path::PathBuf;

    #[test]
    fn other_labels_pixels_and_names_are_other_data_and_another_place_is_not() {
        let split = digits();
        assert!(split.fingerprint().starts_with("train: 1437 images, checksum "), "{}", split.fingerprint());
        let mut relabelled = split.clone();
        relabelled.test.labels[3] ^= 1;
        let renamed =
            |set: &Dataset| set.clone().named(Classes::new(set.names.names().iter().map(|name| name.clone() + "x")));
        let renamed = DataSplit { train: renamed(&split.train), test: renamed(&split.test), folder: None };
        let mut fewer = split.clone();
        fewer.train.truncate(1000);
        for other in [&relabelled, &fewer, &renamed] {
            assert_ne!(other.fingerprint(), split.fingerprint());
        }
        let files = |root: &str, name: &str| {
            let path = |i: usize| PathBuf::from(format!("{root}/n{i}/{name}{i}.jpg"));
            let set = Dataset::in_files("f".into(), (0..3).map(path), vec![0, 1, 2], Classes::numbered(3));
            DataSplit { train: set.clone(), test: set, folder: None }.fingerprint()
        };
        assert_eq!(files("/a", "x"), files("/b/c", "x"));
        assert_ne!(files("/a", "x"), files("/a", "y"));
    }
}
