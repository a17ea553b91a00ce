//! `[model]`: the network.

use lethe_nn::layers::Activation;
use lethe_nn::models::{BlockKind, HeadNorm, Stem};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use toml::Table;

use super::error::{Problem, require};
use super::loss::LossKind;
use super::reading::{fields, number_or, number_or_schema, section, take_choice};
use crate::shape::ImageShape;

/// The section `[model]`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
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
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// The widths of the hidden layers.
    pub widths: Vec<usize>,
    /// The activation function after each hidden layer.
    #[serde(default)]
    pub activation: Activation,
}

/// The keys of `kind = "vit"`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// The side of a square patch, in pixels.
    pub patch: usize,
    /// The embedding dimension: the width of a token.
    pub width: usize,
    /// The number of blocks.
    pub depth: usize,
    /// The number of attention heads.
    pub heads: usize,
    /// The width of the hidden layer of each block's MLP; by default 4 × width.
    pub mlp_width: Option<usize>,
    /// Classify from a class token instead of the mean over the tokens.
    #[serde(default)]
    pub class_token: bool,
    /// The position of the last layer norm.
    #[serde(default)]
    pub norm: HeadNorm,
    /// The dropout probability after attention and in the MLP.
    #[serde(default)]
    pub dropout: f64,
    /// The probability with which an image skips the branches of the last block in training; it grows linearly from 0 at the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drop_path: f64,
    /// Recompute the activations of each block in the backward pass instead of keeping them: the same results with less memory, for the time of
    /// another forward pass.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recompute: bool,
    /// The initial value of the head's bias: a number or "-ln C"; by default −10 with BCE (so that every likelihood starts near 0), 0 with CE, and
    /// −ln C in fine-tuning (with a section `[init]`).
    pub head_bias: Option<HeadBias>,
}

/// The initial value of the head's bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeadBias {
    /// −ln C: with BCE, a likelihood of about 1/C for each class.
    PerClass,
    /// This number.
    Value(f64),
}

impl HeadBias {
    const PER_CLASS: &str = "-ln C";

    /// Its number, given the number of classes.
    pub fn value(self, classes: usize) -> f64 {
        match self {
            HeadBias::PerClass => -(classes as f64).ln(),
            HeadBias::Value(value) => value,
        }
    }
}

impl Serialize for HeadBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            HeadBias::PerClass => serializer.serialize_str(HeadBias::PER_CLASS),
            HeadBias::Value(value) => serializer.serialize_f64(*value),
        }
    }
}

impl JsonSchema for HeadBias {
    fn schema_name() -> Cow<'static, str> {
        "HeadBias".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        number_or_schema(HeadBias::PER_CLASS)
    }
}

impl<'de> Deserialize<'de> for HeadBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HeadBias, D::Error> {
        let number = number_or(HeadBias::PER_CLASS, deserializer)?;
        Ok(number.map_or(HeadBias::PerClass, HeadBias::Value))
    }
}

/// The keys of `kind = "resnet"`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetConfig {
    /// The kind of block.
    pub block: BlockKind,
    /// The number of blocks of each stage; every stage after the first halves the resolution and doubles the width.
    pub blocks: Vec<usize>,
    /// The number of channels of the first stage.
    pub width: usize,
    /// The layers before the first stage.
    #[serde(default)]
    pub stem: Stem,
    /// The initial value of the head's bias: a number, by default 0, or "uniform" for U(±1/√features), as in the paper's code.
    #[serde(default, skip_serializing_if = "ResnetHeadBias::is_default")]
    pub head_bias: ResnetHeadBias,
    /// The probability with which an image skips the branch of the last block in training; it grows linearly from 0 at the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drop_path: f64,
}

/// A key that is left out, so that configs and checkpoints are those of the program before it had the key.
fn is_zero(probability: &f64) -> bool {
    *probability == 0.0
}

/// The initial value of a ResNet's head bias: a number, or `None` for a uniform draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResnetHeadBias(pub Option<f64>);

impl ResnetHeadBias {
    const UNIFORM: &str = "uniform";

    fn is_default(&self) -> bool {
        *self == ResnetHeadBias::default()
    }
}

impl Default for ResnetHeadBias {
    fn default() -> Self {
        ResnetHeadBias(Some(0.0))
    }
}

impl Serialize for ResnetHeadBias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str(ResnetHeadBias::UNIFORM),
            Some(value) => serializer.serialize_f64(value),
        }
    }
}

impl JsonSchema for ResnetHeadBias {
    fn schema_name() -> Cow<'static, str> {
        "ResnetHeadBias".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        number_or_schema(ResnetHeadBias::UNIFORM)
    }
}

impl<'de> Deserialize<'de> for ResnetHeadBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ResnetHeadBias, D::Error> {
        number_or(ResnetHeadBias::UNIFORM, deserializer).map(ResnetHeadBias)
    }
}

/// The kinds of models.
pub(super) const KINDS: [&str; 3] = ["mlp", "vit", "resnet"];

