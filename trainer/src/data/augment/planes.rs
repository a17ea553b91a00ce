//! An image of bytes that is changed in place.

use crate::shape::ImageShape;

/// The values of an image in the order CHW, full brightness being 255.
pub struct Planes<'a> {
    /// The values.
    pub values: &'a mut Vec<u8>,
    /// The size.
    pub shape: ImageShape,
}

impl Planes<'_> {
    /// The number of pixels.
    pub fn pixels(&self) -> usize {
        self.shape.height * self.shape.width
    }

    /// Whether it has red, green and blue.
    pub fn is_coloured(&self) -> bool {
        self.shape.channels == 3
    }

    /// Replaces every value.
    pub fn map(&mut self, change: impl Fn(u8) -> u8) {
        self.values.iter_mut().for_each(|value| *value = change(*value));
    }

    /// The luminance of each pixel by ITU-R 601-2, in 16-bit fixed point as Pillow has it; of a grey image its own values.
    pub fn luminance(&self) -> Vec<u8> {
        if !self.is_coloured() {
            return self.values[..self.pixels()].to_vec();
        }
        let n = self.pixels();
        let at = |c: usize, i: usize| u32::from(self.values[c * n + i]);
        let of = |i: usize| (19595 * at(0, i) + 38470 * at(1, i) + 7471 * at(2, i) + 0x8000) >> 16;
        (0..n).map(|i| of(i) as u8).collect()
    }
}
