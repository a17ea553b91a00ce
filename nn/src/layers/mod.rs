//! Layers. Each holds the numbers of its parameters and its options, and maps variables to variables.

mod attention;
mod conv;
mod dropout;
mod linear;
mod mlp;
mod norm;
mod patch;

pub use attention::SelfAttention;
pub use conv::Conv2d;
pub use dropout::Dropout;
pub use linear::Linear;
pub use mlp::{Activation, Mlp};
pub use norm::{BatchNorm2d, LayerNorm};
pub use patch::PatchEmbedding;
