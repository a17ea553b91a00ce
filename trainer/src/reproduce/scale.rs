//! What the paper's rows become at each scale: its own sizes, or reduced models of small images that a laptop trains in minutes.
//!
//! A reduced run keeps the row's method whole — family, perturbation, ξ, λ, γ, the schedule of ρ — and its optimiser and loss. Model, data, length,
//! batch and the radius are its own: a radius does not carry over to another number of parameters.

use crate::paper::{Architecture, Direction, Draft, Family, Method, Row, Task};
use std::fmt::{self, Display};

/// How large an experiment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// 400 of the 8×8 digits, minutes a seed.
    Digits,
    /// Fashion-MNIST, hours a seed.
    Fashion,
    /// The paper's own.
    Paper,
}

impl Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::word(self))
    }
}

/// The sizes of a reduced scale.
struct Sizes {
    data: &'static [(&'static str, &'static str)],
    vit: &'static [(&'static str, &'static str)],
    resnet: &'static [(&'static str, &'static str)],
    batch: usize,
    m: usize,
    epochs: [usize; 2],
    /// What the data of pre-training and of fine-tuning have of their own: five classes each.
    halves: [&'static [(&'static str, &'static str)]; 2],
    /// The epochs of fine-tuning, with those of warm-up.
    tuning_epochs: [usize; 2],
}

/// 400 images to train on and 1,037 to test on, so that methods have room to differ and a difference can be seen.
const DIGITS: Sizes = Sizes {
    data: &[("dataset", "\"digits\""), ("hold_out", "1037")],
    vit: &[("kind", "\"vit\""), ("patch", "2"), ("width", "64"), ("depth", "4"), ("heads", "4")],
    resnet: &[("kind", "\"resnet\""), ("block", "\"basic\""), ("blocks", "[1, 1, 1]"), ("width", "16")],
    batch: 64,
    m: 16,
    epochs: [120, 12],
    halves: [
        &[("only_classes", "[0, 1, 2, 3, 4]"), ("hold_out", "400")],
        &[("only_classes", "[5, 6, 7, 8, 9]"), ("hold_out", "500"), ("train_limit", "128")],
    ],
    tuning_epochs: [60, 3],
};

/// 6,000 images to train on, and the test set.
const FASHION: Sizes = Sizes {
    data: &[("dataset", "\"fashion-mnist\""), ("train_limit", "6000")],
    vit: &[("kind", "\"vit\""), ("patch", "4"), ("width", "64"), ("depth", "4"), ("heads", "4"), ("mlp_width", "128")],
    resnet: &[("kind", "\"resnet\""), ("block", "\"basic\""), ("blocks", "[1, 1, 1]"), ("width", "16")],
    batch: 128,
    m: 32,
    epochs: [40, 4],
    halves: [&[("only_classes", "[0, 1, 2, 3, 4]")], &[("only_classes", "[5, 6, 7, 8, 9]"), ("train_limit", "512")]],
    tuning_epochs: [60, 3],
};

impl Scale {
    fn sizes(self) -> Option<&'static Sizes> {
        match self {
            Scale::Digits => Some(&DIGITS),
            Scale::Fashion => Some(&FASHION),
            Scale::Paper => None,
        }
    }

