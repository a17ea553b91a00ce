//! A set of labelled images in memory.

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

    /// Whether an image has no values at all.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Labelled images of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name, for messages.
    pub name: String,
    /// The pixels in the order NCHW: image after image, each channel after channel, row by row.
    pub images: Vec<u8>,
    /// The size of every image.
    pub shape: ImageShape,
    /// The pixel value that means full brightness: 255, or 16 for the digits.
    pub max_value: u8,
    /// The class of each image, below `classes`.
    pub labels: Vec<u32>,
    /// The number of classes, C in the paper.
    pub classes: usize,
}

/// A data set as it is used: one part to train on, another to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSplit {
    /// The images to train on.
    pub train: Dataset,
    /// The images to test on.
    pub test: Dataset,
}

impl Dataset {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of image `index`, in the order CHW.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.len();
        &self.images[index * size..][..size]
    }

    /// The first `count` images only; all, if there are no more.
    pub fn truncate(&mut self, count: usize) {
        self.labels.truncate(count);
        self.images.truncate(count * self.shape.len());
    }

    /// The images with these indices, in this order.
    ///
    /// # Panics
    /// If there is no image of some index.
    pub fn select(&self, name: &str, indices: &[usize]) -> Dataset {
        Dataset {
            name: name.to_owned(),
            images: indices.iter().flat_map(|&i| self.image(i).iter().copied()).collect(),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            ..*self
        }
    }
}
