//! `[analysis]`: what is measured during training beyond the test set, namely what a perturbation makes the network forget.

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[analysis]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnalysisConfig {
    /// Collect the outputs of unperturbed and perturbed networks after every so many epochs; 0 for never.
    pub every: usize,
    /// How perturbed outputs are collected: one way, or both.
    pub protocol: Protocols,
    /// R: the perturbed networks of protocol p1.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocols {
    /// [`Protocol::P1`].
    #[default]
    P1,
    /// [`Protocol::P2`].
    P2,
    /// One after the other.
    Both,
}

impl Protocols {
    /// Each of them, with what follows the names of its records.
    pub fn each(self) -> &'static [(Protocol, &'static str)] {
        match self {
            Protocols::P1 => &[(Protocol::P1, "")],
            Protocols::P2 => &[(Protocol::P2, "")],
            Protocols::Both => &[(Protocol::P1, ""), (Protocol::P2, "-p2")],
        }
    }
}

/// How perturbed outputs are collected; slices have perturb.m images each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `draws` slices of the training set each perturb the network once, and each perturbed network sees all images.
    P1,
    /// The images are cut into slices; each perturbs the network by its own labels, and is all that the perturbed network sees.
    P2,
}

/// The images whose outputs are collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The test set.
    #[default]
    Test,
    /// Every tenth training image, which is then not trained on.
    HeldOut,
}

/// Of so many training images one is held out.
const HELD_OUT: usize = 10;

impl Split {
    /// Which of so many training images are trained on, and which are held out.
    pub fn places(self, images: usize) -> (Vec<usize>, Vec<usize>) {
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
        let reason = "needs a perturbation to compare with: set perturb.kind, or 0";
        require(comparable, "analysis.every", self.every, reason)
    }

    /// That enough training images are left, and how many.
    pub(super) fn trained(&self, images: usize) -> Result<usize, Problem> {
        let (trained, held_out) = self.split.places(images);
        let fit = self.split == Split::Test || !held_out.is_empty();
        let reason = format!("holds out one of {HELD_OUT} training images, and there are {images} only");
        require(fit, "analysis.split", "\"held-out\"", &reason)?;
        Ok(trained.len())
    }
}
