//! Lists the folders of a data set: images, at any depth, and other files, which are counted so that they can be reported.

use std::collections::BTreeMap;
use std::fs::{DirEntry, FileType};
use std::path::{Path, PathBuf};

use super::dataset::ImageFile;
use super::error::DataError;
use super::form::{ENDINGS, ImageFlaw};

/// Files and folders of systems and archives that are ignored, besides hidden ones.
const LITTER: [&str; 4] = ["Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir"];

/// An entry of a folder.
pub(super) struct Entry {
    pub name: String,
    pub path: PathBuf,
    pub kind: Kind,
}

/// Its kind, with links followed.
pub(super) enum Kind {
    Folder,
    /// An image, by its extension.
    Image,
    /// Any other file.
    Other,
}

/// The contents of a folder of a data set.
#[derive(Default)]
pub(super) struct Found {
    /// The images, sorted by path.
    pub images: Vec<ImageFile>,
    /// Files that are not images, by extension: their number, and the first of them.
    others: BTreeMap<String, (usize, PathBuf)>,
    /// Links that lead nowhere and do not look like images, or lead back to a parent folder.
    broken: Vec<(PathBuf, ImageFlaw)>,
    /// A file that is read for another purpose.
    labels: PathBuf,
}

impl Found {
    /// Empty, for a folder in which this file is read for another purpose.
    pub fn beside(labels: &Path) -> Found {
        Found { labels: labels.to_owned(), ..Found::default() }
    }

    /// The entries of a folder except ignored ones, sorted by name. Broken links that do not look like images are recorded.
    pub fn entries(&mut self, folder: &Path) -> Result<Vec<Entry>, DataError> {
        let error = |source| DataError::Read { path: folder.to_owned(), source };
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name();
            let readable =
                || std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{name:?} is not a Unicode name"));
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
                // Inspected with all other images, so that all flaws are reported together.
                Err(_) if is_image(&name) => entries.push(Entry { name, path: entry.path(), kind: Kind::Image }),
                // It may have been meant as a class.
                Err(flaw) if !name.contains('.') => self.broken.push((entry.path(), flaw)),
                Err(_) => self.pass_over(&entry.path()),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Adds all images below a folder.
    pub fn take(&mut self, folder: &Path) -> Result<(), DataError> {
        let mut above = vec![std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())];
        self.walk(folder, 1, &mut above)
    }

    /// The same below a folder at this depth; `above` holds the real paths of the folder and its parents.
    fn walk(&mut self, folder: &Path, depth: u16, above: &mut Vec<PathBuf>) -> Result<(), DataError> {
        for Entry { path, kind, .. } in self.entries(folder)? {
            match kind {
                Kind::Image => self.images.push(ImageFile::new(path, depth)),
                Kind::Other if path == self.labels => {}
                Kind::Other => self.pass_over(&path),
                Kind::Folder => {
                    let target = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                    if above.iter().any(|folder| folder.starts_with(&target)) {
                        let source = std::io::Error::other("it leads back to a folder that contains it");
                        self.broken.push((path, ImageFlaw::Link { target, source }));
                        continue;
                    }
                    above.push(target);
                    self.walk(&path, depth + 1, above)?;
                    above.pop();
                }
            }
        }
        Ok(())
    }

    /// Counts a file that is not an image.
    pub fn pass_over(&mut self, path: &Path) {
        let ending = path.extension().map_or_else(
            || "without an extension".to_owned(),
            |ending| format!(".{}", ending.to_string_lossy().to_lowercase()),
        );
        self.others.entry(ending).or_insert_with(|| (0, path.to_owned())).0 += 1;
    }

    /// What was ignored, in words; `None` if nothing was.
    pub fn remark(&self) -> Option<String> {
        let parts: Vec<String> = (self.others.iter())
            .map(|(ending, (count, first))| format!("{count} {ending} (as {})", first.display()))
            .collect();
        let all: usize = self.others.values().map(|(count, _)| count).sum();
        let files = if all == 1 { "1 file that is" } else { &format!("{all} files that are") };
        let kinds = endings();
        (all > 0).then(|| format!("{files} not read as images ({kinds}) ignored: {}", parts.join(", ")))
    }

    /// Checks that there are no broken links.
    ///
    /// # Errors
    /// If there are broken links; they are named.
    pub fn check(&mut self) -> Result<(), DataError> {
        let all = self.images.len() + self.broken.len();
        if self.broken.is_empty() { Ok(()) } else { Err(DataError::images(std::mem::take(&mut self.broken), all)) }
    }
}

/// The extensions of images, for messages.
pub(super) fn endings() -> String {
    ENDINGS.map(|ending| format!(".{ending}")).join(", ")
}

fn is_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The kind of an entry; for a link, that of its target.
fn followed(entry: &DirEntry) -> Result<FileType, ImageFlaw> {
    let kind = entry.file_type().map_err(ImageFlaw::Read)?;
    if !kind.is_symlink() {
        return Ok(kind);
    }
    std::fs::metadata(entry.path())
        .map(|found| found.file_type())
        .map_err(|source| ImageFlaw::unreadable(&entry.path(), source))
}
