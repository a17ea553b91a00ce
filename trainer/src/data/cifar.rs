//! CIFAR-10 and CIFAR-100 in their binary formats (Krizhevsky 2009): records of one or two label bytes, then 32×32 values of red, green and blue
//! each.

use std::path::{Path, PathBuf};

use super::dataset::{DataSplit, Dataset};
use super::error::DataError;
use super::locate::{SearchPath, download, find};
use super::names;
use crate::classes::Classes;
use crate::files;
use crate::shape::ImageShape;
use crate::words::count;

const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// The layout of one of the two data sets.
pub struct Format {
    pub(super) name: &'static str,
    /// The folder in the published archive.
    folder: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// The number of bytes before the pixels; the last of them is the class. CIFAR-100 has a coarse label before it.
    labels: usize,
    classes: &'static [&'static str],
}

/// CIFAR-10.
pub const CIFAR_10: Format = Format {
    name: "cifar-10",
    folder: "cifar-10-batches-bin",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    labels: 1,
    classes: &names::CIFAR_10,
};

/// CIFAR-100, with its 100 fine labels.
pub const CIFAR_100: Format = Format {
    name: "cifar-100",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    labels: 2,
    classes: &names::CIFAR_100,
};

/// The number of training images of both data sets as they were published, and of test images; every file of a part has as many.
const PUBLISHED: [usize; 2] = [50_000, 10_000];

/// Reads one of the two data sets.
pub fn read(format: &Format, search_path: &SearchPath) -> Result<DataSplit, DataError> {
    let looked = format.looked(search_path);
    let folder = find(format.name, looked, format.train[0], search_path, |folder| format.is_in(folder))?;
    let part = |part, images, files| read_part(format, &folder, search_path, (part, images), files);
    Ok(DataSplit {
        train: part("training set", PUBLISHED[0], format.train)?,
        test: part("test set", PUBLISHED[1], &[format.test])?,
        folder: Some(folder),
    })
}

impl Format {
    /// The folders to search, in order.
    fn looked(&self, search_path: &SearchPath) -> Vec<PathBuf> {
        search_path.folders(self.name).into_iter().flat_map(|f| [f.clone(), f.join(self.folder)]).collect()
    }

    /// The folder in which it is found, which may lack files.
    pub(super) fn found(&self, search_path: &SearchPath) -> Option<PathBuf> {
        self.looked(search_path).into_iter().find(|folder| self.is_in(folder))
    }

    /// Whether a folder has its first file.
    fn is_in(&self, folder: &Path) -> bool {
        folder.join(self.train[0]).exists()
    }

    /// The folder of its files in the published archive, the files of both parts, and the length of a file of each.
    pub(super) fn published(&'static self) -> (&'static str, [&'static [&'static str]; 2], [u64; 2]) {
        let files = [self.train, std::slice::from_ref(&self.test)];
        let length = |part: usize| (PUBLISHED[part] / files[part].len() * (self.labels + SHAPE.len())) as u64;
        (self.folder, files, [length(0), length(1)])
    }
}

fn read_part(
    format: &Format,
    folder: &Path,
    search_path: &SearchPath,
    (part, images): (&str, usize),
    files: &[&str],
) -> Result<Dataset, DataError> {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    let mut remarks = Vec::new();
    for file in files {
        let before = labels.len();
        let path = folder.join(file);
        if !path.exists() {
            let (file, beside) = ((*file).to_owned(), format.train[0].to_owned());
            let how = download(format.name, search_path.data_dir.as_deref());
            let how = how.map_or_else(String::new, |how| format!("; {how}"));
            let needed = format!("{} and {}{how}", format.train.join(", "), format.test);
            return Err(DataError::Incomplete { folder: folder.to_owned(), file, beside, needed });
        }
        read_file(format, &path, &mut values, &mut labels)?;
        // Half a file is whole records too.
        let (read, published) = (labels.len() - before, images / files.len());
        if read != published {
            let (path, read, name) = (path.display(), count(read, "image"), format.name);
            remarks.push(format!("{path} has {read}; in {name} as published it has {published}"));
        }
    }
    let (name, names) = (format!("{}, {part}", format.name), Classes::new(format.classes.iter().copied()));
    Ok(Dataset { remarks, ..Dataset::in_memory(name, values, SHAPE, 255, labels, names.len()).named(names) })
}

