//! Finds the folders of data sets.

use std::path::PathBuf;

use super::error::DataError;

/// Where distributions install data sets, one folder each.
const SYSTEM: &str = "/usr/share/datasets";

/// The folders in which data sets are searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    /// `--data-dir`: if given, the only folder.
    pub data_dir: Option<PathBuf>,
    /// The environment variable `LETHE_DATA`: otherwise the first folder.
    pub variable: Option<PathBuf>,
    /// The system's folder of data sets: the last one.
    pub system: PathBuf,
}

impl SearchPath {
    /// The folders of this process, with its `--data-dir`.
    pub fn of_process(data_dir: Option<PathBuf>) -> SearchPath {
        let variable = std::env::var_os("LETHE_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
        SearchPath { data_dir, variable, system: PathBuf::from(SYSTEM) }
    }

    /// The given folders and the system's, in order.
    pub(super) fn bases(&self) -> Vec<PathBuf> {
        match &self.data_dir {
            Some(folder) => vec![folder.clone()],
            None => self.variable.iter().chain([&self.system]).cloned().collect(),
        }
    }

    /// The folders to search for the data set with this name, in order. A folder given by the user may contain the files
    /// itself or a folder with the data set's name.
    pub(super) fn folders(&self, name: &str) -> Vec<PathBuf> {
        let both = |folder: &PathBuf| [folder.clone(), folder.join(name)];
        match &self.data_dir {
            Some(folder) => both(folder).to_vec(),
            None => self.variable.iter().flat_map(both).chain(std::iter::once(self.system.join(name))).collect(),
        }
    }
}

/// The first of the folders that contains what is searched.
pub(super) fn find(
    dataset: &str,
    looked: Vec<PathBuf>,
    file: &str,
    holds: impl Fn(&PathBuf) -> bool,
) -> Result<PathBuf, DataError> {
    match looked.iter().find(|folder| holds(folder)) {
        Some(folder) => Ok(folder.clone()),
        None => {
            Err(DataError::NotFound { dataset: dataset.into(), file: file.into(), looked, advice: advice(dataset) })
        }
    }
}

fn advice(name: &str) -> String {
    let package = match name {
        "fashion-mnist" => "install Debian's package dataset-fashion-mnist, or ",
        _ => "",
    };
    format!("{package}give the folder of the files with --data-dir DIR or the environment variable LETHE_DATA")
}
