//! Exports a run's parameters and running statistics to a file that PyTorch loads: `load_state_dict` of timm's `VisionTransformer` or torchvision's
//! `ResNet`, in strict mode.

use crate::config::{Config, ModelConfig};
use crate::error::Error;
use crate::experiment;
use crate::files;
use crate::run::{Checkpoint, NamedTensor};
use crate::shape::ImageShape;
use std::collections::HashSet;
use std::path::Path;

/// Writes the model of a run's checkpoint, without the optimiser's vectors, and returns the number of tensors.
///
/// # Errors
/// If the checkpoint has a different model, or the file cannot be written.
pub fn export(config: &Config, checkpoint: &Checkpoint, file: &Path) -> Result<usize, Error> {
    checkpoint.expect_model(&config.model)?;
    let names = names(config);
    let tensors: Vec<&NamedTensor> = checkpoint.tensors.iter().filter(|t| names.contains(&t.name)).collect();
    files::write(file, &checkpoint.weights(&tensors))?;
    Ok(tensors.len())
}

/// The names of a model's parameters and of its state. They do not depend on the images or the number of classes, so the smallest of both are used.
fn names(config: &Config) -> HashSet<String> {
    let side = if let ModelConfig::Vit(vit) = &config.model { vit.patch } else { 1 };
    let model = experiment::model(config, ImageShape { channels: 1, height: side, width: side }, 1);
    let blueprint = model.blueprint();
    let layouts = [blueprint.layout(), blueprint.state_layout()];
    layouts.into_iter().flat_map(|layout| layout.owned().map(|(_, p)| p.name.clone()).collect::<Vec<_>>()).collect()
}
