//! Layers. Each holds the numbers of its parameters and its options, and maps variables to variables. Parameters have PyTorch's names and shapes.
//!
//! | for | layers |
//! | --- | --- |
//! | vectors | [`Linear`], [`Embedding`], [`Mlp`] |
//! | maps | [`Conv1d`], [`Conv2d`], [`Conv3d`], [`PatchEmbedding`], [`Flatten`] |
//! | pooling of maps | [`MaxPool`], [`AvgPool`], [`AdaptiveAvgPool`], [`AdaptiveMaxPool`] |
//! | sequences | [`SelfAttention`], [`MultiHeadAttention`] with an [`AttentionMask`], [`EncoderLayer`], [`DecoderLayer`] |
//! | normalisation | [`LayerNorm`], [`RmsNorm`], [`GroupNorm`], [`InstanceNorm`], [`BatchNorm`] |
//! | in between | [`Activation`], [`PRelu`], [`Dropout`], [`DropPath`] |
//! | of layers | [`Sequential`], [`Recompute`] |

mod activation;
mod attention;
mod attention_mask;
mod batch_norm;
mod conv;
mod drop_path;
mod dropout;
mod embedding;
mod flatten;
mod group_norm;
mod layer;
mod layer_norm;
mod linear;
mod mlp;
mod multi_head_attention;
mod patch;
mod pool;
mod recompute;
mod sequential;
mod transformer;

pub use activation::{Activation, PRelu};
pub use attention::SelfAttention;
pub use attention_mask::AttentionMask;
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d};
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use drop_path::DropPath;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use group_norm::{GroupNorm, InstanceNorm};
pub use layer::Layer;
pub use layer_norm::{LayerNorm, RmsNorm};
pub use linear::Linear;
pub use mlp::Mlp;
pub use multi_head_attention::MultiHeadAttention;
pub use patch::PatchEmbedding;
pub use pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AdaptiveMaxPool3d, AvgPool, AvgPool1d, AvgPool2d, AvgPool3d, MaxPool, MaxPool1d, MaxPool2d,
    MaxPool3d,
};
pub use recompute::Recompute;
pub use sequential::Sequential;
pub use transformer::{DecoderLayer, EncoderLayer, NormOrder, TransformerConfig};
