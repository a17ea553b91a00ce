//! Complete training steps: forward pass, mean cross-entropy, backward pass, AdamW, reading the loss.

use super::work::{Step, Work};
use lethe_autograd::{ParamLayout, Tags, Var};
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::models::{
    BlockKind, HeadNorm, MlpClassifier, MlpConfig, Pooling, ResNet, ResNetConfig, Stem, Vit, VitConfig,
};
use lethe_nn::{Forward, Model, Theta, layers::Activation};
use lethe_optim::{AdamW, Batch, Descent, Extragradient, Optimizer, Perturbation, UpdateRule};
use lethe_tensor::random::{Draw, Philox};
use lethe_tensor::{DType, Device, DeviceError, Tensor};
use std::sync::Arc;

const LR: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 0.01;
const RHO: f64 = 0.05;
const SEED: u64 = 0;
/// Cross-entropy, without a perturbation.
const PLAIN: (Likelihood, Perturbation) = (Likelihood::Softmax, Perturbation::None);

/// Floating-point operations of a step relative to the forward pass: the backward pass costs twice as much.
const PASSES: f64 = 3.0;

/// The perturbation of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrainedStep {
    None,
    Sam,
    Obf,
}

/// Training steps of a model on a fixed batch of random images and labels.
fn training(
    device: &Device,
    model: impl Model + 'static,
    images: &[usize],
    classes: usize,
    (likelihood, perturbation): (Likelihood, Perturbation),
    forward_flops: f64,
) -> Work {
    let mut labels = Philox::new(Draw::new(SEED, [1, 0, 0]));
    let labels: Vec<u32> = (0..images[0]).map(|_| labels.below(classes as u32)).collect();
    let batch = Batch {
        inputs: Tensor::normal(device, DType::F32, images, Draw::new(SEED, [0; 3])).force().clone(),
        targets: Tensor::from_slice(device, &labels, &[images[0]]),
    };
    let loss = TaskLoss { likelihood, smoothing: 0.0 };
    let step = Extragradient::sam(perturbation, loss);
    let (mut theta, mut state) = model.init(device, SEED);
    let mut adamw = Descent::new(AdamW::default(), &theta, WEIGHT_DECAY);
    let device = device.clone();
    let call = move || {
        let forward = |f: &Forward<'_>, x: &Var| model.forward(f, x);
        let (out, norm) = device.scope(|| {
            let out = step.gradient(&theta, &state, &batch, RHO, adamw.steps(), &forward);
            let norm = adamw.step(&mut theta, &out.update, LR);
            (out, norm)
        });
        state = out.state;
        out.loss.item::<f32>()?;
        Ok(vec![out.loss, out.perturbed_loss, norm])
    };
    let gradients = if perturbation == Perturbation::None { 1.0 } else { 2.0 };
    Work::arithmetic(gradients * PASSES * forward_flops, call)
}

/// A step of a rule over ten million parameters, of which all but 64 decay.
pub fn optimizer<R: UpdateRule<V>, const V: usize>(device: &Device, rule: R) -> Result<Work, DeviceError> {
    let mut layout = ParamLayout::new();
    layout.add("weight", &[10_000, 1000], Tags { decayed: true, ..Tags::default() });
    layout.add("bias", &[64], Tags { decayed: false, ..Tags::default() });
    let layout = Arc::new(layout);
    let drawn = |stream| {
        let draw = Draw::new(SEED, [stream, 0, 0]);
        Tensor::normal(device, DType::F32, &[layout.len()], draw).force().clone()
    };
    let (mut theta, gradient) = (Theta::new(drawn(2), &layout), drawn(3));
    let mut descent = Descent::new(rule, &theta, WEIGHT_DECAY);
    // The gradient is read for its norm, and once more; θ and the vectors beside it are read and written.
    let bytes = (4 * layout.len() * (2 + 2 * V)) as f64;
    let device = device.clone();
    Ok(Work::memory(bytes, move || Ok(vec![device.scope(|| descent.step(&mut theta, &gradient, LR))])))
}

pub fn mlp(device: &Device) -> Result<Work, DeviceError> {
    const BATCH: usize = 128;
    let config = MlpConfig { inputs: 784, hidden: vec![512, 512], classes: 10, activation: Activation::Relu };
    let weights = 784 * 512 + 512 * 512 + 512 * 10;
    let flops = 2.0 * (BATCH * weights) as f64;
    Ok(training(device, MlpClassifier::new(&config), &[BATCH, 784], 10, PLAIN, flops))
}

pub fn vit_small(device: &Device, ascent: TrainedStep) -> Result<Work, DeviceError> {
    let config = VitConfig {
        channels: 1,
        image: [28, 28],
        patch: 4,
        width: 64,
        depth: 4,
        heads: 4,
        mlp: 128,
        classes: 10,
        ..baseline()
    };
    let perturbation = match ascent {
        TrainedStep::None => Perturbation::None,
        TrainedStep::Sam => Perturbation::Steepest,
        TrainedStep::Obf => Perturbation::obf(1.0 / config.classes as f64, 1.0, Likelihood::Softmax),
    };
    Ok(vit(device, config, 128, (Likelihood::Softmax, perturbation)))
}

pub fn vit_s32(device: &Device) -> Result<Work, DeviceError> {
    Ok(vit(device, baseline(), 16, PLAIN))
}

