//! The data sets that can be downloaded: where they were published, and the checksums of their files.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::DownloadError;
use crate::config::DatasetKind;
use crate::data::{PUBLISHED, published};

/// A data set and where it comes from.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its name in configs, and that of its folder.
    pub name: &'static str,
    /// What it is to a config.
    pub kind: DatasetKind,
    /// The address of the folder that has its files, without a slash at its end.
    pub address: String,
    /// The files that are downloaded.
    pub sources: Vec<Source>,
    /// Whether they are meant to be other files than the published ones.
    others: bool,
}

/// A file that is downloaded.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, in the address and on the disk.
    pub file: &'static str,
    /// Its MD5 checksum, in hexadecimal digits.
    pub md5: String,
    /// The checksum of its contents, as users have them who uncompressed it; `None` if it is not known.
    pub plain: Option<String>,
    /// What is taken from it, if it is an archive; other files are kept as they are.
    pub archive: Option<Archive>,
}

impl Source {
    /// Its name without compression.
    pub fn plain_name(&self) -> &'static str {
        self.file.trim_end_matches(".gz")
    }

    /// The checksum that it must have where it has this path, compressed or not.
    pub fn md5_as(&self, path: &Path) -> Option<&str> {
        let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
        if is_compressed { Some(&self.md5) } else { self.plain.as_deref() }
    }
}

/// The files that are taken from an archive.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Their folder in it.
    pub folder: &'static str,
    /// Their names.
    pub files: [&'static [&'static str]; 2],
    /// Their lengths in bytes as they were published.
    pub lengths: [u64; 2],
}

impl Archive {
    /// Every file with its length.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.files
            .into_iter()
            .zip(self.lengths)
            .flat_map(|(files, length)| files.iter().map(move |file| (*file, length)))
    }
}

/// The files with their checksums, and with those of what is in them.
const MNIST: [(&str, &str, &str); 4] = [
    ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
    ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
    ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
    ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
];
const FASHION_MNIST: [(&str, &str, &str); 4] = [
    ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
    ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
    ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
];

impl Published {
    /// The data set of this kind, if it can be downloaded.
    pub fn of(kind: DatasetKind) -> Option<Published> {
        let idx = |&(file, md5, plain): &(&'static str, &str, &str)| Source {
            file,
            md5: md5.to_owned(),
            plain: Some(plain.to_owned()),
            archive: None,
        };
        let cifar = |file, md5: &str, format| {
            let (folder, files, lengths) = published(format);
            vec![Source { file, md5: md5.to_owned(), plain: None, archive: Some(Archive { folder, files, lengths }) }]
        };
        let (_, name) = PUBLISHED.into_iter().find(|(own, _)| *own == kind)?;
        let (address, sources) = match kind {
            DatasetKind::Mnist => {
                ("https://storage.googleapis.com/cvdf-datasets/mnist", MNIST.iter().map(idx).collect())
            }
            DatasetKind::FashionMnist => {
                ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", FASHION_MNIST.iter().map(idx).collect())
            }
            DatasetKind::Cifar10 => (
                "https://www.cs.toronto.edu/~kriz",
                cifar("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", kind),
            ),
            DatasetKind::Cifar100 => (
                "https://www.cs.toronto.edu/~kriz",
                cifar("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", kind),
            ),
            _ => return None,
        };
        Some(Published { name, kind, address: address.to_owned(), sources, others: false })
    }

    /// The same files from another address.
    #[must_use]
    pub fn mirrored(self, address: &str) -> Published {
        Published { address: address.trim_end_matches('/').to_owned(), ..self }
    }

    /// Other files of the same names: with the checksums that a file lists as `md5sum` prints them.
    ///
    /// # Errors
    /// If it cannot be read, has other lines, or lacks a file.
    pub fn with_checksums(mut self, path: &Path) -> Result<Published, DownloadError> {
        let text = std::fs::read_to_string(path).map_err(|e| DownloadError::read(path, e))?;
        let listed = listed(&text).map_err(|line| DownloadError::Line { path: path.to_owned(), line })?;
        for source in &mut self.sources {
            let md5 = listed.get(source.file);
            let lacks = || DownloadError::NoChecksum { path: path.to_owned(), file: source.file };
            source.md5.clone_from(md5.ok_or_else(lacks)?);
            source.plain = listed.get(source.plain_name()).cloned();
        }
        self.others = true;
        Ok(self)
    }

    /// Whether the files must be those that were published.
    pub fn is_published(&self) -> bool {
        !self.others
    }

    /// The names of all its files as they are installed.
    pub fn files(&self) -> Vec<&'static str> {
        let files = |source: &Source| match &source.archive {
            None => vec![source.file],
            Some(archive) => archive.members().map(|(file, _)| file).collect(),
        };
        self.sources.iter().flat_map(files).collect()
    }

    /// The address of a file.
    pub fn url(&self, source: &Source) -> String {
        format!("{}/{}", self.address, source.file)
    }
}

/// The checksums by file name of lines as `md5sum` prints them: 32 digits, a space, another one or `*`, the name. The number of a line that is not so.
pub(super) fn listed(text: &str) -> Result<BTreeMap<&str, String>, usize> {
    let is_md5 = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let entry = |line: &'_ str| -> Option<(String, usize)> {
        let (md5, name) = line.split_once(' ')?;
        let from = line.len() - name.len() + usize::from(name.starts_with([' ', '*']));
        (is_md5(md5) && from < line.len()).then(|| (md5.to_ascii_lowercase(), from))
    };
    let mut all = BTreeMap::new();
    for (number, line) in (1usize..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (md5, from) = entry(line).ok_or(number)?;
        let name = &line[from..];
        all.insert(name.strip_prefix("./").unwrap_or(name), md5);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_md5sum_are_read_and_others_are_not() {
        let md5 = "D53e105ee54ea40749a09fcbcd1e9432";
        let text = format!("# ours\n{md5}  a.gz\n\n{md5} *./b c.gz\n");
        let all = listed(&text).unwrap();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["a.gz", "b c.gz"].map(|name| (name, md5.to_lowercase())));
        for wrong in
            ["<html>", &md5[1..], md5, &format!("{md5} "), &format!("{md5}\ta.gz"), &format!("g{}  a", &md5[1..])]
        {
            assert_eq!(listed(&format!("{md5}  a.gz\n{wrong}")).unwrap_err(), 2, "{wrong}");
        }
    }

    #[test]
    fn what_is_downloaded_is_what_the_readers_look_for() {
        let archive = |kind| Published::of(kind).unwrap().sources[0].archive.unwrap();
        let members: Vec<_> = archive(DatasetKind::Cifar10).members().collect();
        assert_eq!(members.len(), 6);
        assert_eq!((members[0], members[5]), (("data_batch_1.bin", 30_730_000), ("test_batch.bin", 30_730_000)));
        let members: Vec<_> = archive(DatasetKind::Cifar100).members().collect();
        assert_eq!(members, [("train.bin", 153_700_000), ("test.bin", 30_740_000)]);
        let mnist = Published::of(DatasetKind::Mnist).unwrap().mirrored("http://a/b/");
        assert_eq!(mnist.url(&mnist.sources[3]), "http://a/b/t10k-labels-idx1-ubyte.gz");
        assert!(Published::of(DatasetKind::Imagenet).is_none());
    }
}
