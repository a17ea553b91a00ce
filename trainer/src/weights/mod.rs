//! Weights that come from elsewhere, and go there: what a model starts from in fine-tuning, and files for PyTorch.
//!
//! A model's parameters have the names that timm (ViT) and torchvision (ResNet) give theirs, with the same shapes, so nothing is renamed on the way. Files
//! are safetensors; Python's pickles are not read.

mod export;
mod source;
mod transfer;

pub use export::export;
pub use source::Source;
pub use transfer::{Transfer, transfer};
