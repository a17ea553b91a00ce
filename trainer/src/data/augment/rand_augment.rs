//! RandAugment (Cubuk et al., 2020), with the operations and magnitudes of torchvision's `RandAugment` with 31 bins and black fill.

use super::colour::{brightness, contrast, saturation, sharpness};
use super::planes::Planes;
use super::tone::{autocontrast, equalize, posterize, solarize};
use super::warp::{rotate, shear_x, shear_y, translate, warp};
use lethe_tensor::random::Philox;

/// The largest magnitude.
const LARGEST: f64 = 30.0;

/// The operations, each as likely as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Saturation,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

pub(super) const ALL: [Operation; 14] = {
    use Operation::*;
    [
        Identity,
        ShearX,
        ShearY,
        TranslateX,
        TranslateY,
        Rotate,
        Brightness,
        Saturation,
        Contrast,
        Sharpness,
        Posterize,
        Solarize,
        AutoContrast,
        Equalize,
    ]
};

/// Applies this number of random operations of a magnitude in 0 ..= 30. Those that have a direction take either with probability 1/2.
pub fn rand_augment(image: &mut Planes<'_>, operations: usize, magnitude: usize, mut random: Philox) {
    for _ in 0..operations {
        let operation = ALL[random.below(ALL.len() as u32) as usize];
        let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
        operation.apply(image, magnitude as f64 / LARGEST, sign);
    }
}

impl Operation {
    /// Applies the operation with a strength in 0 ..= 1, in the direction of the sign if it has one.
    pub(super) fn apply(self, image: &mut Planes<'_>, strength: f64, sign: f64) {
        /// The largest shear, rotation in degrees, and change of a factor.
        const SHEAR: f64 = 0.3;
        const DEGREES: f64 = 30.0;
        const FACTOR: f64 = 0.9;
        /// The largest translation, as a share of the side.
        const SHARE: f64 = 150.0 / 331.0;
        let (width, height) = (image.shape.width, image.shape.height);
        let signed = |largest: f64| sign * largest * strength;
        match self {
            Operation::Identity => {}
            Operation::ShearX => warp(image, shear_x(signed(SHEAR))),
            Operation::ShearY => warp(image, shear_y(signed(SHEAR))),
            Operation::TranslateX => warp(image, translate(signed(SHARE * width as f64), 0.0)),
            Operation::TranslateY => warp(image, translate(0.0, signed(SHARE * height as f64))),
            Operation::Rotate => warp(image, rotate(signed(DEGREES), width, height)),
            Operation::Brightness => brightness(image, 1.0 + signed(FACTOR)),
            Operation::Saturation => saturation(image, 1.0 + signed(FACTOR)),
            Operation::Contrast => contrast(image, 1.0 + signed(FACTOR)),
            Operation::Sharpness => sharpness(image, 1.0 + signed(FACTOR)),
            Operation::Posterize => posterize(image, 8 - (4.0 * strength).round() as u32),
            Operation::Solarize => solarize(image, 255.0 * (1.0 - strength)),
            Operation::AutoContrast => autocontrast(image),
            Operation::Equalize => equalize(image),
        }
    }
}
