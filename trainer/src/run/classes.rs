//! The names of the classes in a run folder and in its checkpoints.

use super::checkpoint::{CLASSES, Checkpoint};
use super::checkpoint_error::CheckpointError;
use super::error::RunError;
use super::files;
use super::folder::RunFolder;
use crate::classes::Classes;
use crate::words::unlike;

impl RunFolder {
    /// Saves the names of the classes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn note_classes(&self, classes: &Classes) -> Result<(), RunError> {
        self.replace(files::CLASSES, (text(classes) + "\n").as_bytes())
    }

    /// Checks that these are the classes that the run began with, if it has saved them.
    ///
    /// # Errors
    /// If they are not, or the file cannot be read.
    pub fn expect_classes(&self, classes: &Classes) -> Result<(), RunError> {
        let path = self.file(files::CLASSES);
        let noted = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            noted => noted.map_err(|source| RunError::Read { path: path.clone(), source })?,
        };
        let noted = parse(&noted).map_err(|error| RunError::BrokenClasses { path, found: unlike(&error) })?;
        noted
            .difference(classes)
            .map_or(Ok(()), |difference| Err(RunError::OtherClasses { path: self.path().to_owned(), difference }))
    }
}

impl Checkpoint {
    /// Adds the names of the model's classes.
    pub fn note_classes(&mut self, classes: &Classes) {
        self.notes.insert(CLASSES.to_owned(), text(classes));
    }

    /// The names of the model's classes, if the checkpoint contains them.
    ///
    /// # Errors
    /// If its note is not a list of names.
    pub fn classes(&self) -> Result<Option<Classes>, CheckpointError> {
        let Some(noted) = self.notes.get(CLASSES) else { return Ok(None) };
        parse(noted).map(Some).map_err(|_| CheckpointError::Note {
            path: self.path.clone(),
            note: CLASSES.to_owned(),
            expected: "a JSON list of names".to_owned(),
            found: noted.clone(),
        })
    }

    /// Checks that these are the model's classes, if the checkpoint contains their names.
    ///
    /// # Errors
    /// If they are not.
    pub fn expect_classes(&self, classes: &Classes) -> Result<(), CheckpointError> {
        let difference = self.classes()?.and_then(|noted| noted.difference(classes));
        difference.map_or(Ok(()), |difference| Err(CheckpointError::Classes { path: self.path.clone(), difference }))
    }
}

/// The names as a JSON list.
fn text(classes: &Classes) -> String {
    serde_json::to_string(classes.names()).expect("strings can be written as JSON")
}

fn parse(text: &str) -> Result<Classes, serde_json::Error> {
    serde_json::from_str::<Vec<String>>(text).map(Classes::new)
}
