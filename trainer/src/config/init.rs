//! `[init]`: the weights that θ starts from. Without the section nothing is loaded, and θ is drawn from the seed. `crate::weights` decides which
//! tensors are loaded.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[init]`: fine-tuning.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitConfig {
    /// A run's folder, a checkpoint of a run, or a safetensors file with PyTorch's names (timm's for a ViT, torchvision's for a ResNet).
    pub from: PathBuf,
    /// What happens to the head, the layer that distinguishes the classes.
    #[serde(default)]
    pub head: Head,
}

/// What happens to the head of a model that is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// It is kept if the classes are the same, otherwise initialised anew.
    #[default]
    Auto,
    /// It is initialised anew by the model's rule.
    New,
    /// It is loaded with the other parameters.
    Keep,
}

impl InitConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        require(
            !self.from.as_os_str().is_empty(),
            "init.from",
            "\"\"",
            "is empty; name a file or folder, or leave [init] out",
        )
    }
}
