//! Mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019): each image is mixed with another of its batch, and its target with that one's.
//!
//! As in timm's mode `elem`, every image draws its own share, and the batch is paired with itself in reverse, here within the pieces that batches are
//! made in, which are even as batches are; with both kinds, each image takes either with probability 1/2.

use super::streams::{Purpose, Streams};
use crate::config::AugmentConfig;
use crate::shape::ImageShape;
use lethe_tensor::random::Philox;
use std::f64::consts::TAU;

/// The targets of mixed images: of each the label of the other image, and the share of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// The number of classes.
    pub classes: usize,
    /// The class of the image that each was mixed with.
    pub others: Vec<u32>,
    /// The share of each one's own class, in 0 ..= 1; the rest belongs to the other.
    pub shares: Vec<f32>,
}

impl Mixture {
    /// The distributions over the classes of the images `start .. end`, row by row; `labels` are their own classes.
    pub fn targets(&self, labels: &[u32], start: usize, end: usize) -> Vec<f32> {
        let mut targets = vec![0.0; (end - start) * self.classes];
        for (row, i) in targets.chunks_exact_mut(self.classes).zip(start..end) {
            row[labels[i] as usize] += self.shares[i];
            row[self.others[i] as usize] += 1.0 - self.shares[i];
        }
        targets
    }

    /// Appends the targets of further images.
    pub fn extend(&mut self, further: Mixture) {
        self.others.extend(further.others);
        self.shares.extend(further.shares);
    }
}

/// How images are mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    mixup: f64,
    cutmix: f64,
}

impl Mixing {
    /// What the config asks for, if anything.
    pub fn of(config: &AugmentConfig) -> Option<Mixing> {
        let AugmentConfig { mixup, cutmix, .. } = *config;
        (mixup > 0.0 || cutmix > 0.0).then_some(Mixing { mixup, cutmix })
    }
}

/// Mixes the images (each CHW) of a piece, of which the first has these streams, in place.
pub fn mixed(
    images: &mut [f32],
    labels: &[u32],
    shape: ImageShape,
    (mixing, classes): (Mixing, usize),
    first: Streams,
) -> Mixture {
    let (n, size) = (labels.len(), shape.len());
    let whole = images.to_vec();
    let mut shares = Vec::with_capacity(n);
    for (i, image) in images.chunks_exact_mut(size).enumerate() {
        let other = &whole[(n - 1 - i) * size..][..size];
        let mut random = Streams { position: first.position + i as u32, ..first }.of(Purpose::Mixing);
        // Drawn whether needed or not, so that one kind does not change what the other draws.
        let coin = random.below(2) == 1;
        let cuts = mixing.mixup == 0.0 || (mixing.cutmix > 0.0 && coin);
        let share = beta(if cuts { mixing.cutmix } else { mixing.mixup }, &mut random);
        shares.push(if cuts { cut(image, other, shape, share, &mut random) } else { blend(image, other, share) });
    }
    Mixture { classes, others: labels.iter().rev().copied().collect(), shares }
}

/// `share · image + (1 − share) · other`; returns the share.
fn blend(image: &mut [f32], other: &[f32], share: f64) -> f32 {
    let share = share as f32;
    image.iter_mut().zip(other).for_each(|(own, other)| *own = share * *own + (1.0 - share) * other);
    share
}

/// Replaces a rectangle of 1 − share of the area, about a random centre and cut off at the border, by the other image's; returns the share of the
/// image that is left.
fn cut(
    image: &mut [f32],
    other: &[f32],
    ImageShape { height, width, .. }: ImageShape,
    share: f64,
    random: &mut Philox,
) -> f32 {
    let side = (1.0 - share).sqrt();
    let mut range = |extent: usize| {
        let half = (extent as f64 * side) as usize / 2;
        let centre = random.below(extent as u32) as usize;
        centre.saturating_sub(half)..(centre + half).min(extent)
    };
    let (rows, columns) = (range(height), range(width));
    for (own, other) in image.chunks_exact_mut(height * width).zip(other.chunks_exact(height * width)) {
        for row in rows.clone() {
            let line = row * width + columns.start..row * width + columns.end;
            own[line.clone()].copy_from_slice(&other[line]);
        }
    }
    (1.0 - (rows.len() * columns.len()) as f64 / (height * width) as f64) as f32
}

/// A number from Beta(α, α).
fn beta(alpha: f64, random: &mut Philox) -> f64 {
    let [a, b] = [(); 2].map(|()| log_gamma_draw(alpha, random));
    1.0 / (1.0 + (b - a).exp())
}

/// The logarithm of a number from Gamma(α, 1), by Marsaglia and Tsang (2000). Small α give numbers that no float holds, but whose logarithms are fine.
fn log_gamma_draw(alpha: f64, random: &mut Philox) -> f64 {
    let boost = if alpha < 1.0 { random.uniform().ln() / alpha } else { 0.0 };
    let d = (if alpha < 1.0 { alpha + 1.0 } else { alpha }) - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = (-2.0 * random.uniform().ln()).sqrt() * (TAU * random.uniform()).cos();
        let v = (1.0 + c * normal).powi(3);
        if v > 0.0 && random.uniform().ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
            return (d * v).ln() + boost;
        }
    }
}
