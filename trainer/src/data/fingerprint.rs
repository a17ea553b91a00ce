//! What tells one set of images from another, so that a run is not gone on with on images that it did not begin with.

use super::dataset::{DataSplit, Dataset, Images};
use flate2::Crc;

impl DataSplit {
    /// The number of images of each part, and a checksum of their labels and pixels, or of their labels and files' names where they are in files: not of the
    /// folders, which may be moved, and sorted into classes. A line a part.
    pub fn fingerprint(&self) -> String {
        format!("train: {}\ntest: {}\n", part(&self.train), part(&self.test))
    }
}

fn part(set: &Dataset) -> String {
    let mut crc = Crc::new();
    set.labels.iter().for_each(|label| crc.update(&label.to_le_bytes()));
    match &set.images {
        Images::Memory(pixels) => crc.update(&pixels.values),
        Images::Files(files) => {
            for path in files.iter() {
                crc.update(path.file_name().unwrap_or_default().as_encoded_bytes());
                crc.update(b"/");
            }
        }
    }
    format!("{} images, checksum {:08x}", set.len(), crc.sum())
}

#[cfg(test)]
mod tests {
    use super::super::digits::digits;
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn other_labels_pixels_and_names_are_other_data_and_another_place_is_not() {
        let split = digits();
        assert!(split.fingerprint().starts_with("train: 1437 images, checksum "), "{}", split.fingerprint());
        let mut relabelled = split.clone();
        relabelled.test.labels[3] ^= 1;
        let mut fewer = split.clone();
        fewer.train.truncate(1000);
        for other in [&relabelled, &fewer] {
            assert_ne!(other.fingerprint(), split.fingerprint());
        }
        let files = |root: &str, name: &str| {
            let path = |i: usize| PathBuf::from(format!("{root}/n{i}/{name}{i}.jpg"));
            let set = Dataset::in_files("f".into(), (0..3).map(path).collect(), vec![0, 1, 2], 3);
            DataSplit { train: set.clone(), test: set }.fingerprint()
        };
        assert_eq!(files("/a", "x"), files("/b/c", "x"));
        assert_ne!(files("/a", "x"), files("/a", "y"));
    }
}
