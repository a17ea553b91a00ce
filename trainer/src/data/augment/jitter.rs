//! Colour jitter: torchvision's `ColorJitter`.

use super::colour::{brightness, contrast, hue, saturation};
use super::planes::Planes;
use crate::config::AugmentConfig;
use lethe_tensor::random::Philox;

/// Changes brightness, contrast and saturation by factors from U(max(0, 1 − x), 1 + x) and turns the hue by U(−x, x) of the circle, each with its own
/// x, in a random order.
pub fn jitter(image: &mut Planes<'_>, config: &AugmentConfig, mut random: Philox) {
    let mut factor = |x: f64| {
        let least = (1.0 - x).max(0.0);
        least + (1.0 + x - least) * random.uniform()
    };
    let factors = [config.brightness, config.contrast, config.saturation].map(&mut factor);
    let turn = config.hue * (2.0 * random.uniform() - 1.0);
    let mut order = [0, 1, 2, 3];
    random.shuffle(&mut order);
    for which in order {
        match which {
            0 if config.brightness > 0.0 => brightness(image, factors[0]),
            1 if config.contrast > 0.0 => contrast(image, factors[1]),
            2 if config.saturation > 0.0 => saturation(image, factors[2]),
            3 if config.hue > 0.0 => hue(image, turn),
            _ => {}
        }
    }
}
