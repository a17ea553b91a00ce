//! The rows of the hyper-parameter table (table C.1 of the paper, reconstructed; specification, section 9).

use super::Draft;
use super::method::Reach::{Constant, FollowsLr};
use super::method::{Direction, Family, Method, Reach};
use super::settings::{Architecture, Task, write};
use Architecture::{Resnet50, Resnet101, VitS16, VitS32};

/// A row: a model trained for a task by a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The model.
    pub architecture: Architecture,
    /// The task.
    pub task: Task,
    /// The method.
    pub method: Method,
    /// What the sources disagree on; empty if nothing.
    pub remark: &'static str,
}

/// OBF's "1/C, 1".
const OBF: Direction = Direction::Obf { lambda: None, gamma: 1.0 };
/// OBF's "1/C, 1e-12": the same as γ = 0 in single precision, for which λ has no effect.
const OBF_FLAT: Direction = Direction::Obf { lambda: None, gamma: 1e-12 };
const STEEPEST: Direction = Direction::Steepest;

const fn gsam(xi: f64, normalised: bool) -> Family {
    Family::Gsam { xi, normalised }
}

const fn asam(fixed_norm: bool) -> Family {
    Family::Asam { fixed_norm }
}

const fn falls(max: f64, min: f64) -> Reach {
    FollowsLr { max, min }
}

/// The slice size, in all rows but those of the pool.
const M: usize = 64;

impl Row {
    const fn perturbed(a: Architecture, task: Task, family: Family, direction: Direction, reach: Reach) -> Row {
        Row { architecture: a, task, method: Method::Perturbed { family, direction, reach }, remark: "" }
    }

    const fn remarked(self, remark: &'static str) -> Row {
        Row { remark, ..self }
    }

    /// The config.
    pub fn draft(&self) -> Draft {
        let mut draft = Draft::default();
        write(self.architecture, self.task, matches!(self.method, Method::Perturbed { .. }), &mut draft);
        self.method.write(&mut draft, M);
        if self.task.is_fine_tuning() {
            draft.set("init", "from", format!("\"runs/{}-imagenet-base\"", self.architecture));
        }
        draft
    }

    /// The name of its file, which is unique.
    pub fn name(&self) -> String {
        let flat = match self.method {
            Method::Perturbed { direction: Direction::Obf { gamma, .. }, .. } if self.is_told_by_gamma() => {
                if gamma < 0.5 { "-gamma-0" } else { "-gamma-1" }
            }
            _ => "",
        };
        format!("{}-{}-{}{flat}", self.architecture, self.task, self.method)
    }

    /// The name and text of its config file, with a comment about its origin.
    pub fn file(&self) -> (String, String) {
        let mut head = format!(
            "# {} on {}: {}. A row of the paper's table C.1.\n\
             # Written by `lethe paper-configs`: change the table in trainer/src/paper, not this file.\n",
            self.architecture, self.task, self.method
        );
        if !self.remark.is_empty() {
            head += &format!("# The sources differ: {}.\n", self.remark);
        }
        (format!("{}.toml", self.name()), format!("{head}\n{}", self.draft()))
    }

    /// Whether the table has another row that differs only in γ.
    fn is_told_by_gamma(&self) -> bool {
        self.task == Task::Pool || (self.task.is_fine_tuning() && self.architecture == VitS32)
    }
}

/// All rows: first the pool, then ImageNet, then fine-tuning; for each model, the rows without a perturbation come last.
#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    use Task::{Cifar10, Cifar100, ImageNet, Pool};
    let row = Row::perturbed;
    let mut all = vec![
        row(VitS32, Pool, Family::Sam, STEEPEST, Constant(0.2)),
        row(VitS32, Pool, Family::Sam, Direction::Obf { lambda: Some(1.0 / 3.0), gamma: 1.0 }, Constant(0.2))
            .remarked("gamma is inferred; lr, weight decay and epochs are read from a garbled table: a point to start from"),
        row(VitS32, Pool, Family::Sam, Direction::Obf { lambda: Some(1.0 / 3.0), gamma: 0.0 }, Constant(0.2))
            .remarked("with gamma = 0 lambda has no effect"),
        row(VitS32, ImageNet, Family::Sam, STEEPEST, falls(0.6, 0.0)),
        row(VitS32, ImageNet, Family::Sam, OBF, Constant(0.6)),
        row(VitS32, ImageNet, Family::Sam, Direction::Random, Constant(0.6)),
        row(VitS32, ImageNet, gsam(0.4, false), STEEPEST, falls(0.6, 0.0)),
        row(VitS32, ImageNet, gsam(0.4, true), OBF, Constant(0.6)),
        row(VitS32, ImageNet, asam(false), STEEPEST, Constant(6.0)),
        row(VitS32, ImageNet, asam(false), OBF_FLAT, Constant(6.0)),
        row(VitS16, ImageNet, Family::Sam, STEEPEST, Constant(0.6))
            .remarked("the text says that rho follows the learning rate down to 0, as in ViT-S/32; the launch script leaves it constant"),
        row(VitS16, ImageNet, Family::Sam, OBF, Constant(0.6)),
        row(VitS16, ImageNet, gsam(1.0, false), STEEPEST, falls(0.6, 0.0)),
        row(VitS16, ImageNet, gsam(0.4, true), OBF, Constant(0.6)),
    ];
    for model in [Resnet50, Resnet101] {
        all.extend([
            row(model, ImageNet, Family::Sam, STEEPEST, falls(0.04, 0.02)),
            row(model, ImageNet, Family::Sam, OBF_FLAT, Constant(0.04)),
            row(model, ImageNet, gsam(0.01, true), STEEPEST, falls(0.04, 0.02)),
            row(model, ImageNet, gsam(0.01, false), OBF_FLAT, Constant(0.04)),
        ]);
    }
    all.extend([
        row(Resnet50, ImageNet, Family::Sam, Direction::Random, Constant(0.04)),
        row(Resnet50, ImageNet, asam(true), STEEPEST, falls(0.8, 0.4)),
        row(Resnet50, ImageNet, asam(true), OBF_FLAT, Constant(0.8)),
    ]);
    for task in [Cifar10, Cifar100] {
        all.extend([
            row(VitS32, task, Family::Sam, STEEPEST, Constant(0.05)),
            row(VitS32, task, Family::Sam, OBF, Constant(0.05)).remarked("gamma: the table has 1, the launch script 1e-12"),
            row(VitS32, task, Family::Sam, OBF_FLAT, Constant(0.05)).remarked("gamma: the launch script has 1e-12, the table 1"),
            row(Resnet50, task, Family::Sam, STEEPEST, Constant(0.1)).remarked("loss: the table has ce, the launch scripts of the runs with SAM bce"),
            row(Resnet50, task, Family::Sam, OBF_FLAT, Constant(0.1)).remarked("loss: the table has ce, the launch scripts of the runs with SAM bce"),
        ]);
    }
    let plain = |architecture, task, method| Row { architecture, task, method, remark: "" };
    for model in [VitS32, VitS16, Resnet50, Resnet101] {
        all.push(plain(model, ImageNet, Method::Plain));
    }
    for model in [VitS32, Resnet50] {
        all.extend([plain(model, ImageNet, Method::ShrinkPerturb), plain(model, ImageNet, Method::LabelSmoothing)]);
        all.extend([plain(model, Cifar10, Method::Plain), plain(model, Cifar100, Method::Plain)]);
    }
    all
}
