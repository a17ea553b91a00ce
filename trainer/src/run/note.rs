//! The notes that identify a checkpoint: the config it was trained with, and its model. Other models may have tensors of the same names and shapes.

use super::checkpoint::Checkpoint;
use super::checkpoint_error::CheckpointError;
use crate::config::{Config, ConfigError, ModelConfig};
use crate::shape::ImageShape;
use serde_json::Value;

const MODEL: &str = "model";
const CONFIG: &str = "config";
const IMAGES: &str = "images";

/// The keys of a model's config that do not change what its parameters compute.
const IMMATERIAL: [&str; 3] = ["head_bias", "dropout", "drop_path"];

impl Checkpoint {
    /// The note with the number of updates made.
    pub const UPDATES: &str = "updates";

    /// Adds the config that it was trained with, and the model.
    pub fn note_config(&mut self, config: &Config) {
        self.notes.insert(MODEL.to_owned(), description(&config.model).to_string());
        self.notes.insert(CONFIG.to_owned(), config.to_toml());
    }

    /// The config that it was trained with, with every default written out.
    ///
    /// # Errors
    /// If it contains none, or one that cannot be read.
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

    /// Adds the size of the images that the model takes.
    pub fn note_images(&mut self, images: ImageShape) {
        let ImageShape { channels, height, width } = images;
        self.notes.insert(IMAGES.to_owned(), format!("{channels}x{height}x{width}"));
    }

    /// The size of the images that the model takes, if the checkpoint notes it.
    ///
    /// # Errors
    /// If its note is no such size.
    pub fn images(&self) -> Result<Option<ImageShape>, CheckpointError> {
        let Some(text) = self.notes.get(IMAGES) else { return Ok(None) };
        let sides: Option<Vec<usize>> = text.split('x').map(|side| side.parse().ok()).collect();
        match sides.as_deref() {
            Some(&[channels, height, width]) => Ok(Some(ImageShape { channels, height, width })),
            _ => Err(CheckpointError::Note {
                path: self.path.clone(),
                note: IMAGES.to_owned(),
                expected: "channels, height and width, such as 3x224x224".to_owned(),
                found: format!("\"{text}\""),
            }),
        }
    }

    /// Whether a run of Lethe wrote it, and not another program.
    pub fn is_of_a_run(&self) -> bool {
        self.notes.contains_key(MODEL)
    }

    /// Checks that it belongs to this model.
    ///
    /// # Errors
    /// If it does not.
    pub fn expect_model(&self, model: &ModelConfig) -> Result<(), CheckpointError> {
        self.expect(MODEL, &description(model).to_string())
    }

    /// Checks that its parameters compute the same in this model as in their own, if it says which model that is.
    ///
    /// # Errors
    /// If they do not; the first key that differs is named.
    pub fn expect_alike(&self, model: &ModelConfig) -> Result<(), CheckpointError> {
        let Some(text) = self.notes.get(MODEL) else { return Ok(()) };
        let (expected, found) = (description(model), serde_json::from_str::<Value>(text).unwrap_or_default());
        let keys = expected.as_object().into_iter().flat_map(|keys| keys.keys());
        let keys = keys.map(String::as_str).filter(|key| !IMMATERIAL.contains(key));
        // Models of different kinds differ in the names of their keys, which says less.
        let mut keys = std::iter::once("kind").chain(keys);
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

/// The section of the model, without what no number depends on.
fn description(model: &ModelConfig) -> Value {
    let mut section = serde_json::to_value(model).expect("a section of the config can be written as JSON");
    if let Some(keys) = section.as_object_mut() {
        keys.remove("recompute");
    }
    section
}
