//! Residual networks (specification, section 6.2): bottleneck blocks for ImageNet, basic blocks and a small stem for small images.

use super::{Model, blueprint};
use crate::build::Blueprint;
use crate::layers::{BatchNorm2d, Conv2d, DropPath, Layer, Linear};
use crate::{Builder, Forward, Init};
use lethe_autograd::Var;
use lethe_tensor::PoolOptions;

/// The form of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum BlockKind {
    /// Two 3 × 3 convolutions.
    Basic,
    /// 1 × 1, 3 × 3 (with the stride), 1 × 1 with four times the channels.
    Bottleneck,
}

impl BlockKind {
    fn expansion(self) -> usize {
        match self {
            BlockKind::Basic => 1,
            BlockKind::Bottleneck => 4,
        }
    }
}

/// The first layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Stem {
    /// 3 × 3 with stride 1, for small images.
    #[default]
    Small,
    /// 7 × 7 with stride 2, then max pooling 3 × 3 with stride 2.
    Large,
}

/// The sizes of a residual network.
///
/// # Examples
/// ```
/// use lethe_nn::Model;
/// use lethe_nn::models::{ResNet, ResNetConfig};
/// let config = ResNetConfig { blocks: vec![1, 1, 1], ..ResNetConfig::cifar18(10) };
/// let net = ResNet::new(&config);
/// let layout = net.blueprint().layout();
/// let head = layout.get(layout.find("fc.weight").unwrap());
/// assert_eq!(head.shape, [10, 256]); // 64 channels, doubled twice
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Channels of an image.
    pub channels: usize,
    /// The form of the blocks.
    pub block: BlockKind,
    /// Blocks in each stage; from the second stage on, the first block halves the image.
    pub blocks: Vec<usize>,
    /// Channels of the first stage, doubled at each following one.
    pub width: usize,
    /// The first layers.
    pub stem: Stem,
    /// Classes.
    pub classes: usize,
    /// Where the head's bias starts; `None` for U(±1/√features), as its weights do.
    pub head_bias: Option<f64>,
    /// The probability with which a sample skips the branch of the last block (stochastic depth); it grows linearly from 0 at the first block.
    pub drop_path: f64,
}

impl ResNetConfig {
    /// ResNet-50 (`blocks` 3, 4, 6, 3) and its deeper kin, for 224 × 224 RGB images.
    pub fn bottleneck(blocks: [usize; 4], classes: usize) -> ResNetConfig {
        let blocks = blocks.to_vec();
        ResNetConfig {
            channels: 3,
            block: BlockKind::Bottleneck,
            blocks,
            width: 64,
            stem: Stem::Large,
            classes,
            head_bias: Some(0.0),
            drop_path: 0.0,
        }
    }

    /// ResNet-18 for 32 × 32 RGB images.
    pub fn cifar18(classes: usize) -> ResNetConfig {
        let blocks = vec![2, 2, 2, 2];
        ResNetConfig {
            channels: 3,
            block: BlockKind::Basic,
            blocks,
            width: 64,
            stem: Stem::Small,
            classes,
            head_bias: Some(0.0),
            drop_path: 0.0,
        }
    }
}

/// A convolution and its normalisation.
struct ConvNorm(Conv2d, BatchNorm2d);

impl ConvNorm {
    #[track_caller]
    fn new(
        b: &mut Builder,
        names: [&str; 2],
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        gamma: f64,
    ) -> ConvNorm {
        ConvNorm(
            b.within(names[0], |b| Conv2d::kaiming(b, channels, kernel, stride, kernel / 2)),
            b.within(names[1], |b| BatchNorm2d::scaled(b, channels[1], gamma)),
        )
    }

    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        self.1.forward(f, &self.0.forward(f, x))
    }
}

/// `relu(branch(x) + shortcut(x))`, of some samples without the branch in training with stochastic depth; the last normalisation of the branch
/// starts at 0.
struct Block {
    branch: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
    skip: DropPath,
}

