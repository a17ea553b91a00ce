//! `[data.augment]`: random augmentation of the training images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, require};

/// The section `[data.augment]`. Numbers are 0, and choices off, unless they are set.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Pad every side with `crop_padding` black pixels, then crop to the image's size at a random position.
    pub crop_padding: usize,
    /// Flip images horizontally with probability 1/2.
    pub flip: bool,
    /// Crop a region of random area and aspect ratio, and resize it to the image's size.
    pub inception_crop: bool,
    /// The smallest area of such a crop, as a fraction of the image's area; by default 0.05.
    pub min_area: Option<f64>,
    /// Multiply the brightness by a factor from U(max(0, 1 − x), 1 + x).
    pub brightness: f64,
    /// The same for the contrast.
    pub contrast: f64,
    /// The same for the saturation of colours.
    pub saturation: f64,
    /// Turn the hue of colours by U(−x, x) of the circle.
    pub hue: f64,
    /// Apply this number of RandAugment's operations to every image.
    pub rand_augment: usize,
    /// Their magnitude; by default 9.
    pub rand_magnitude: Option<usize>,
    /// Erase a random rectangle of an image with this probability.
    pub erase: f64,
    /// Mix every image with another one in shares from Beta(α, α) (mixup).
    pub mixup: f64,
    /// Replace a rectangle of every image by that of another one, of an area from Beta(α, α) (CutMix).
    pub cutmix: f64,
}

const MIN_AREA: f64 = 0.05;
/// RandAugment's magnitude by default, and the largest one.
const MAGNITUDE: usize = 9;
const MAX_MAGNITUDE: usize = 30;
/// The largest number of operations in a row.
const MAX_OPERATIONS: usize = 14;
/// The largest parameter of the distribution of shares.
const MAX_ALPHA: f64 = 1000.0;

impl AugmentConfig {
    /// The smallest area of a crop, as a fraction of the image's.
    pub fn min_area(&self) -> f64 {
        self.min_area.unwrap_or(MIN_AREA)
    }

    /// The magnitude of RandAugment's operations.
    pub fn rand_magnitude(&self) -> usize {
        self.rand_magnitude.unwrap_or(MAGNITUDE)
    }

    /// Whether values change before they are normalised, apart from where they are.
    pub fn changes_bytes(&self) -> bool {
        self.rand_augment > 0 || self.jitters()
    }

    /// Whether colours or brightness change at random.
    pub fn jitters(&self) -> bool {
        [self.brightness, self.contrast, self.saturation, self.hue].iter().any(|x| *x > 0.0)
    }

    /// Whether images are mixed with others of their batch.
    pub fn mixes(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0
    }

    /// Writes out every default that depends on other keys.
    pub(super) fn resolve(&mut self) {
        if self.inception_crop {
            self.min_area = Some(self.min_area());
        }
        if self.rand_augment > 0 {
            self.rand_magnitude = Some(self.rand_magnitude());
        }
    }

    /// The checks of the section for images of this number of channels.
    pub(super) fn check(&self, channels: usize) -> Result<(), Problem> {
        self.check_crops()?;
        self.check_jitter(channels)?;
        self.check_rand_augment()?;
        let fits = (0.0..=1.0).contains(&self.erase);
        require(fits, "data.augment.erase", self.erase, "is a probability: it must be from 0 to 1")?;
        for (key, alpha) in [("data.augment.mixup", self.mixup), ("data.augment.cutmix", self.cutmix)] {
            let reason = format!("is the parameter α of a Beta distribution: it must be from 0 (off) to {MAX_ALPHA}");
            require((0.0..=MAX_ALPHA).contains(&alpha), key, alpha, &reason)?;
        }
        Ok(())
    }

    fn check_crops(&self) -> Result<(), Problem> {
        let both = self.inception_crop && self.crop_padding > 0;
        let reason = "cannot be combined with augment.inception_crop, which crops already";
        require(!both, "data.augment.crop_padding", self.crop_padding, reason)?;
        let Some(area) = self.min_area else { return Ok(()) };
        require(self.inception_crop, "data.augment.min_area", area, "needs data.augment.inception_crop = true")?;
        require(area > 0.0 && area <= 1.0, "data.augment.min_area", area, "must be above 0 and at most 1")
    }

    fn check_jitter(&self, channels: usize) -> Result<(), Problem> {
        for (key, x) in [
            ("data.augment.brightness", self.brightness),
            ("data.augment.contrast", self.contrast),
            ("data.augment.saturation", self.saturation),
        ] {
            let reason = "is how far a factor may be from 1: it must be from 0 to 10";
            require((0.0..=10.0).contains(&x), key, x, reason)?;
        }
        let reason = "is a part of the colour circle in both directions: it must be from 0 to 0.5";
        require((0.0..=0.5).contains(&self.hue), "data.augment.hue", self.hue, reason)?;
        for (key, x) in [("data.augment.saturation", self.saturation), ("data.augment.hue", self.hue)] {
            require(x == 0.0 || channels == 3, key, x, "has no effect on grey images; leave it out")?;
        }
        Ok(())
    }

    fn check_rand_augment(&self) -> Result<(), Problem> {
        let (key, reason) = ("data.augment.rand_augment", format!("must be from 0 to {MAX_OPERATIONS} operations"));
        require(self.rand_augment <= MAX_OPERATIONS, key, self.rand_augment, &reason)?;
        let Some(magnitude) = self.rand_magnitude else { return Ok(()) };
        let key = "data.augment.rand_magnitude";
        require(self.rand_augment > 0, key, magnitude, "needs data.augment.rand_augment above 0")?;
        require(magnitude <= MAX_MAGNITUDE, key, magnitude, &format!("must be from 0 to {MAX_MAGNITUDE}"))
    }
}