impl ModelConfig {
    pub(super) fn keys(kind: &str) -> Option<Vec<&'static str>> {
        match kind {
            "mlp" => Some(fields::<MlpConfig>().to_vec()),
            "vit" => Some(fields::<VitConfig>().to_vec()),
            "resnet" => Some(fields::<ResnetConfig>().to_vec()),
            _ => None,
        }
    }

    pub(super) fn read(mut table: Table) -> Result<ModelConfig, Problem> {
        let kind = take_choice("model", "kind", &mut table, &KINDS)?;
        Ok(match kind.as_str() {
            "mlp" => ModelConfig::Mlp(section("model", table)?),
            "vit" => ModelConfig::Vit(section("model", table)?),
            _ => ModelConfig::Resnet(section("model", table)?),
        })
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        match self {
            ModelConfig::Mlp(mlp) => check_sizes("model.widths", &mlp.widths, LARGEST),
            ModelConfig::Vit(vit) => vit.check(),
            ModelConfig::Resnet(resnet) => resnet.check(),
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

    /// Writes out every default that depends on other keys.
    pub(super) fn resolve(&mut self, loss: LossKind, classes: usize, fine_tuned: bool) {
        if let ModelConfig::Vit(vit) = self {
            vit.mlp_width = Some(vit.mlp_width());
            vit.head_bias = Some(HeadBias::Value(vit.head_bias(loss, fine_tuned).value(classes)));
        }
    }
}

impl VitConfig {
    /// The width of the MLP's hidden layer: the one given, or 4 × width.
    pub fn mlp_width(&self) -> usize {
        self.mlp_width.unwrap_or(4 * self.width)
    }

    /// The initial value of the head's bias: the one given, or the default for the loss and for fine-tuning.
    pub fn head_bias(&self, loss: LossKind, fine_tuned: bool) -> HeadBias {
        self.head_bias.unwrap_or(match loss {
            _ if fine_tuned => HeadBias::PerClass,
            LossKind::Bce => HeadBias::Value(-10.0),
            LossKind::Ce => HeadBias::Value(0.0),
        })
    }

    fn check(&self) -> Result<(), Problem> {
        let mlp_width = self.mlp_width.unwrap_or(1);
        let all = [("patch", self.patch), ("width", self.width), ("heads", self.heads), ("mlp_width", mlp_width)];
        for (key, size) in all {
            check_size(&format!("model.{key}"), size, LARGEST)?;
        }
        check_size("model.depth", self.depth, DEEPEST)?;
        if !self.width.is_multiple_of(self.heads) {
            let reason = format!("the number of heads must divide model.width = {}", self.width);
            return Err(Problem::value("model.heads", self.heads, reason));
        }
        require((0.0..1.0).contains(&self.dropout), "model.dropout", self.dropout, "must be at least 0 and below 1")?;
        check_drop_path(self.drop_path, self.depth)?;
        let bias = self.head_bias.map_or(0.0, |bias| bias.value(1));
        require((bias as f32).is_finite(), "model.head_bias", bias, "must be a finite number, in single precision too")
    }
}

impl ResnetConfig {
    /// The number of pixels of an image in the last stage.
    pub(super) fn last_pixels(&self, images: ImageShape) -> usize {
        let stem = if self.stem == Stem::Large { 2 } else { 0 };
        let halvings = stem + self.blocks.len() - 1;
        // Padded convolutions with stride 2 round up.
        let side = |n: usize| (0..halvings).fold(n, |n, _| n.div_ceil(2));
        side(images.height) * side(images.width)
    }

    fn check(&self) -> Result<(), Problem> {
        require(!self.blocks.is_empty(), "model.blocks", "[]", "needs at least one stage")?;
        check_sizes("model.blocks", &self.blocks, DEEPEST)?;
        check_size("model.width", self.width, LARGEST)?;
        check_drop_path(self.drop_path, self.blocks.iter().sum())?;
        let bias = self.head_bias.0.unwrap_or(0.0);
        require(
            (bias as f32).is_finite(),
            "model.head_bias",
            bias,
            "must be a finite number, in single precision too",
        )?;
        let most = LARGEST.ilog2() as usize;
        let widest = self.blocks.len() <= most && self.width << (self.blocks.len() - 1) <= LARGEST;
        let reason = format!("with {} stages the last is wider than {LARGEST}", self.blocks.len());
        require(widest, "model.width", self.width, &reason)
    }
}

/// The largest width or patch that is accepted. The size of the whole model is checked when it is built.
const LARGEST: usize = 1 << 20;
/// The largest number of layers that is accepted.
const DEEPEST: usize = 1000;

fn check_drop_path(rate: f64, blocks: usize) -> Result<(), Problem> {
    let key = "model.drop_path";
    require((0.0..1.0).contains(&rate), key, rate, "must be at least 0 and below 1")?;
    let reason = "has no effect in a model with one block: it grows from 0 at the first block to this at the last";
    require(rate == 0.0 || blocks > 1, key, rate, reason)
}

fn check_size(key: &str, size: usize, most: usize) -> Result<(), Problem> {
    require((1..=most).contains(&size), key, size, &format!("must be between 1 and {most}"))
}

fn check_sizes(key: &str, list: &[usize], most: usize) -> Result<(), Problem> {
    require(
        list.len() <= DEEPEST,
        key,
        format!("{} entries", list.len()),
        &format!("has more than {DEEPEST} entries"),
    )?;
    let fit = list.iter().all(|size| (1..=most).contains(size));
    require(fit, key, format!("{list:?}"), &format!("every entry must be between 1 and {most}"))
}
