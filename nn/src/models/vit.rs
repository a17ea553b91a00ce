//! The vision transformer of the paper (specification, section 6.1), at any width and depth.

use super::{Model, Positions, blueprint};
use crate::build::Blueprint;
use crate::layers::{DropPath, Dropout, Layer, LayerNorm, Linear, Mlp, PatchEmbedding, Recompute, SelfAttention};
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Tags, Var};

/// LayerNorm's epsilon everywhere.
const EPS: f64 = 1e-6;

/// The name of the position embeddings.
const POSITIONS: &str = "pos_embed";

/// How tokens become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean; there is no class token.
    Mean,
    /// A learnt class token, put before the others.
    ClassToken,
}

/// Where the last LayerNorm stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum HeadNorm {
    /// Before the pooling, on all tokens.
    #[cfg_attr(feature = "serde", serde(rename = "before-pool"))]
    BeforePooling,
    /// After the pooling, as in the paper's code.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "after-pool"))]
    AfterPooling,
}

/// The sizes of a vision transformer.
///
/// # Examples
/// ```
/// use lethe_nn::Model;
/// use lethe_nn::models::{Pooling, Vit, VitConfig};
/// let config = VitConfig { depth: 6, pooling: Pooling::ClassToken, ..VitConfig::small(16, 10) };
/// let vit = Vit::new(config);
/// let layout = vit.blueprint().layout();
/// let positions = layout.get(layout.find("pos_embed").unwrap());
/// assert_eq!(positions.shape, [1, 197, 384]); // 14 · 14 patches and the class token
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VitConfig {
    /// Channels of an image.
    pub channels: usize,
    /// Height and width of an image, divisible by the patch.
    pub image: [usize; 2],
    /// Side of a patch.
    pub patch: usize,
    /// Width of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads, dividing the width.
    pub heads: usize,
    /// Hidden width of the perceptrons.
    pub mlp: usize,
    /// Classes.
    pub classes: usize,
    /// How tokens become one vector.
    pub pooling: Pooling,
    /// Where the last LayerNorm stands.
    pub head_norm: HeadNorm,
    /// The dropout probability after projections and in perceptrons.
    pub dropout: f64,
    /// The probability with which a sample skips the branches of the last block (stochastic depth); it grows linearly from 0 at the first block.
    pub drop_path: f64,
    /// The initial value of the head's bias; `None`: −ln C.
    pub head_bias: Option<f64>,
    /// Whether the backward pass computes the values within each block again, in place of keeping them. The same bits with less memory, for the time
    /// of another forward pass.
    pub recompute_blocks: bool,
}

impl VitConfig {
    /// The paper's ViT-S with patches of 32 or 16 on 224 × 224 RGB images.
    pub fn small(patch: usize, classes: usize) -> VitConfig {
        VitConfig {
            channels: 3,
            image: [224, 224],
            patch,
            width: 384,
            depth: 12,
            heads: 6,
            mlp: 1536,
            classes,
            pooling: Pooling::Mean,
            head_norm: HeadNorm::AfterPooling,
            dropout: 0.0,
            drop_path: 0.0,
            head_bias: Some(-10.0),
            recompute_blocks: false,
        }
    }
}

/// A pre-norm block: `x += attention(norm(x)); x += mlp(norm(x))`.
#[derive(Clone)]
struct Block {
    norm1: LayerNorm,
    attn: SelfAttention,
    norm2: LayerNorm,
    mlp: Mlp,
    skips: [DropPath; 2],
}

impl Block {
    fn new(b: &mut Builder, c: &VitConfig, i: usize) -> Block {
        let rate = DropPath::rate(c.drop_path, i, c.depth);
        Block {
            norm1: b.within("norm1", |b| LayerNorm::new(b, c.width).eps(EPS)),
            attn: b.within("attn", |b| SelfAttention::new(b, c.width, c.heads, c.dropout)),
            norm2: b.within("norm2", |b| LayerNorm::new(b, c.width).eps(EPS)),
            mlp: b.within("mlp", |b| Mlp::new(b, c.width, c.mlp, c.dropout)),
            skips: [DropPath::new(b, rate), DropPath::new(b, rate)],
        }
    }
}

impl Layer for Block {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let [attn, mlp] = &self.skips;
        let x = x + &attn.forward(f, &self.attn.forward(f, &self.norm1.forward(f, x)));
        &x + &mlp.forward(f, &self.mlp.forward(f, &self.norm2.forward(f, &x)))
    }
}

