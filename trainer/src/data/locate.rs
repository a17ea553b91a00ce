//! Finds the folders of data sets.

use std::path::{Path, PathBuf};

use super::error::DataError;
use super::published::NAMES;

/// Where distributions install data sets, one folder each.
const SYSTEM: &str = "/usr/share/datasets";

/// The folders in which data sets are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// `--data-dir`: if given, the only folder.
    pub data_dir: Option<PathBuf>,
    /// The folder of the files themselves that a run was trained on: otherwise the first folder.
    pub noted: Option<PathBuf>,
    /// The environment variable `LETHE_DATA`: the next one.
    pub variable: Option<PathBuf>,
    /// The user's folder of data sets, to which `lethe data get` installs if nothing else is said.
    pub user: Option<PathBuf>,
    /// The system's folder of data sets: the last one.
    pub system: PathBuf,
}

impl SearchPath {
    /// The folders of this process, with its `--data-dir`.
    pub fn of_process(data_dir: Option<PathBuf>) -> SearchPath {
        let variable = std::env::var_os("LETHE_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
        SearchPath { data_dir, noted: None, variable, user: user_folder(), system: PathBuf::from(SYSTEM) }
    }

    /// This folder alone.
    pub fn only(folder: &Path) -> SearchPath {
        SearchPath { data_dir: Some(folder.to_owned()), ..SearchPath::default() }
    }

    /// The folder to which data sets are installed, each in a folder with its name; `None` if the user has none.
    pub(crate) fn base(&self) -> Option<PathBuf> {
        self.data_dir.as_ref().or(self.variable.as_ref()).or(self.user.as_ref()).cloned()
    }

    /// The given folders and the system's, in order.
    pub(super) fn bases(&self) -> Vec<PathBuf> {
        match &self.data_dir {
            Some(folder) => vec![folder.clone()],
            None => self.variable.iter().chain(&self.user).chain([&self.system]).cloned().collect(),
        }
    }

    /// The folders to search for the data set with this name, in order. A folder given by the user may contain the files
    /// itself or a folder with the data set's name.
    pub(super) fn folders(&self, name: &str) -> Vec<PathBuf> {
        let both = |folder: &PathBuf| [folder.clone(), folder.join(name)];
        match &self.data_dir {
            Some(folder) => both(folder).to_vec(),
            None => {
                let own = self.noted.iter().cloned().chain(self.variable.iter().flat_map(both));
                own.chain(self.user.iter().chain([&self.system]).map(|folder| folder.join(name))).collect()
            }
        }
    }
}

/// The user's own folder of data sets: `$XDG_DATA_HOME/lethe` or `~/.local/share/lethe` (on macOS `~/Library/Application Support/lethe`, on Windows
/// `%LOCALAPPDATA%\lethe\data`).
fn user_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return variable("LOCALAPPDATA").map(|folder| folder.join("lethe").join("data"));
    }
    let data = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    let home = || variable("HOME").map(|home| home.join(data));
    variable("XDG_DATA_HOME").or_else(home).map(|data| data.join("lethe"))
}

/// The first of the folders that contains what is searched.
pub(super) fn find(
    dataset: &str,
    looked: Vec<PathBuf>,
    file: &str,
    search_path: &SearchPath,
    holds: impl Fn(&PathBuf) -> bool,
) -> Result<PathBuf, DataError> {
    match looked.iter().find(|folder| holds(folder)) {
        Some(folder) => Ok(folder.clone()),
        None => {
            let advice = advice(dataset, search_path.data_dir.as_deref());
            Err(DataError::NotFound { dataset: dataset.into(), file: file.into(), looked, advice })
        }
    }
}

fn advice(name: &str, data_dir: Option<&Path>) -> String {
    let download = download(name, data_dir).map_or_else(String::new, |how| format!("{how}, or "));
    let package = match name {
        "fashion-mnist" => "install Debian's package dataset-fashion-mnist, or ",
        _ => "",
    };
    format!(
        "{download}{package}give the folder of the files with --data-dir DIR or the environment variable LETHE_DATA"
    )
}

/// How to download a data set to this folder, or to the default one; `None` if it is not one that can be downloaded.
pub(super) fn download(name: &str, data_dir: Option<&Path>) -> Option<String> {
    let is_known = NAMES.iter().any(|(_, own)| *own == name);
    let to =
        data_dir.map_or_else(String::new, |folder| format!(" --data-dir {}", quoted(&folder.display().to_string())));
    is_known.then(|| format!("download it with `lethe data get {name}{to}`"))
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/\\:._-+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{text}'") }
}
