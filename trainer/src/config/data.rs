//! `[data]`: which images, and how they are prepared.

use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The data set.
    pub dataset: DatasetKind,
    /// The number of classes, for `idx` only; by default one more than the largest label of the training set.
    pub classes: Option<usize>,
    /// Train on the first so many training images only.
    pub train_limit: Option<usize>,
    /// Subtracted from every pixel after it is scaled to 0..1.
    #[serde(default = "half")]
    pub mean: f64,
    /// Divides every pixel after that.
    #[serde(default = "half")]
    pub std: f64,
    /// Random changes of the training images.
    #[serde(default)]
    pub augment: AugmentConfig,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// The UCI optical digits, embedded in the program.
    Digits,
    /// Fashion-MNIST, as IDX files.
    FashionMnist,
    /// MNIST, as IDX files.
    Mnist,
    /// Any other four IDX files with MNIST's names.
    Idx,
}

/// `[data.augment]`: random changes of the training images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Pad every side with so many black pixels, then cut the image's size out at a random place.
    pub crop_padding: usize,
    /// Mirror every second image, left to right.
    pub flip: bool,
}

fn half() -> f64 {
    0.5
}

impl DataConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        require(self.mean.is_finite(), "data.mean", self.mean, "must be a finite number")?;
        require(self.std.is_finite() && self.std > 0.0, "data.std", self.std, "must be finite and positive")?;
        if let Some(classes) = self.classes {
            let idx = self.dataset == DatasetKind::Idx;
            require(idx, "data.classes", classes, "only dataset = \"idx\" takes a number of classes")?;
            require(classes >= 2, "data.classes", classes, "must be at least 2")?;
        }
        require(self.train_limit != Some(0), "data.train_limit", 0, "must be at least 1")
    }
}