/// ViT-S/32 with a class token and a final norm before pooling.
fn baseline() -> VitConfig {
    VitConfig { pooling: Pooling::ClassToken, head_norm: HeadNorm::BeforePooling, ..VitConfig::small(32, 1000) }
}

fn vit(device: &Device, config: VitConfig, batch: usize, method: (Likelihood, Perturbation)) -> Work {
    let flops = vit_flops(&config, batch);
    let images = [batch, config.channels, config.image[0], config.image[1]];
    let classes = config.classes;
    training(device, Vit::new(config), &images, classes, method, flops)
}

/// The paper's ViT-S/32 on a batch of one slice, with OBF. Its initial loss is known, since a head of zeros with a bias of −10 gives every image
/// the same logits.
pub fn vit_s32_whole(device: &Device) -> Result<Work, DeviceError> {
    Ok(vit_s32_of_the_paper(device, VitConfig::small(32, 1000)))
}

/// The same step with blocks that are computed again in the backward pass: less memory, the same numbers.
pub fn vit_s32_recompute(device: &Device) -> Result<Work, DeviceError> {
    Ok(vit_s32_of_the_paper(device, VitConfig { recompute_blocks: true, ..VitConfig::small(32, 1000) }))
}

fn vit_s32_of_the_paper(device: &Device, config: VitConfig) -> Work {
    let method = (Likelihood::Sigmoid, Perturbation::obf(1.0 / config.classes as f64, 1.0, Likelihood::Sigmoid));
    Work { step: Some(Step { loss: Some(10.045399) }), ..vit(device, config, 64, method) }
}

/// Floating-point operations of the matrix products of a forward pass: patches, projections, attention, MLPs, head.
fn vit_flops(c: &VitConfig, batch: usize) -> f64 {
    let patches = (c.image[0] / c.patch) * (c.image[1] / c.patch);
    let tokens = patches + usize::from(c.pooling == Pooling::ClassToken);
    let embedding = patches * c.channels * c.patch * c.patch * c.width;
    let projections = tokens * (4 * c.width * c.width + 2 * c.width * c.mlp);
    let attention = 2 * tokens * tokens * c.width;
    2.0 * (batch * (embedding + c.depth * (projections + attention) + c.width * c.classes)) as f64
}

pub fn resnet18(device: &Device) -> Result<Work, DeviceError> {
    const BATCH: usize = 32;
    let config = ResNetConfig::cifar18(10);
    let flops = resnet_flops(&config, BATCH, 32);
    Ok(training(device, ResNet::new(&config), &[BATCH, 3, 32, 32], 10, PLAIN, flops))
}

/// The paper's ResNet-50 on a batch of one slice, with OBF. Its initial loss depends on the images, since the head is random.
pub fn resnet50_whole(device: &Device) -> Result<Work, DeviceError> {
    const BATCH: usize = 8;
    let config = ResNetConfig::bottleneck([3, 4, 6, 3], 1000);
    let flops = resnet_flops(&config, BATCH, 224);
    let method = (Likelihood::Softmax, Perturbation::obf(1.0 / config.classes as f64, 1.0, Likelihood::Softmax));
    let work = training(device, ResNet::new(&config), &[BATCH, 3, 224, 224], config.classes, method, flops);
    Ok(Work { step: Some(Step { loss: None }), ..work })
}

/// Floating-point operations of a forward pass on square images: convolutions and the head.
fn resnet_flops(c: &ResNetConfig, batch: usize, side: usize) -> f64 {
    let (kernel, mut side, pooled) = if c.stem == Stem::Large { (7, side / 2, side / 4) } else { (3, side, side) };
    let mut products = kernel * kernel * side * side * c.channels * c.width;
    side = pooled;
    let mut channels = c.width;
    for (stage, &blocks) in c.blocks.iter().enumerate() {
        let width = c.width << stage;
        for block in 0..blocks {
            let before = side;
            if stage > 0 && block == 0 {
                side /= 2;
            }
            let (inner, out) = match c.block {
                BlockKind::Basic => (9 * side * side * width * (channels + width), width),
                BlockKind::Bottleneck => {
                    let narrow = before * before * channels * width;
                    (narrow + side * side * (9 * width * width + 4 * width * width), 4 * width)
                }
            };
            let shortcut = if before != side || channels != out { side * side * channels * out } else { 0 };
            products += inner + shortcut;
            channels = out;
        }
    }
    2.0 * (batch * (products + channels * c.classes)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_the_published_ones() {
        // Multiply-adds of one image: ResNet-18 at 32×32, ViT-S/32 at 224×224.
        let giga = |flops: f64| flops / 2e9;
        assert!((giga(resnet_flops(&ResNetConfig::cifar18(10), 1, 32)) - 0.5558).abs() < 0.001);
        assert!((giga(vit_flops(&baseline(), 1)) - 1.12).abs() < 0.05);
        for (patch, published) in [(32, 1.1), (16, 4.6)] {
            let found = giga(vit_flops(&VitConfig::small(patch, 1000), 1));
            assert!((found - published).abs() < 0.05, "{found}");
        }
        // ResNet-50 and ResNet-101 at 224×224: specification, section 6.3.
        for (blocks, published) in [([3, 4, 6, 3], 4.1), ([3, 4, 23, 3], 7.8)] {
            let found = giga(resnet_flops(&ResNetConfig::bottleneck(blocks, 1000), 1, 224));
            assert!((found - published).abs() < 0.05, "{found}");
        }
    }
}
