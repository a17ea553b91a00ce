//! The streams of random numbers of an image, one for each purpose, so that one kind of augmentation does not change what another draws.

use lethe_tensor::random::{Draw, Philox};

/// What numbers are drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The order of an epoch's images.
    Order = 0,
    /// Crops and flips.
    Change = 1,
    /// Colour jitter.
    Colours = 2,
    /// RandAugment.
    Operations = 3,
    /// Random erasing.
    Erasing = 4,
    /// Mixup and CutMix.
    Mixing = 5,
    /// The images of each class in an epoch that has as many of each.
    Balance = 6,
}

/// The streams of the image at one position of an epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Streams {
    /// The seed of the training.
    pub seed: u64,
    /// The epoch, counted from 0.
    pub epoch: u32,
    /// The position in it.
    pub position: u32,
}

impl Streams {
    /// The numbers for a purpose.
    pub fn of(self, purpose: Purpose) -> Philox {
        Philox::new(Draw::new(self.seed, [purpose as u32, self.epoch, self.position]))
    }
}
