//! Operations that blend an image with a plainer one, or turn its hue: as Pillow's `ImageEnhance` and torchvision's `adjust_hue`. A factor of 1 changes
//! nothing, 0 gives the plainer image, and above 1 the difference from it is exaggerated.

use super::colour_space::{hsv, rgb};
use super::planes::Planes;

/// `base + factor (value − base)`, truncated as Pillow does.
fn blend(base: u8, value: u8, factor: f64) -> u8 {
    // Pillow computes in single precision.
    let exact = f32::from(base) + factor as f32 * (f32::from(value) - f32::from(base));
    exact.clamp(0.0, 255.0) as u8
}

/// Blends with black.
pub fn brightness(image: &mut Planes<'_>, factor: f64) {
    image.map(|value| blend(0, value, factor));
}

/// Blends with the mean luminance.
pub fn contrast(image: &mut Planes<'_>, factor: f64) {
    let luminance = image.luminance();
    let sum: u64 = luminance.iter().map(|v| u64::from(*v)).sum();
    let mean = (sum as f64 / luminance.len().max(1) as f64 + 0.5) as u8;
    image.map(|value| blend(mean, value, factor));
}

/// Blends with the luminance of each pixel. A grey image stays as it is.
pub fn saturation(image: &mut Planes<'_>, factor: f64) {
    if image.is_coloured() {
        let luminance = image.luminance();
        for channel in image.values.chunks_exact_mut(luminance.len()) {
            channel.iter_mut().zip(&luminance).for_each(|(value, base)| *value = blend(*base, *value, factor));
        }
    }
}

/// Blends with the image smoothed over 3×3 pixels; those at the border stay as they are.
pub fn sharpness(image: &mut Planes<'_>, factor: f64) {
    let (width, n) = (image.shape.width, image.pixels());
    let mut smooth = Vec::with_capacity(n);
    for channel in image.values.chunks_exact_mut(n) {
        smooth.clear();
        smooth.extend((0..n).map(|i| smoothed(channel, width, i)));
        channel.iter_mut().zip(&smooth).for_each(|(value, base)| *value = blend(*base, *value, factor));
    }
}

/// A pixel with 5/13 of itself and 1/13 of each of its eight neighbours.
fn smoothed(channel: &[u8], width: usize, i: usize) -> u8 {
    let (row, column, rows) = (i / width, i % width, channel.len() / width);
    if row == 0 || column == 0 || row + 1 == rows || column + 1 == width {
        return channel[i];
    }
    let around = [row - 1, row, row + 1].into_iter().flat_map(|r| &channel[r * width + column - 1..][..3]);
    let sum: u32 = around.map(|v| u32::from(*v)).sum::<u32>() + 4 * u32::from(channel[i]);
    ((f64::from(sum) / 13.0) + 0.5) as u8
}

/// Turns the hue of every pixel by a part of the whole circle. A grey image stays as it is.
pub fn hue(image: &mut Planes<'_>, turn: f64) {
    if !image.is_coloured() {
        return;
    }
    let n = image.pixels();
    let shift = (turn * 255.0) as i32 as u8;
    for i in 0..n {
        let [h, s, v] = hsv([0, 1, 2].map(|c| image.values[c * n + i]));
        for (c, value) in rgb([h.wrapping_add(shift), s, v]).into_iter().enumerate() {
            image.values[c * n + i] = value;
        }
    }
}