    /// The models of tables at this scale: at reduced ones a ViT for the ViTs and a ResNet for the ResNets.
    pub fn architectures(self) -> &'static [Architecture] {
        use Architecture::{Resnet50, Resnet101, VitS16, VitS32};
        match self {
            Scale::Paper => &[VitS32, VitS16, Resnet50, Resnet101],
            _ => &[VitS32, Resnet50],
        }
    }

    /// How tables call a model at this scale.
    pub fn model_name(self, architecture: Architecture) -> String {
        match self {
            Scale::Paper => architecture.to_string(),
            _ if architecture.is_vit() => "vit".into(),
            _ => "resnet".into(),
        }
    }

    /// The name of a row's run, the same for rows of the same config: of OBF with its λ and γ as numbers.
    pub fn run_name(self, row: &Row) -> String {
        let name = format!("{}-{}", self.model_name(row.architecture), row.method);
        let Method::Perturbed { direction: Direction::Obf { lambda, gamma }, .. } = row.method else { return name };
        let classes = if self == Scale::Paper { row.task.classes() } else { 10 };
        let lambda = lambda.unwrap_or(1.0 / classes as f64);
        format!("{name}-lambda-{lambda}-gamma-{gamma}")
    }

    /// The radius of a row at this scale.
    fn radius(self, architecture: Architecture, family: Family, direction: Direction) -> f64 {
        let table = if self == Scale::Digits { &DIGITS_RADII } else { &FASHION_RADII };
        let [sam, asam] = if architecture.is_vit() { table.vit } else { table.resnet };
        let radii = if matches!(family, Family::Asam { .. }) { asam } else { sam };
        match direction {
            Direction::Steepest => radii[0],
            Direction::Obf { .. } => radii[1],
            Direction::Random => radii[2],
        }
    }

    /// The config of a row of ImageNet as pre-training for table 2. Reduced, that and the fine-tuning have five classes each.
    pub fn pretraining(self, row: &Row) -> Draft {
        let mut draft = self.draft(row);
        let own = self.sizes().map_or(&[][..], |sizes| sizes.halves[0]);
        own.iter().for_each(|(key, value)| draft.set("data", key, value));
        draft
    }

    /// The tasks that table 2 fine-tunes for, at reduced scales one for both.
    pub fn tunings(self) -> &'static [Task] {
        if self == Scale::Paper { &[Task::Cifar10, Task::Cifar100] } else { &[Task::Cifar10] }
    }

    /// A row's config at this scale.
    pub fn draft(self, row: &Row) -> Draft {
        let Some(sizes) = self.sizes() else { return row.draft() };
        let mut draft = Draft::default();
        sizes.data.iter().for_each(|(key, value)| draft.set("data", key, value));
        let vit = row.architecture.is_vit();
        let model = if vit { sizes.vit } else { sizes.resnet };
        model.iter().for_each(|(key, value)| draft.set("model", key, value));
        draft.set("loss", "kind", if vit { "\"bce\"" } else { "\"ce\"" });
        optimizer(row, &mut draft);
        let [epochs, warmup] = if row.task.is_fine_tuning() { sizes.tuning_epochs } else { sizes.epochs };
        draft.set("optim", "warmup_epochs", warmup);
        if row.task.is_fine_tuning() {
            sizes.halves[1].iter().for_each(|(key, value)| draft.set("data", key, value));
        }
        let method = match row.method {
            Method::Perturbed { family, direction, reach } => {
                let rho = self.radius(row.architecture, family, direction);
                Method::Perturbed { family, direction, reach: reach.rescaled(rho) }
            }
            plain => plain,
        };
        method.write(&mut draft, sizes.m);
        draft.section(
            "train",
            &[("epochs", &epochs), ("batch", &sizes.batch), ("eval_every", &0), ("checkpoint_every", &10)],
        );
        draft
    }
}

/// The base optimiser of reduced runs.
fn optimizer(row: &Row, draft: &mut Draft) {
    let vit = row.architecture.is_vit();
    let keys: &[(&str, &dyn Display)] = match row.task {
        Task::Cifar10 | Task::Cifar100 => {
            &[("kind", &"\"sgd\""), ("lr", &"0.03"), ("momentum", &"0.9"), ("clip", &"1.0")]
        }
        _ if vit => &[("kind", &"\"adamw\""), ("lr", &"1e-3"), ("weight_decay", &"0.3"), ("clip", &"1.0")],
        _ => &[("kind", &"\"sgd\""), ("lr", &"0.1"), ("momentum", &"0.9"), ("weight_decay", &"1e-3")],
    };
    draft.section("optim", keys);
    match row.task {
        Task::Pool => draft.set("optim", "schedule", "\"constant\""),
        Task::ImageNet => draft.set("optim", "min_lr", if vit { "1e-5" } else { "1e-3" }),
        _ => {}
    }
}

/// Radii by what is ascended (steepest, OBF, random) of SAM and GSAM, and of ASAM.
struct Radii {
    vit: [[f64; 3]; 2],
    resnet: [[f64; 3]; 2],
}

/// Guesses from the quick start's model; no sweep has been made.
const DIGITS_RADII: Radii =
    Radii { vit: [[0.02, 0.02, 0.02], [0.2, 0.2, 0.2]], resnet: [[0.05, 0.05, 0.05], [0.5, 0.5, 0.5]] };
/// The same.
const FASHION_RADII: Radii =
    Radii { vit: [[0.02, 0.02, 0.02], [0.2, 0.2, 0.2]], resnet: [[0.04, 0.04, 0.04], [0.4, 0.4, 0.4]] };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::paper::rows;
    use std::path::Path;

    #[test]
    fn every_row_has_a_config_at_every_scale_that_keeps_its_method() {
        for scale in [Scale::Digits, Scale::Fashion, Scale::Paper] {
            for row in rows() {
                for draft in [scale.draft(&row), scale.pretraining(&row)] {
                    let text = draft.to_string();
                    let config = Config::parse(&text, Path::new("x.toml"), &[]);
                    let config = config.unwrap_or_else(|e| panic!("{scale}, {}: {e}\n{text}", row.name()));
                    let direction = row.method.words()[1];
                    assert!(text.contains(&format!("kind = \"{direction}\"")) || direction == "none", "{text}");
                    assert_eq!(config.perturb.ascent().is_some(), direction != "none", "{text}");
                }
            }
        }
    }
}
