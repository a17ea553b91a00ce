//! The size of an image.

/// The size of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// The number of channels, C.
    pub channels: usize,
    /// The number of rows, H.
    pub height: usize,
    /// The number of columns, W.
    pub width: usize,
}

impl ImageShape {
    /// The number of values of an image, C·H·W.
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether images have no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The same channels, with this height and width.
    pub fn square(self, side: usize) -> ImageShape {
        ImageShape { height: side, width: side, ..self }
    }
}
