//! Random erasing (Zhong et al., 2020): torchvision's `RandomErasing` with its default ranges, after the normalisation and with the value 0.

use crate::shape::ImageShape;
use lethe_tensor::random::Philox;

/// The share of the area that is erased, and its aspect ratio, height by width.
const AREA: [f64; 2] = [0.02, 0.33];
const RATIO: [f64; 2] = [0.3, 3.3];
/// The number of rectangles that are tried before the image stays whole.
const TRIES: usize = 10;

/// With this probability sets a random rectangle of the image (CHW) to 0, the colour that the normalisation takes for the mean.
pub fn erase(image: &mut [f32], shape: ImageShape, probability: f64, mut random: Philox) {
    if random.uniform() >= probability {
        return;
    }
    let ImageShape { height, width, .. } = shape;
    for _ in 0..TRIES {
        let between = |[low, high]: [f64; 2], at: f64| low + (high - low) * at;
        let area = (height * width) as f64 * between(AREA, random.uniform());
        let ratio = between(RATIO.map(f64::ln), random.uniform()).exp();
        let [h, w] = [area * ratio, area / ratio].map(|side| side.sqrt().round() as usize);
        if h < height && w < width {
            let top = random.below((height - h + 1) as u32) as usize;
            let left = random.below((width - w + 1) as u32) as usize;
            for plane in image.chunks_exact_mut(height * width) {
                (top..top + h).for_each(|row| plane[row * width + left..][..w].fill(0.0));
            }
            return;
        }
    }
}
