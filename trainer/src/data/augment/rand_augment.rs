//! RandAugment (Cubuk et al., 2020), with the operations and magnitudes of torchvision's `RandAugment` with 31 bins and black fill.

use super::colour::{brightness, contrast, saturation, sharpness};
use super::planes::Planes;
use super::tone::{autocontrast, equalize, posterize, solarize};
use super::warp::{rotate, shear_x, shear_y, translate, warp};
use lethe_tensor::random::Philox;

/// The largest magnitude.
const LARGEST: f64 = 30.0;

/// The largest shear, rotation in degrees, change of a factor, and translation as a share of the side.
const SHEAR: f64 = 0.3;
const DEGREES: f64 = 30.0;
const FACTOR: f64 = 0.9;
const SHARE: f64 = 150.0 / 331.0;

/// Changes an image with a strength in 0 ..= 1, times −1 in one of two directions. Operations without a direction use its absolute value.
type Operation = fn(&mut Planes<'_>, f64);

/// The operations, each as likely as any other.
pub(super) const OPERATIONS: [(&str, Operation); 14] = [
    ("identity", |_, _| {}),
    ("shear_x", |image, at| warp(image, shear_x(SHEAR * at))),
    ("shear_y", |image, at| warp(image, shear_y(SHEAR * at))),
    ("translate_x", |image, at| warp(image, translate(SHARE * image.shape.width as f64 * at, 0.0))),
    ("translate_y", |image, at| warp(image, translate(0.0, SHARE * image.shape.height as f64 * at))),
    ("rotate", |image, at| warp(image, rotate(DEGREES * at, image.shape.width, image.shape.height))),
    ("brightness", |image, at| brightness(image, 1.0 + FACTOR * at)),
    ("saturation", |image, at| saturation(image, 1.0 + FACTOR * at)),
    ("contrast", |image, at| contrast(image, 1.0 + FACTOR * at)),
    ("sharpness", |image, at| sharpness(image, 1.0 + FACTOR * at)),
    ("posterize", |image, at| posterize(image, 8 - (4.0 * at.abs()).round() as u32)),
    ("solarize", |image, at| solarize(image, 255.0 * (1.0 - at.abs()))),
    ("autocontrast", |image, _| autocontrast(image)),
    ("equalize", |image, _| equalize(image)),
];

/// Applies this number of random operations of a magnitude in 0 ..= 30, each in either direction with probability 1/2.
pub fn rand_augment(image: &mut Planes<'_>, operations: usize, magnitude: usize, mut random: Philox) {
    for _ in 0..operations {
        let (_, operation) = OPERATIONS[random.below(OPERATIONS.len() as u32) as usize];
        let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
        operation(image, sign * magnitude as f64 / LARGEST);
    }
}
