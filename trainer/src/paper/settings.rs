//! What the rows of the hyper-parameter table have in common: the model, the data, the optimiser and the epochs of each task.

use super::Draft;
use std::fmt::{self, Display};

/// The models of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// ViT-S with patches of 32 pixels.
    VitS32,
    /// ViT-S with patches of 16 pixels.
    VitS16,
    /// ResNet-50.
    Resnet50,
    /// ResNet-101.
    Resnet101,
}

impl Architecture {
    /// Whether it is a transformer.
    pub fn is_vit(self) -> bool {
        matches!(self, Architecture::VitS32 | Architecture::VitS16)
    }

    fn write(self, draft: &mut Draft) {
        let (patch, blocks) = match self {
            Architecture::VitS32 => (32, ""),
            Architecture::VitS16 => (16, ""),
            Architecture::Resnet50 => (0, "[3, 4, 6, 3]"),
            Architecture::Resnet101 => (0, "[3, 4, 23, 3]"),
        };
        if self.is_vit() {
            let size: [(&str, &dyn Display); 4] = [("patch", &patch), ("width", &384), ("depth", &12), ("heads", &6)];
            draft.set("model", "kind", "\"vit\"");
            draft.section("model", &size);
        } else {
            draft.set("model", "kind", "\"resnet\"");
            draft.set("model", "block", "\"bottleneck\"");
            draft.section("model", &[("blocks", &blocks), ("width", &64), ("stem", &"\"large\"")]);
        }
    }
}

impl Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::VitS32 => "vit-s32",
            Architecture::VitS16 => "vit-s16",
            Architecture::Resnet50 => "resnet-50",
            Architecture::Resnet101 => "resnet-101",
        })
    }
}

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// ImageNet-1K from scratch.
    ImageNet,
    /// The pool of CIFAR-10 models of figure 2, from scratch.
    Pool,
    /// Fine-tuning on CIFAR-10 from a model of ImageNet.
    Cifar10,
    /// Fine-tuning on CIFAR-100 from a model of ImageNet.
    Cifar100,
}

impl Task {
    /// The number of classes.
    pub fn classes(self) -> usize {
        match self {
            Task::ImageNet => 1000,
            Task::Pool | Task::Cifar10 => 10,
            Task::Cifar100 => 100,
        }
    }

    /// Whether it starts from a model trained on ImageNet.
    pub fn is_fine_tuning(self) -> bool {
        matches!(self, Task::Cifar10 | Task::Cifar100)
    }
}

impl Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Task::ImageNet => "imagenet",
            Task::Pool => "cifar-pool",
            Task::Cifar10 => "cifar-10",
            Task::Cifar100 => "cifar-100",
        })
    }
}

/// The common blocks of the table.
struct Common {
    batch: usize,
    epochs: [usize; 2],
    optimizer: &'static str,
    loss: &'static str,
    weight_decay: f64,
    lr: f64,
    min_lr: Option<f64>,
    clip: Option<f64>,
    head_bias: Option<f64>,
}

/// Batch size, epochs and warm-up epochs, optimiser, loss, weight decay, learning rates (constant without a smallest one), clipping, initial value of
/// the head's bias.
fn common(architecture: Architecture, task: Task) -> Common {
    let vit = architecture.is_vit();
    let loss = if vit { "bce" } else { "ce" };
    match task {
        Task::ImageNet if vit => Common {
            batch: 4096,
            epochs: [300, 32],
            optimizer: "adamw",
            loss,
            weight_decay: 0.3,
            lr: 3e-3,
            min_lr: Some(3e-5),
            clip: Some(1.0),
            head_bias: Some(-10.0),
        },
        Task::ImageNet => Common {
            batch: 4096,
            epochs: [90, 16],
            optimizer: "sgd",
            loss,
            weight_decay: 1e-3,
            lr: 1.6,
            min_lr: Some(0.016),
            clip: None,
            head_bias: None,
        },
        Task::Pool => Common {
            batch: 512,
            epochs: [300, 32],
            optimizer: "adamw",
            loss,
            weight_decay: 1.2,
            lr: 3e-4,
            min_lr: None,
            clip: Some(1.0),
            head_bias: Some(-10.0),
        },
        Task::Cifar10 | Task::Cifar100 => Common {
            batch: 512,
            epochs: [100, 5],
            optimizer: "sgd",
            loss,
            weight_decay: 0.0,
            lr: if vit { 3e-3 } else { 0.01 },
            min_lr: Some(0.0),
            clip: Some(1.0),
            // The default of a fine-tuned ViT, −ln C, is the reference code's; the table prints 0.
            head_bias: None,
        },
    }
}

/// The number of images of a part of an accumulated batch without slices: that of one device in the reference.
const MICRO_BATCH: usize = 256;

/// The config of a model and a task without the method; `sliced`: the method computes the batch in slices.
pub(super) fn write(architecture: Architecture, task: Task, sliced: bool, draft: &mut Draft) {
    let c = common(architecture, task);
    let dataset = match task {
        Task::ImageNet => "\"imagenet\"",
        Task::Pool | Task::Cifar10 => "\"cifar-10\"",
        Task::Cifar100 => "\"cifar-100\"",
    };
    let (mean, std) =
        if architecture.is_vit() { ("0.5", "0.5") } else { ("[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]") };
    draft.section("data", &[("dataset", &dataset), ("size", &224), ("mean", &mean), ("std", &std)]);
    draft.set("data", "augment", "{ inception_crop = true, flip = true }");
    architecture.write(draft);
    if let Some(bias) = c.head_bias {
        draft.set("model", "head_bias", format!("{bias:?}"));
    }
    draft.set("loss", "kind", format!("{:?}", c.loss));
    draft.set("optim", "kind", format!("{:?}", c.optimizer));
    draft.set("optim", "lr", format!("{:?}", c.lr));
    match c.min_lr {
        Some(min) => draft.set("optim", "min_lr", format!("{min:?}")),
        None => draft.set("optim", "schedule", "\"constant\""),
    }
    if c.optimizer == "sgd" {
        draft.set("optim", "momentum", "0.9");
    }
    draft.set("optim", "warmup_epochs", c.epochs[1]);
    draft.set("optim", "weight_decay", format!("{:?}", c.weight_decay));
    if let Some(clip) = c.clip {
        draft.set("optim", "clip", format!("{clip:?}"));
    }
    draft.section("train", &[("epochs", &c.epochs[0]), ("batch", &c.batch)]);
    if !sliced && c.batch > MICRO_BATCH {
        draft.set("train", "accumulate", c.batch / MICRO_BATCH);
    }
}
