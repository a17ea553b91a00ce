//! Random augmentation of training images. What an image becomes depends only on the seed, the epoch, and its position in the epoch.
//!
//! In this order: crop and flip; colour jitter and RandAugment, on bytes; normalisation; random erasing; mixup and CutMix with another image.

mod colour;
mod colour_space;
mod erase;
mod jitter;
mod mix;
mod planes;
mod rand_augment;
mod shift;
mod streams;
#[cfg(test)]
mod tests;
mod tone;
mod warp;

pub(super) use erase::erase;
pub(super) use jitter::jitter;
pub use mix::Mixture;
pub(super) use mix::{Mixing, mixed};
pub(super) use planes::Planes;
pub(super) use rand_augment::rand_augment;
pub use shift::Augment;
pub(super) use streams::{Purpose, Streams};
