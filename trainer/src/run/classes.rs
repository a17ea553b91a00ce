//! The names of classes in a run's folder and in its checkpoints.

use super::{Checkpoint, CheckpointError, RunError, RunFolder};
use crate::classes::Classes;

/// The run's file of them: a JSON list.
pub(super) const FILE: &str = "classes.json";
/// The name of a checkpoint's note, and of the same in a file of weights.
pub(super) const CLASSES: &str = "classes";

impl RunFolder {
    /// Notes the names of the classes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn note_classes(&self, classes: &Classes) -> Result<(), RunError> {
        self.replace(FILE, (text(classes) + "\n").as_bytes())
    }

    /// Whether these are the classes that the run began with, as far as it has noted them.
    ///
    /// # Errors
    /// If they are others, or the note cannot be read.
    pub fn expect_classes(&self, classes: &Classes) -> Result<(), RunError> {
        let path = self.file(FILE);
        let noted = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            noted => noted.and_then(|text| parse(&text).map_err(Into::into)),
        };
        let noted = noted.map_err(|source| RunError::Read { path, source })?;
        noted
            .difference(classes)
            .map_or(Ok(()), |difference| Err(RunError::OtherClasses { path: self.path().to_owned(), difference }))
    }
}

impl Checkpoint {
    /// Says which classes its model tells apart.
    pub fn note_classes(&mut self, classes: &Classes) {
        self.notes.insert(CLASSES.to_owned(), text(classes));
    }

    /// The classes that its model tells apart, if it says so.
    ///
    /// # Errors
    /// If its note is no list of names.
    pub fn classes(&self) -> Result<Option<Classes>, CheckpointError> {
        let Some(noted) = self.notes.get(CLASSES) else { return Ok(None) };
        parse(noted).map(Some).map_err(|_| CheckpointError::Note {
            path: self.path.clone(),
            note: CLASSES.to_owned(),
            expected: "a JSON list of names".to_owned(),
            found: noted.clone(),
        })
    }

    /// Whether its model tells these classes apart, as far as it says.
    ///
    /// # Errors
    /// If they are others.
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
