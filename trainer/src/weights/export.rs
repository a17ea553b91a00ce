//! A run's parameters and running statistics as a file that PyTorch loads: timm's `VisionTransformer` or torchvision's `ResNet`, strictly.

use crate::config::{Config, ModelConfig};
use crate::data::ImageShape;
use crate::error::Error;
use crate::experiment;
use crate::files;
use crate::run::{Checkpoint, NamedTensor};
use std::collections::HashSet;
use std::path::Path;

/// Writes the model of a run's checkpoint, without what its optimiser keeps, and returns the number of tensors.
///
/// # Errors
/// If the checkpoint is of another model, or the file cannot be written.
pub fn export(config: &Config, checkpoint: &Checkpoint, file: &Path) -> Result<usize, Error> {
    checkpoint.expect_model(&config.model)?;
    let names = names(config);
    let tensors: Vec<&NamedTensor> = checkpoint.tensors.iter().filter(|t| names.contains(&t.name)).collect();
    files::write(file, &checkpoint.weights(&tensors))?;
    Ok(tensors.len())
}

/// The names of a model's parameters and of the state beside them. They depend neither on the images nor on the classes: the least of both will do.
fn names(config: &Config) -> HashSet<String> {
    let side = if let ModelConfig::Vit(vit) = &config.model { vit.patch } else { 1 };
    let model = experiment::model(config, ImageShape { channels: 1, height: side, width: side }, 1);
    let blueprint = model.blueprint();
    let layouts = [blueprint.layout(), blueprint.state_layout()];
    layouts.into_iter().flat_map(|layout| layout.owned().map(|(_, p)| p.name.clone()).collect::<Vec<_>>()).collect()
}
