//! `[init]`: where θ starts, if not where its seed puts it. Without the section nothing is loaded. Which tensors are taken is decided where they are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[init]`: fine-tuning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitConfig {
    /// A run's folder, a checkpoint of a run, or a safetensors file with PyTorch's names (timm's for a ViT, torchvision's for a ResNet).
    pub from: PathBuf,
    /// What becomes of the layer that tells the classes apart.
    #[serde(default)]
    pub head: Head,
}

/// What becomes of the head of a model that is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// Kept for the same number of classes, else new.
    #[default]
    Auto,
    /// Started by the model's own rule.
    New,
    /// Loaded with the rest.
    Keep,
}

impl InitConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        require(
            !self.from.as_os_str().is_empty(),
            "init.from",
            "\"\"",
            "names no file or folder; leave [init] out for none",
        )
    }
}