fn read_file(format: &Format, path: &Path, values: &mut Vec<u8>, labels: &mut Vec<u32>) -> Result<(), DataError> {
    let bytes = files::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let record = format.labels + SHAPE.len();
    if bytes.is_empty() || bytes.len() % record != 0 {
        let expected = format!("whole records of {record} bytes, one or more");
        return Err(DataError::malformed(path, "length", expected, format!("{} bytes", bytes.len())));
    }
    for (index, record) in bytes.chunks_exact(record).enumerate() {
        let (before, pixels) = record.split_at(format.labels);
        let label = before[format.labels - 1];
        if usize::from(label) >= format.classes.len() {
            let expected = format!("labels below {}", format.classes.len());
            return Err(DataError::malformed(path, "label", expected, format!("{label} in record {index}")));
        }
        labels.push(label.into());
        values.extend_from_slice(pixels);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::dataset::Images;
    use super::*;

    fn search_path(folder: &Path) -> SearchPath {
        SearchPath::only(folder)
    }

    /// A record whose red, green and blue are filled with three values.
    fn record(labels: &[u8], colours: [u8; 3]) -> Vec<u8> {
        labels.iter().copied().chain(colours.into_iter().flat_map(|v| [v; 1024])).collect()
    }

    #[test]
    fn both_formats_are_read_from_either_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("cifar-100-binary");
        std::fs::create_dir(&inner).unwrap();
        let records = [record(&[3, 99], [1, 2, 3]), record(&[0, 5], [4, 5, 6])].concat();
        std::fs::write(inner.join("train.bin"), &records).unwrap();
        std::fs::write(inner.join("test.bin"), &records[..3074]).unwrap();
        let DataSplit { train, test, .. } = read(&CIFAR_100, &search_path(folder.path())).unwrap();
        assert_eq!((train.labels, test.labels, test.classes), (vec![99, 5], vec![99], 100));
        let Images::Memory(pixels) = &train.images else { panic!("CIFAR is read into memory") };
        assert_eq!((pixels.image(1)[0], pixels.image(1)[1024], pixels.image(1)[3071]), (4, 5, 6));
        for (i, file) in CIFAR_10.train.iter().enumerate() {
            std::fs::write(folder.path().join(file), record(&[i as u8], [0; 3])).unwrap();
        }
        let error = read(&CIFAR_10, &search_path(folder.path())).unwrap_err().to_string();
        assert!(error.contains("no test_batch.bin beside data_batch_1.bin"), "{error}");
        std::fs::write(folder.path().join("test_batch.bin"), record(&[9], [0; 3])).unwrap();
        let train = read(&CIFAR_10, &search_path(folder.path())).unwrap().train;
        assert_eq!(train.labels, [0, 1, 2, 3, 4]);
        let remark = "data_batch_5.bin has 1 image; in cifar-10 as published it has 10000";
        assert!(train.remarks.len() == 5 && train.remarks[4].ends_with(remark), "{:?}", train.remarks);
    }

    #[test]
    fn broken_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = || read(&CIFAR_100, &search_path(folder.path())).unwrap_err().to_string();
        assert!(error().contains("no train.bin in") && error().contains("cifar-100-binary"), "{}", error());
        std::fs::write(folder.path().join("train.bin"), [0; 100]).unwrap();
        assert!(error().contains("records of 3074 bytes") && error().contains("found 100"), "{}", error());
        std::fs::write(folder.path().join("train.bin"), record(&[0, 100], [0; 3])).unwrap();
        assert!(error().contains("labels below 100, found 100 in record 0"), "{}", error());
    }
}
