//! Loading and exporting weights: initial weights for fine-tuning, and files for PyTorch.
//!
//! Parameters have the same names and shapes as in timm (ViT) and torchvision (ResNet), so nothing is renamed. Files are in the safetensors format;
//! Python's pickles are not read.

mod export;
mod source;
mod transfer;

pub use export::export;
pub use source::Source;
pub use transfer::{Transfer, transfer};
