//! `[analysis]`: what is measured during training besides the test accuracy, namely what a perturbation makes the network forget.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};
use crate::classes::counts;

/// The section `[analysis]`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnalysisConfig {
    /// Collect the outputs of unperturbed and perturbed networks every `every` epochs; 0 for never.
    pub every: usize,
    /// The protocols by which perturbed outputs are collected.
    pub protocol: Protocols,
    /// R: the number of perturbed networks of protocol p1.
    pub draws: usize,
    /// The images whose outputs are collected.
    pub split: Split,
}

impl Default for AnalysisConfig {
    fn default() -> Self {
        AnalysisConfig { every: 0, protocol: Protocols::P1, draws: 8, split: Split::Test }
    }
}

/// The protocols of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocols {
    /// [`Protocol::P1`].
    #[default]
    P1,
    /// [`Protocol::P2`].
    P2,
    /// Both, one after the other.
    Both,
}

impl Protocols {
    /// The protocols, each with the suffix of its records' names.
    pub fn each(self) -> &'static [(Protocol, &'static str)] {
        match self {
            Protocols::P1 => &[(Protocol::P1, "")],
            Protocols::P2 => &[(Protocol::P2, "")],
            Protocols::Both => &[(Protocol::P1, ""), (Protocol::P2, "-p2")],
        }
    }
}

/// A protocol by which perturbed outputs are collected; slices have perturb.m images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Each of `draws` slices of the training set perturbs the network once, and each perturbed network is evaluated on all images.
    P1,
    /// The evaluated images are cut into slices; each slice perturbs the network with its own labels, and that network is evaluated on this slice
    /// only.
    P2,
}

/// The images whose outputs are collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The test set.
    #[default]
    Test,
    /// Every tenth training image; these are then not trained on.
    HeldOut,
}

/// One of this number of training images is held out.
const HELD_OUT: usize = 10;

impl Split {
    /// The indices of the training images that are trained on, and of those that are held out.
    pub fn indices(self, images: usize) -> (Vec<usize>, Vec<usize>) {
        (0..images).partition(|i| self == Split::Test || i % HELD_OUT != HELD_OUT - 1)
    }
}

impl AnalysisConfig {
    /// Whether outputs are collected after `epoch` (counted from 0).
    pub fn is_due(&self, epoch: usize) -> bool {
        self.every > 0 && (epoch + 1).is_multiple_of(self.every)
    }

    pub(super) fn check(&self, perturbed: bool) -> Result<(), Problem> {
        require(self.draws > 0, "analysis.draws", 0, "must be at least 1")?;
        let comparable = perturbed || self.every == 0;
        let reason = "needs a perturbation to compare with: set perturb.kind, or set this to 0";
        require(comparable, "analysis.every", self.every, reason)
    }

    /// Checks that enough training images are left, and returns their number.
    pub(super) fn trained(&self, images: usize) -> Result<usize, Problem> {
        let (trained, held_out) = self.split.indices(images);
        let fit = self.split == Split::Test || !held_out.is_empty();
        let reason = format!("holds out one of {HELD_OUT} training images, but there are only {images}");
        require(fit, "analysis.split", "\"held-out\"", &reason)?;
        Ok(trained.len())
    }

    /// The numbers of images of each class that are trained on, given the classes of all training images; none of none.
    pub(super) fn counts(&self, labels: &[u32], classes: usize) -> Vec<usize> {
        let trained = self.split.indices(labels.len()).0;
        if labels.is_empty() { Vec::new() } else { counts(trained.into_iter().map(|i| labels[i]), classes) }
    }
}
