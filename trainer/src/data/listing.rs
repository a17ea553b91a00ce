//! What is in the folders of a data set: images, at any depth, and what is no image, which is counted so that it can be said.

use std::collections::BTreeMap;
use std::fs::{DirEntry, FileType};
use std::path::{Path, PathBuf};

use super::dataset::ImageFile;
use super::error::DataError;
use super::form::{ENDINGS, ImageFlaw};

/// What systems and archives leave beside images: hidden files, and these.
const LITTER: [&str; 4] = ["Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir"];

/// An entry of a folder.
pub(super) struct Entry {
    pub name: String,
    pub path: PathBuf,
    pub kind: Kind,
}

/// What it is, behind links.
pub(super) enum Kind {
    Folder,
    /// By its name.
    Image,
    /// Any other file.
    Other,
}

/// What is in a part of a data set.
#[derive(Default)]
pub(super) struct Found {
    /// The images, in the order of their paths.
    pub images: Vec<ImageFile>,
    /// Files that are no images, by the endings of their names: how many, and the first.
    others: BTreeMap<String, (usize, PathBuf)>,
    /// Links that lead nowhere, or back.
    broken: Vec<(PathBuf, ImageFlaw)>,
    /// A file that is read for something else.
    labels: PathBuf,
}

impl Found {
    /// Nothing yet of what stands beside a file of labels, or around it.
    pub fn beside(labels: &Path) -> Found {
        Found { labels: labels.to_owned(), ..Found::default() }
    }

    /// The entries of a folder but for its litter, sorted by name. Those that cannot be followed are noted.
    pub fn entries(&mut self, folder: &Path) -> Result<Vec<Entry>, DataError> {
        let error = |source| DataError::Read { path: folder.to_owned(), source };
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name();
            let readable =
                || std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{name:?} is no Unicode name"));
            let name = name.to_str().ok_or_else(readable).map_err(error)?.to_owned();
            if name.starts_with('.') || LITTER.contains(&name.as_str()) {
                continue;
            }
            match followed(&entry) {
                Ok(kind) if kind.is_dir() => entries.push(Entry { name, path: entry.path(), kind: Kind::Folder }),
                Ok(_) => {
                    let kind = if is_image(&name) { Kind::Image } else { Kind::Other };
                    entries.push(Entry { name, path: entry.path(), kind });
                }
                // It may have been a class, or an image.
                Err(flaw) if is_image(&name) || !name.contains('.') => self.broken.push((entry.path(), flaw)),
                Err(_) => self.pass_over(&entry.path()),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Takes all images below a folder.
    pub fn take(&mut self, folder: &Path) -> Result<(), DataError> {
        let mut above = vec![std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())];
        self.walk(folder, 1, &mut above)
    }

    /// The same below a folder that stands so deep, `above` being where it and the folders over it truly are.
    fn walk(&mut self, folder: &Path, depth: u16, above: &mut Vec<PathBuf>) -> Result<(), DataError> {
        for Entry { path, kind, .. } in self.entries(folder)? {
            match kind {
                Kind::Image => self.images.push(ImageFile::new(path, depth)),
                Kind::Other if path == self.labels => {}
                Kind::Other => self.pass_over(&path),
                Kind::Folder => {
                    let place = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                    if above.iter().any(|folder| folder.starts_with(&place)) {
                        let source = std::io::Error::other("it leads back to a folder that it stands in");
                        self.broken.push((path, ImageFlaw::Link { target: place, source }));
                        continue;
                    }
                    above.push(place);
                    self.walk(&path, depth + 1, above)?;
                    above.pop();
                }
            }
        }
        Ok(())
    }

    /// Counts a file that is no image.
    pub fn pass_over(&mut self, path: &Path) {
        let ending = path.extension().map_or_else(
            || "without an ending".to_owned(),
            |ending| format!(".{}", ending.to_string_lossy().to_lowercase()),
        );
        self.others.entry(ending).or_insert_with(|| (0, path.to_owned())).0 += 1;
    }

    /// What was passed over, in words; `None` if nothing was.
    pub fn remark(&self) -> Option<String> {
        let parts: Vec<String> = (self.others.iter())
            .map(|(ending, (count, first))| format!("{count} {ending} (as {})", first.display()))
            .collect();
        let all: usize = self.others.values().map(|(count, _)| count).sum();
        let files = if all == 1 { "1 file that is" } else { &format!("{all} files that are") };
        let kinds = endings();
        (all > 0).then(|| format!("{files} not read as images ({kinds}) left out: {}", parts.join(", ")))
    }

    /// Whether all that is there could be followed.
    ///
    /// # Errors
    /// If there are links that lead nowhere; they are named.
    pub fn check(&mut self) -> Result<(), DataError> {
        let all = self.images.len() + self.broken.len();
        if self.broken.is_empty() { Ok(()) } else { Err(DataError::images(std::mem::take(&mut self.broken), all)) }
    }
}

/// The endings of images, for messages.
pub(super) fn endings() -> String {
    ENDINGS.map(|ending| format!(".{ending}")).join(", ")
}

fn is_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// What an entry is; of a link, what it leads to.
fn followed(entry: &DirEntry) -> Result<FileType, ImageFlaw> {
    let kind = entry.file_type().map_err(ImageFlaw::Read)?;
    if !kind.is_symlink() {
        return Ok(kind);
    }
    std::fs::metadata(entry.path()).map(|found| found.file_type()).map_err(|source| {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        ImageFlaw::Link { target, source }
    })
}
