//! The note that says which model a checkpoint is of: others may have tensors of the same names and shapes.

use super::checkpoint::{Checkpoint, CheckpointError};
use crate::config::ModelConfig;
use serde_json::Value;

/// Its name.
const MODEL: &str = "model";

/// The keys of a model's config that do not change what its parameters compute.
const IMMATERIAL: [&str; 2] = ["head_bias", "dropout"];

impl Checkpoint {
    /// Says of which model it is.
    pub fn note_model(&mut self, model: &ModelConfig) {
        self.notes.insert(MODEL.to_owned(), description(model).to_string());
    }

    /// Whether a run of Lethe's wrote it, and not another program.
    pub fn is_of_a_run(&self) -> bool {
        self.notes.contains_key(MODEL)
    }

    /// Whether it is of this model.
    ///
    /// # Errors
    /// If it is not.
    pub fn expect_model(&self, model: &ModelConfig) -> Result<(), CheckpointError> {
        self.expect(MODEL, &description(model).to_string())
    }

    /// Whether its parameters, if it says of which model they are, compute in this model what they did there.
    ///
    /// # Errors
    /// If they do not; the first key that differs is named.
    pub fn expect_alike(&self, model: &ModelConfig) -> Result<(), CheckpointError> {
        let Some(text) = self.notes.get(MODEL) else { return Ok(()) };
        let (expected, found) = (description(model), serde_json::from_str::<Value>(text).unwrap_or_default());
        let keys = expected.as_object().into_iter().flat_map(|keys| keys.keys());
        let mut keys = keys.filter(|key| !IMMATERIAL.contains(&key.as_str()));
        let Some(key) = keys.find(|key| found.get(key) != expected.get(key)) else { return Ok(()) };
        let line = |v: &Value| v.get(key).map_or_else(|| format!("no {key}"), |v| format!("{key} = {v}"));
        Err(CheckpointError::Note {
            path: self.path.clone(),
            note: MODEL.to_owned(),
            expected: line(&expected),
            found: line(&found),
        })
    }
}

fn description(model: &ModelConfig) -> Value {
    serde_json::to_value(model).expect("a section of the config can be written as JSON")
}
