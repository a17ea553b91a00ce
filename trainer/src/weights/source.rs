//! A file that weights are taken from.

use crate::error::Error;
use crate::run::{Checkpoint, RunFolder};
use std::path::Path;

/// Named tensors, of a run of Lethe's or of PyTorch.
pub struct Source {
    /// The tensors.
    pub tensors: Checkpoint,
    /// Names of tensors that hold no weights: whole numbers, truth values.
    pub others: Vec<String>,
}

impl Source {
    /// Opens a run's folder, a checkpoint, or a safetensors file of any other origin.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Source, Error> {
        if path.is_dir() {
            return Ok(Source { tensors: RunFolder::open(path)?.load()?, others: Vec::new() });
        }
        let (tensors, others) = Checkpoint::load_weights(path)?;
        Ok(Source { tensors, others })
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.tensors.iter().find(|t| t.name == name).map(|t| &t.shape[..])
    }
}