/// Patches, learnt positions, pre-norm blocks, pooling, norm, linear head.
///
/// # Examples
/// ```
/// use lethe_nn::models::{Vit, VitConfig};
/// use lethe_nn::{Model, predict};
/// use lethe_tensor::{Device, Tensor};
/// let small = VitConfig { image: [8, 8], width: 16, depth: 1, heads: 2, mlp: 32, ..VitConfig::small(4, 10) };
/// let model = Vit::new(small);
/// let (theta, state) = model.init(&Device::cpu(), 0);
/// let images = Tensor::randn(&Device::cpu(), &[2, 3, 8, 8], 0);
/// let logits = predict(&theta, &state, &images, &|f, x| model.forward(f, x));
/// assert_eq!(logits.to_vec::<f32>()?, [-10.0; 20]); // the head starts at 0 but for its bias
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
pub struct Vit {
    blueprint: Blueprint,
    patches: PatchEmbedding,
    class_token: Option<ParamId>,
    positions: ParamId,
    drop: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    config: VitConfig,
}

impl Vit {
    /// A transformer with the paper's initial values (specification, section 6.1).
    ///
    /// # Panics
    /// If the patch does not divide the image, or the heads the width, or a probability is not in [0, 1).
    #[track_caller]
    pub fn new(config: VitConfig) -> Vit {
        let c = &config;
        let divides = c.patch > 0 && c.image.iter().all(|n| n.is_multiple_of(c.patch));
        assert!(divides, "ViT: a patch of {} does not divide an image of {:?}", c.patch, c.image);
        let mut b = Builder::new();
        let undecayed = Tags { decayed: false, ..Tags::default() };
        let tokens = (c.image[0] / c.patch) * (c.image[1] / c.patch) + usize::from(c.pooling == Pooling::ClassToken);
        let small = Init::Normal { std: 1.0 / (c.width as f64).sqrt() };
        let class_token = (c.pooling == Pooling::ClassToken)
            .then(|| b.param_tagged("cls_token", &[1, 1, c.width], Init::Constant(0.0), undecayed));
        let positions = b.param_tagged(POSITIONS, &[1, tokens, c.width], small, undecayed);
        let patches = b.within("patch_embed", |b| PatchEmbedding::new(b, c.channels, c.patch, c.width));
        let drop = Dropout::new(&mut b, c.dropout);
        let blocks = (0..c.depth).map(|i| b.within(&format!("blocks.{i}"), |b| Block::new(b, c, i))).collect();
        let norm_name = if c.head_norm == HeadNorm::AfterPooling { "fc_norm" } else { "norm" };
        let norm = b.within(norm_name, |b| LayerNorm::new(b, c.width).eps(EPS));
        let bias = Init::Constant(c.head_bias.unwrap_or(-(c.classes as f64).ln()));
        let head = b.within("head", |b| Linear::with(b, c.width, c.classes, Init::Constant(0.0), Some(bias)));
        Vit { blueprint: b.finish(), patches, class_token, positions, drop, blocks, norm, head, config }
    }
}

impl Model for Vit {
    blueprint!();

    fn head(&self) -> String {
        "head".into()
    }

    fn positions(&self) -> Option<Positions> {
        let c = &self.config;
        let leading = usize::from(c.pooling == Pooling::ClassToken);
        Some(Positions { name: POSITIONS, leading, grid: c.image.map(|side| side / c.patch) })
    }

    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let mut tokens = self.patches.forward(f, x);
        if let Some(class) = self.class_token {
            let (n, width) = (tokens.shape()[0], self.config.width);
            tokens = Var::concat(&[&f.param(class).expand(&[n, 1, width]), &tokens], 1);
        }
        let mut x = self.drop.forward(f, &(&tokens + &f.param(self.positions)));
        for block in &self.blocks {
            x = if self.config.recompute_blocks {
                Recompute(block.clone()).forward(f, &x)
            } else {
                block.forward(f, &x)
            };
        }
        if self.config.head_norm == HeadNorm::BeforePooling && self.config.pooling == Pooling::Mean {
            x = self.norm.forward(f, &x);
        }
        let mut pooled = match self.config.pooling {
            Pooling::Mean => x.mean_axes(&[1], false),
            Pooling::ClassToken => x.slice(1, 0, 1).squeeze(1),
        };
        // Of all tokens only the class token is read: normalising it alone is the same.
        if self.config.head_norm == HeadNorm::AfterPooling || self.config.pooling == Pooling::ClassToken {
            pooled = self.norm.forward(f, &pooled);
        }
        self.head.forward(f, &pooled)
    }
}
