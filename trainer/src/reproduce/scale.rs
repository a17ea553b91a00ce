//! The configs of the paper's rows at each scale: its own sizes, or small models on small images that a laptop trains in minutes.
//!
//! A reduced run keeps the row's method — family, perturbation, ξ, λ, γ, the schedule of ρ — and its optimiser and loss. The model, the data,
//! the number of epochs, the batch size and the radius are its own: a radius does not transfer to another number of parameters.

use super::sizes::{DIGITS, FASHION, Model, Radii, Sizes};
use crate::paper::{Architecture, Direction, Draft, Family, Method, Row, Task};
use std::fmt::{self, Display};

/// The scale of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// 400 of the 8×8 digits; minutes per seed.
    Digits,
    /// Fashion-MNIST; hours per seed.
    Fashion,
    /// The paper's own models and data.
    Paper,
}

impl Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::experiment::word(self))
    }
}

impl Scale {
    fn sizes(self) -> Option<&'static Sizes> {
        match self {
            Scale::Digits => Some(&DIGITS),
            Scale::Fashion => Some(&FASHION),
            Scale::Paper => None,
        }
    }

    /// The models of tables at this scale: at reduced scales one ViT for the ViTs and one ResNet for the ResNets.
    pub fn architectures(self) -> &'static [Architecture] {
        use Architecture::{Resnet50, Resnet101, VitS16, VitS32};
        match self {
            Scale::Paper => &[VitS32, VitS16, Resnet50, Resnet101],
            _ => &[VitS32, Resnet50],
        }
    }

    /// The name of a model in tables at this scale.
    pub fn model_name(self, architecture: Architecture) -> String {
        match self {
            Scale::Paper => architecture.to_string(),
            _ if architecture.is_vit() => "vit".into(),
            _ => "resnet".into(),
        }
    }

    /// The name of a row's run, which is the same for rows with the same config: with OBF it includes λ and γ as numbers.
    pub fn run_name(self, row: &Row) -> String {
        let name = format!("{}-{}", self.model_name(row.architecture), row.method);
        let Method::Perturbed { direction: Direction::Obf { lambda, gamma }, .. } = row.method else { return name };
        let classes = if self == Scale::Paper { row.task.classes() } else { 10 };
        let lambda = lambda.unwrap_or(1.0 / classes as f64);
        format!("{name}-lambda-{lambda}-gamma-{gamma}")
    }

    /// The radii that are tried for a row, in ascending order; none at the paper's scale.
    pub fn radii_tried(self, row: &Row) -> &'static [f64] {
        let Method::Perturbed { family, .. } = row.method else { return &[] };
        self.sizes().map_or(&[], |sizes| sizes.model(row.architecture).radii(family).tried)
    }

    /// The config of a row of ImageNet as pre-training for table 2. At reduced scales, pre-training and fine-tuning have five classes each.
    pub fn pretraining(self, row: &Row) -> Draft {
        let mut draft = self.draft(row);
        let own = self.sizes().map_or(&[][..], |sizes| sizes.halves[0]);
        own.iter().for_each(|(key, value)| draft.set("data", key, value));
        draft
    }

    /// The tasks of fine-tuning in table 2; at reduced scales one stands for both.
    pub fn tunings(self) -> &'static [Task] {
        if self == Scale::Paper { &[Task::Cifar10, Task::Cifar100] } else { &[Task::Cifar10] }
    }

    /// A row's config at this scale.
    pub fn draft(self, row: &Row) -> Draft {
        let Some(sizes) = self.sizes() else { return row.draft() };
        let model = sizes.model(row.architecture);
        let mut draft = sizes.draft(row, model.method(row.method));
        let halves = if row.task.is_fine_tuning() { sizes.halves[1] } else { &[] };
        model.reported.iter().chain(halves).for_each(|(key, value)| draft.set("data", key, value));
        draft
    }

    /// A row's config with another radius, evaluated on images that no table uses.
    pub fn tuning(self, row: &Row, rho: f64) -> Draft {
        let Some(sizes) = self.sizes() else { return row.draft() };
        let mut draft = sizes.draft(row, at_radius(row.method, rho));
        sizes.model(row.architecture).tuning.iter().for_each(|(key, value)| draft.set("data", key, value));
        draft
    }
}

impl Sizes {
    /// The reduced model that stands for a model of the paper.
    fn model(&self, architecture: Architecture) -> &Model {
        &self.models[usize::from(!architecture.is_vit())]
    }

    /// The config of a row with this method, without the keys of its data.
    fn draft(&self, row: &Row, method: Method) -> Draft {
        let mut draft = Draft::default();
        let Model { model, lr, epochs, .. } = self.model(row.architecture);
        self.data.iter().for_each(|(key, value)| draft.set("data", key, value));
        model.iter().for_each(|(key, value)| draft.set("model", key, value));
        draft.set("loss", "kind", if row.architecture.is_vit() { "\"bce\"" } else { "\"ce\"" });
        optimizer(row, *lr, &mut draft);
        let [epochs, warmup] = if row.task.is_fine_tuning() { self.tuning_epochs } else { *epochs };
        draft.set("optim", "warmup_epochs", warmup);
        method.write(&mut draft, self.m);
        draft.section(
            "train",
            &[("epochs", &epochs), ("batch", &self.batch), ("eval_every", &0), ("checkpoint_every", &10)],
        );
        draft
    }
}

impl Model {
    fn radii(&self, family: Family) -> &Radii {
        if matches!(family, Family::Asam { .. }) { &self.asam } else { &self.sam }
    }

    /// A method of the paper with its best radius at this scale.
    fn method(&self, method: Method) -> Method {
        let Method::Perturbed { family, direction, .. } = method else { return method };
        let [steepest, obf] = self.radii(family).best;
        let rho = match direction {
            Direction::Steepest => steepest,
            Direction::Obf { .. } => obf,
            Direction::Random => self.random,
        };
        at_radius(method, rho)
    }
}

/// The method with another radius.
fn at_radius(method: Method, rho: f64) -> Method {
    let Method::Perturbed { family, direction, reach } = method else { return method };
    Method::Perturbed { family, direction, reach: reach.rescaled(rho) }
}

/// The base optimiser of reduced runs.
fn optimizer(row: &Row, [largest, smallest]: [&'static str; 2], draft: &mut Draft) {
    let vit = row.architecture.is_vit();
    let keys: &[(&str, &dyn Display)] = match row.task {
        Task::Cifar10 | Task::Cifar100 => {
            &[("kind", &"\"sgd\""), ("lr", &"0.03"), ("momentum", &"0.9"), ("clip", &"1.0")]
        }
        _ if vit => &[("kind", &"\"adamw\""), ("lr", &largest), ("weight_decay", &"0.3"), ("clip", &"1.0")],
        _ => &[("kind", &"\"sgd\""), ("lr", &largest), ("momentum", &"0.9"), ("weight_decay", &"1e-3")],
    };
    draft.section("optim", keys);
    match row.task {
        Task::Pool => draft.set("optim", "schedule", "\"constant\""),
        Task::ImageNet => draft.set("optim", "min_lr", smallest),
        _ => {}
    }
}

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
                for draft in [scale.draft(&row), scale.pretraining(&row), scale.tuning(&row, 0.05)] {
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
