//! Operations that replace every value by a function of it and of the image's histogram: as Pillow's `ImageOps`.

use super::planes::Planes;

/// Keeps the first `bits` bits of every value.
pub fn posterize(image: &mut Planes<'_>, bits: u32) {
    let mask = !(0xff_u32 >> bits) as u8;
    image.map(|value| value & mask);
}

/// Inverts the values from a threshold on.
pub fn solarize(image: &mut Planes<'_>, threshold: f64) {
    image.map(|value| if f64::from(value) < threshold { value } else { 255 - value });
}

/// Stretches the values of each channel to the whole range.
pub fn autocontrast(image: &mut Planes<'_>) {
    let n = image.pixels();
    for channel in image.values.chunks_exact_mut(n) {
        let (Some(low), Some(high)) = (channel.iter().min().copied(), channel.iter().max().copied()) else { continue };
        if high > low {
            let scale = 255.0 / f64::from(high - low);
            let offset = -f64::from(low) * scale;
            channel.iter_mut().for_each(|v| *v = (f64::from(*v) * scale + offset).clamp(0.0, 255.0) as u8);
        }
    }
}

/// Replaces the values of each channel so that its histogram becomes as even as it can.
pub fn equalize(image: &mut Planes<'_>) {
    let n = image.pixels();
    for channel in image.values.chunks_exact_mut(n) {
        let mut histogram = [0_usize; 256];
        channel.iter().for_each(|v| histogram[usize::from(*v)] += 1);
        // What the largest value has takes no part: it stays the largest.
        let last = histogram.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
        let step = (n - last) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let table = histogram.map(|count| {
            let value = (below / step).min(255) as u8;
            below += count;
            value
        });
        channel.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
    }
}
