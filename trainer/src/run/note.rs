//! The notes that say what a checkpoint is of: which config it was trained with, and which model. Others may have tensors of the same names and shapes.

use super::checkpoint::Checkpoint;
use super::checkpoint_error::CheckpointError;
use crate::config::{Config, ConfigError, ModelConfig};
use serde_json::Value;

const MODEL: &str = "model";
const CONFIG: &str = "config";

/// The keys of a model's config that do not change what its parameters compute.
const IMMATERIAL: [&str; 2] = ["head_bias", "dropout"];

impl Checkpoint {
    /// The note that says how many updates were made.
    pub const UPDATES: &str = "updates";

    /// Says with which config it was trained, and which model that is.
    pub fn note_config(&mut self, config: &Config) {
        self.notes.insert(MODEL.to_owned(), description(&config.model).to_string());
        self.notes.insert(CONFIG.to_owned(), config.to_toml());
    }

    /// The config that it was trained with, every default written out.
    ///
    /// # Errors
    /// If it holds none, or one that cannot be read.
    pub fn config(&self) -> Result<Config, CheckpointError> {
        let note = |found: String| CheckpointError::Note {
            path: self.path.clone(),
            note: CONFIG.to_owned(),
            expected: "the run's config".to_owned(),
            found,
        };
        let text = self.notes.get(CONFIG).ok_or_else(|| note("nothing".to_owned()))?;
        Config::parse_trained(text, &self.path).map_err(|e: ConfigError| note(e.to_string()))
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
