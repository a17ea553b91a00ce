//! `[model]`: the network.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::error::{Problem, require};
use super::loss::LossKind;
use super::reading::{section, take_choice};
use crate::data::ImageShape;

/// The section `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ModelConfig {
    /// A multi-layer perceptron over the flattened image.
    Mlp(MlpConfig),
    /// A vision transformer.
    Vit(VitConfig),
    /// A residual network.
    Resnet(ResnetConfig),
}

/// The keys of `kind = "mlp"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// The widths of the hidden layers.
    pub widths: Vec<usize>,
    /// The function after each hidden layer.
    #[serde(default)]
    pub activation: Activation,
}

/// The functions between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// The exact (erf) Gaussian error linear unit.
    Gelu,
}

/// The keys of `kind = "vit"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// The side of a square patch, in pixels.
    pub patch: usize,
    /// The width of a token.
    pub width: usize,
    /// The number of blocks.
    pub depth: usize,
    /// The number of attention heads.
    pub heads: usize,
    /// The width of the hidden layer of each block's MLP; by default 4 × width.
    pub mlp_width: Option<usize>,
    /// Classify by a class token of its own, in place of the mean over the tokens.
    #[serde(default)]
    pub class_token: bool,
    /// Where the last layer norm stands.
    #[serde(default)]
    pub norm: NormPlace,
    /// The share of activations dropped after attention and in the MLP.
    #[serde(default)]
    pub dropout: f64,
    /// Where the head's bias starts; by default −10 with BCE (so that every likelihood starts near 0) and 0 with CE.
    pub head_bias: Option<f64>,
}

/// Where the last layer norm of a ViT stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlace {
    /// On the tokens, before they are averaged.
    BeforePool,
    /// On their average, as the paper's code has it.
    #[default]
    AfterPool,
}

/// The keys of `kind = "resnet"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetConfig {
    /// The kind of block.
    pub block: Block,
    /// The number of blocks of each stage; every stage after the first halves the image and doubles the width.
    pub blocks: Vec<usize>,
    /// The width of the first stage.
    pub width: usize,
    /// The layers before the first stage.
    #[serde(default)]
    pub stem: Stem,
}

/// The blocks of a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3 and 1×1 convolutions; the last widens by four.
    Bottleneck,
}

/// The first layers of a residual network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// A 3×3 convolution, for images of some 32 pixels.
    #[default]
    Small,
    /// A 7×7 convolution with stride 2 and a max-pool with stride 2, for images of some 224 pixels.
    Large,
}

impl ModelConfig {
    pub(super) fn read(mut table: Table) -> Result<ModelConfig, Problem> {
        let kind = take_choice("model", "kind", &mut table, &["mlp", "vit", "resnet"])?;
        Ok(match kind.as_str() {
            "mlp" => ModelConfig::Mlp(section("model", table)?),
            "vit" => ModelConfig::Vit(section("model", table)?),
            _ => ModelConfig::Resnet(section("model", table)?),
        })
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        match self {
            ModelConfig::Mlp(mlp) => positive_list("model.widths", &mlp.widths),
            ModelConfig::Vit(vit) => vit.check(),
            ModelConfig::Resnet(resnet) => {
                require(!resnet.blocks.is_empty(), "model.blocks", "[]", "needs at least one stage")?;
                positive_list("model.blocks", &resnet.blocks)?;
                require(resnet.width > 0, "model.width", resnet.width, "must be at least 1")
            }
        }
    }

    pub(super) fn check_images(&self, images: ImageShape) -> Result<(), Problem> {
        let ImageShape { height, width, .. } = images;
        match self {
            ModelConfig::Vit(vit) if !height.is_multiple_of(vit.patch) || !width.is_multiple_of(vit.patch) => {
                let reason = format!("the patch must divide the images' height and width, {height}×{width} pixels");
                Err(Problem::value("model.patch", vit.patch, reason))
            }
            _ => Ok(()),
        }
    }

    /// Every default that depends on other keys written out.
    pub(super) fn resolve(&mut self, loss: LossKind) {
        if let ModelConfig::Vit(vit) = self {
            vit.mlp_width = Some(vit.mlp_width());
            vit.head_bias = Some(vit.head_bias(loss));
        }
    }
}

impl VitConfig {
    /// The width of the MLP's hidden layer: the one given, or 4 × width.
    pub fn mlp_width(&self) -> usize {
        self.mlp_width.unwrap_or(4 * self.width)
    }

    /// Where the head's bias starts: as given, or by the loss.
    pub fn head_bias(&self, loss: LossKind) -> f64 {
        self.head_bias.unwrap_or(match loss {
            LossKind::Bce => -10.0,
            LossKind::Ce => 0.0,
        })
    }

    fn check(&self) -> Result<(), Problem> {
        let sizes = [("patch", self.patch), ("width", self.width), ("depth", self.depth), ("heads", self.heads)];
        for (key, size) in sizes {
            require(size > 0, &format!("model.{key}"), size, "must be at least 1")?;
        }
        require(self.mlp_width != Some(0), "model.mlp_width", 0, "must be at least 1")?;
        if !self.width.is_multiple_of(self.heads) {
            let reason = format!("the number of heads must divide model.width = {}", self.width);
            return Err(Problem::value("model.heads", self.heads, reason));
        }
        require((0.0..1.0).contains(&self.dropout), "model.dropout", self.dropout, "must be in 0..1, without 1")?;
        let bias = self.head_bias.unwrap_or_default();
        require(bias.is_finite(), "model.head_bias", bias, "must be a finite number")
    }
}

fn positive_list(key: &str, list: &[usize]) -> Result<(), Problem> {
    require(!list.contains(&0), key, format!("{list:?}"), "every entry must be at least 1")
}