impl Block {
    #[track_caller]
    fn new(b: &mut Builder, kind: BlockKind, [c_in, width]: [usize; 2], stride: usize, drop_path: f64) -> Block {
        let c_out = width * kind.expansion();
        let names = [["conv1", "bn1"], ["conv2", "bn2"], ["conv3", "bn3"]];
        let branch = match kind {
            BlockKind::Basic => vec![
                ConvNorm::new(b, names[0], [c_in, width], 3, stride, 1.0),
                ConvNorm::new(b, names[1], [width, c_out], 3, 1, 0.0),
            ],
            BlockKind::Bottleneck => vec![
                ConvNorm::new(b, names[0], [c_in, width], 1, 1, 1.0),
                ConvNorm::new(b, names[1], [width, width], 3, stride, 1.0),
                ConvNorm::new(b, names[2], [width, c_out], 1, 1, 0.0),
            ],
        };
        let shortcut = (stride != 1 || c_in != c_out)
            .then(|| b.within("downsample", |b| ConvNorm::new(b, ["0", "1"], [c_in, c_out], 1, stride, 1.0)));
        Block { branch, shortcut, skip: DropPath::new(b, drop_path) }
    }

    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let mut h = x.clone();
        for (i, layer) in self.branch.iter().enumerate() {
            h = if i == 0 { layer.forward(f, &h) } else { layer.forward(f, &h.relu()) };
        }
        let shortcut = self.shortcut.as_ref().map_or(x.clone(), |s| s.forward(f, x));
        (&self.skip.forward(f, &h) + &shortcut).relu()
    }
}

/// Stem, stages, global average pooling, linear head.
///
/// # Examples
/// ```
/// use lethe_nn::models::{ResNet, ResNetConfig};
/// use lethe_nn::{Model, predict};
/// use lethe_tensor::{Device, Tensor};
/// let model = ResNet::new(&ResNetConfig { blocks: vec![1, 1], width: 4, ..ResNetConfig::cifar18(10) });
/// let (theta, state) = model.init(&Device::cpu(), 0);
/// let logits = |side| {
///     let images = Tensor::randn(&Device::cpu(), &[2, 3, side, side], 0);
///     predict(&theta, &state, &images, &|f, x| model.forward(f, x))
/// };
/// assert_eq!(logits(8).shape(), [2, 10]);
/// assert_eq!(logits(12).shape(), [2, 10]); // images of any size: the head sees the mean over all places
/// ```
pub struct ResNet {
    blueprint: Blueprint,
    stem: ConvNorm,
    pool: bool,
    blocks: Vec<Block>,
    fc: Linear,
}

impl ResNet {
    /// Kaiming-normal convolutions; the head's weights U(±1/√features).
    ///
    /// # Panics
    /// If there is no stage, or the probability of stochastic depth is not in [0, 1).
    #[track_caller]
    pub fn new(config: &ResNetConfig) -> ResNet {
        assert!(!config.blocks.is_empty(), "ResNet: at least one stage is needed; `blocks` is empty");
        let mut b = Builder::new();
        let (kernel, stride) = if config.stem == Stem::Large { (7, 2) } else { (3, 1) };
        let stem = ConvNorm::new(&mut b, ["conv1", "bn1"], [config.channels, config.width], kernel, stride, 1.0);
        let mut c_in = config.width;
        let (mut blocks, all) = (vec![], config.blocks.iter().sum());
        for (stage, &count) in config.blocks.iter().enumerate() {
            let width = config.width << stage;
            for i in 0..count {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let name = format!("layer{}.{i}", stage + 1);
                let rate = DropPath::rate(config.drop_path, blocks.len(), all);
                blocks.push(b.within(&name, |b| Block::new(b, config.block, [c_in, width], stride, rate)));
                c_in = width * config.block.expansion();
            }
        }
        let weight = Init::Uniform { bound: 1.0 / (c_in as f64).sqrt() };
        let bias = config.head_bias.map_or(weight, Init::Constant);
        let fc = b.within("fc", |b| Linear::with(b, c_in, config.classes, weight, Some(bias)));
        ResNet { blueprint: b.finish(), stem, pool: config.stem == Stem::Large, blocks, fc }
    }
}

impl Model for ResNet {
    blueprint!();

    fn head(&self) -> String {
        "fc".into()
    }

    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let mut h = self.stem.forward(f, x).relu();
        if self.pool {
            h = h.max_pool2d(&PoolOptions::new(3, 2, 1));
        }
        for block in &self.blocks {
            h = block.forward(f, &h);
        }
        self.fc.forward(f, &h.mean_axes(&[2, 3], false))
    }
}
