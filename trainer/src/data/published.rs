//! What a download must know of the files of the published data sets.

use std::path::PathBuf;

use super::cifar::{CIFAR_10, CIFAR_100};
use super::idx_set;
use super::locate::SearchPath;
use crate::config::DatasetKind;

/// The data sets that can be downloaded, with their names in configs and of their folders.
pub(crate) const NAMES: [(DatasetKind, &str); 4] = [
    (DatasetKind::Mnist, "mnist"),
    (DatasetKind::FashionMnist, "fashion-mnist"),
    (DatasetKind::Cifar10, CIFAR_10.name),
    (DatasetKind::Cifar100, CIFAR_100.name),
];

/// The path of an IDX file, plain or compressed, in either spelling, if it exists.
pub(crate) use super::idx_set::existing as idx_file;

/// The folder of CIFAR's files in the published archive, the files of both parts, and the length of a file of each.
///
/// # Panics
/// For another data set.
pub(crate) fn published(kind: DatasetKind) -> (&'static str, [&'static [&'static str]; 2], [u64; 2]) {
    match kind {
        DatasetKind::Cifar10 => CIFAR_10.published(),
        DatasetKind::Cifar100 => CIFAR_100.published(),
        other => panic!("{other:?} is not published as an archive"),
    }
}

/// The folder in which the readers find a data set that can be downloaded. It may lack files.
pub(crate) fn find_published(kind: DatasetKind, search_path: &SearchPath) -> Option<PathBuf> {
    match kind {
        DatasetKind::Cifar10 => CIFAR_10.found(search_path),
        DatasetKind::Cifar100 => CIFAR_100.found(search_path),
        kind => idx_set::found(NAMES.iter().find(|(own, _)| *own == kind)?.1, search_path),
    }
}
