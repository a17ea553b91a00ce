//! Prepares an image for a model: decode, crop, resize, augment, normalise. Pixels are bytes until the last of these steps.

use std::borrow::Cow;

use lethe_tensor::random::Philox;

use super::augment::{Augment, Planes, Purpose, Streams, erase, jitter, rand_augment};
use super::crop::{evaluation, inception};
use super::dataset::{Dataset, Images, Pixels};
use super::decode::decode_again;
use super::error::DataError;
use super::resize::{Filter, ImageView, Resampler};
use crate::config::{AugmentConfig, DataConfig};
use crate::shape::ImageShape;

/// The largest number of channels of an image.
const CHANNELS: usize = 3;
/// Full brightness of resized images.
const FULL: u8 = 255;

/// The preparation of images apart from augmentation: their size, then scaling to 0..1, subtraction of `mean` and division by `std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preparation {
    /// The mean of each channel; for a grey image only the first counts.
    pub mean: [f64; CHANNELS],
    /// The standard deviation of each channel.
    pub std: [f64; CHANNELS],
    /// The side of the square to which images are cropped and resized; `None` keeps their size.
    pub size: Option<usize>,
    /// The filter for images that are not augmented.
    pub filter: Filter,
    /// Whether images in files are rotated by their EXIF orientation.
    pub upright: bool,
}

impl Preparation {
    /// The config's preparation for training images, and for measurements at their resolution.
    pub fn of(config: &DataConfig) -> Preparation {
        let (mean, std) = (config.mean.by_channel(), config.std.by_channel());
        Preparation { mean, std, size: config.size, filter: Filter::Bicubic, upright: config.exif_orientation }
    }

    /// The same for the Hessian, whose images the reference resizes bilinearly (specification, section 8.1).
    pub fn of_curvature(config: &DataConfig) -> Preparation {
        Preparation { filter: Filter::Bilinear, ..Preparation::of(config) }
    }

    /// The config's preparation for test images.
    pub fn of_test(config: &DataConfig) -> Preparation {
        Preparation { size: config.eval_size.or(config.size), ..Preparation::of(config) }
    }

    /// The normalised value of each byte, by channel.
    fn tables(self, max_value: u8) -> [[f32; 256]; CHANNELS] {
        let number = |value: usize, c: usize| (value as f64 / f64::from(max_value) - self.mean[c]) / self.std[c];
        std::array::from_fn(|c| std::array::from_fn(|value| number(value, c) as f32))
    }
}

/// The preparation of a data set's images.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    tables: [[f32; 256]; CHANNELS],
    /// The size of prepared images.
    pub shape: ImageShape,
    max_value: u8,
    /// Whether images are cropped and resized, or keep their size in memory.
    resized: bool,
    /// The value of full brightness that values are stretched from, if it is not that of a byte and operations on bytes need all of them.
    stretched: Option<u8>,
    filter: Filter,
    upright: bool,
    augment: Option<AugmentConfig>,
}

/// A worker's buffers, which are reused for every image.
#[derive(Default)]
pub(super) struct Scratch {
    resized: Resized,
    changed: Vec<u8>,
}

/// The buffers for an image that is cropped and resized.
#[derive(Default)]
struct Resized {
    resampler: Resampler,
    side_by_side: Vec<u8>,
    square: Vec<u8>,
    planes: Vec<u8>,
}

impl Pipeline {
    /// The pipeline of a data set; `augment` is given in training only.
    ///
    /// # Panics
    /// If the images are in files and no size is given.
    #[track_caller]
    pub fn new(data: &Dataset, prepare: Preparation, augment: Option<AugmentConfig>) -> Pipeline {
        let augment = augment.filter(|a| *a != AugmentConfig::default());
        let resized = prepare.size.is_some() || augment.as_ref().is_some_and(|a| a.inception_crop);
        let changes_bytes = augment.as_ref().is_some_and(AugmentConfig::changes_bytes);
        let stretched = match &data.images {
            Images::Memory(pixels) if !resized && changes_bytes => Some(pixels.max_value).filter(|max| *max != FULL),
            _ => None,
        };
        let (own, max_value) = match &data.images {
            Images::Memory(pixels) if !resized && stretched.is_none() => (pixels.shape, pixels.max_value),
            Images::Memory(pixels) => (pixels.shape, FULL),
            Images::Files(_) => {
                assert!(prepare.size.is_some(), "{}: images in files have no size of their own", data.name);
                (data.shape, FULL)
            }
        };
        let shape = prepare.size.map_or(own, |side| own.square(side));
        let (tables, filter, upright) = (prepare.tables(max_value), prepare.filter, prepare.upright);
        Pipeline { tables, shape, max_value, resized, stretched, filter, upright, augment }
    }

    /// Appends the normalised values of image `index`, in the order CHW. In training, its augmentation is drawn from its streams.
    ///
    /// # Errors
    /// If its file cannot be read or decoded.
    pub fn append(
        &self,
        data: &Dataset,
        index: usize,
        streams: Streams,
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let Scratch { resized, changed } = scratch;
        let mut random = streams.of(Purpose::Change);
        let change = self.augment.as_ref().map(|config| Augment::draw(config, &mut random));
        let mut image = match &data.images {
            Images::Memory(pixels) if !self.resized => Cow::Borrowed(pixels.image(index)),
            images => Cow::Borrowed(self.square(images, index, &mut random, resized)?),
        };
        if let Some(stand_in) = data.stand_in {
            image = Cow::Owned(stand_in.apply(&image, self.shape, self.max_value, index));
        }
        let begin = out.len();
        let Some((config, change)) = self.augment.as_ref().zip(change) else {
            self.normalise(&image, out);
            return Ok(());
        };
        changed.clear();
        changed.extend(change.apply(&image, self.shape));
        if let Some(max_value) = self.stretched {
            changed.iter_mut().for_each(|value| *value = stretched(*value, max_value));
        }
        let mut planes = Planes { values: changed, shape: self.shape };
        if config.jitters() {
            jitter(&mut planes, config, streams.of(Purpose::Colours));
        }
        rand_augment(&mut planes, config.rand_augment, config.rand_magnitude(), streams.of(Purpose::Operations));
        self.normalise(changed, out);
        if config.erase > 0.0 {
            erase(&mut out[begin..], self.shape, config.erase, streams.of(Purpose::Erasing));
        }
        Ok(())
    }

    /// Appends the normalised values of an image.
    fn normalise(&self, image: &[u8], out: &mut Vec<f32>) {
        for (values, table) in image.chunks_exact(self.shape.height * self.shape.width).zip(&self.tables) {
            out.extend(values.iter().map(|v| table[usize::from(*v)]));
        }
    }

    /// The cropped and resized image, in the order CHW.
    fn square<'a>(
        &self,
        images: &Images,
        index: usize,
        random: &mut Philox,
        buffers: &'a mut Resized,
    ) -> Result<&'a [u8], DataError> {
        let Resized { resampler, side_by_side, square, planes } = buffers;
        let decoded;
        let view = match images {
            Images::Memory(pixels) => interleave(pixels, index, side_by_side),
            Images::Files(files) => {
                decoded = decode_again(&files[index], self.upright)?;
                let (width, height) = (decoded.width() as usize, decoded.height() as usize);
                ImageView { pixels: decoded.as_raw(), shape: ImageShape { channels: CHANNELS, height, width } }
            }
        };
        let ImageShape { channels, height, width } = view.shape;
        square.resize(self.shape.len(), 0);
        match self.augment.as_ref().filter(|augment| augment.inception_crop) {
            Some(augment) => {
                let region = inception(random, augment.min_area(), width, height);
                resampler.crop_then_resize(view, region, square, self.shape);
            }
            None => {
                let region = evaluation(self.shape.height, width, height);
                resampler.resize_then_crop(view, region, self.filter, square, self.shape);
            }
        }
        planes.clear();
        (0..channels).for_each(|c| planes.extend(square.iter().skip(c).step_by(channels)));
        Ok(planes)
    }
}

/// A value in 0 ..= max_value as one in 0 ..= 255.
fn stretched(value: u8, max_value: u8) -> u8 {
    let full = u32::from(max_value);
    ((u32::from(value) * u32::from(FULL) + full / 2) / full).min(u32::from(FULL)) as u8
}

/// An image from memory with interleaved channels (HWC), its values scaled to 0..255.
fn interleave<'a>(pixels: &Pixels, index: usize, out: &'a mut Vec<u8>) -> ImageView<'a> {
    let (image, shape) = (pixels.image(index), pixels.shape);
    let plane = shape.height * shape.width;
    let value = |c: usize, i: usize| stretched(image[c * plane + i], pixels.max_value);
    out.clear();
    out.extend((0..plane).flat_map(|i| (0..shape.channels).map(move |c| value(c, i))));
    ImageView { pixels: out, shape }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Preparation =
        Preparation { mean: [0.0; 3], std: [1.0 / 255.0; 3], size: None, filter: Filter::Bicubic, upright: false };

    fn prepared(data: &Dataset, prepare: Preparation, augment: Option<AugmentConfig>, position: u32) -> Vec<f32> {
        let mut out = Vec::new();
        let streams = Streams { seed: 3, epoch: 0, position };
        Pipeline::new(data, prepare, augment).append(data, 0, streams, &mut Scratch::default(), &mut out).unwrap();
        out
    }

    fn colours() -> Dataset {
        let shape = ImageShape { channels: 3, height: 2, width: 2 };
        let values = vec![10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30];
        Dataset::in_memory("colours".into(), values, shape, 255, vec![0], 2)
    }

    #[test]
    fn every_channel_has_its_own_mean_and_deviation() {
        let prepare = Preparation { mean: [10.0 / 255.0, 0.0, 0.0], std: [1.0, 1.0, 2.0], ..RAW };
        let out = prepared(&colours(), prepare, None, 0);
        let close = |i: usize, expected: f64| assert!((f64::from(out[i]) - expected).abs() < 1e-7, "{i}: {}", out[i]);
        [(0, 0.0), (4, 20.0 / 255.0), (11, 15.0 / 255.0)].into_iter().for_each(|(i, v)| close(i, v));
    }

    #[test]
    fn images_of_one_colour_keep_it_at_any_size() {
        let inception = AugmentConfig { inception_crop: true, flip: true, ..AugmentConfig::default() };
        for size in [None, Some(7), Some(32)] {
            for augment in [None, Some(inception.clone())] {
                let out = prepared(&colours(), Preparation { size, ..RAW }, augment, 5);
                let plane = size.unwrap_or(2).pow(2);
                assert_eq!(out.len(), 3 * plane);
                assert!(
                    out.iter().enumerate().all(|(i, v)| (v - 10.0 * (i / plane + 1) as f32).abs() < 1e-4),
                    "{out:?}"
                );
            }
        }
    }

    #[test]
    fn resized_values_are_stretched_to_bytes() {
        let shape = ImageShape { channels: 1, height: 8, width: 8 };
        let digit = Dataset::in_memory("digit".into(), vec![8; 64], shape, 16, vec![0], 10);
        let unit = Preparation { std: [1.0; 3], ..RAW };
        assert!(prepared(&digit, unit, None, 0).iter().all(|v| *v == 0.5));
        let resized = prepared(&digit, Preparation { size: Some(20), ..unit }, None, 0);
        assert!(resized.iter().all(|v| (v - 0.5).abs() < 0.003), "{resized:?}");
    }

    #[test]
    fn an_operation_on_bytes_that_changes_nothing_leaves_an_image_of_few_values_as_it_is() {
        let shape = ImageShape { channels: 1, height: 8, width: 8 };
        let digit = Dataset::in_memory("digit".into(), (0..64).map(|i| i % 17).collect(), shape, 16, vec![0], 10);
        let unit = Preparation { std: [1.0; 3], ..RAW };
        let none = AugmentConfig { brightness: 1e-9, ..AugmentConfig::default() };
        let pairs = prepared(&digit, unit, None, 0).into_iter().zip(prepared(&digit, unit, Some(none), 0));
        // Rounded to bytes, and once more down by the blend.
        pairs.for_each(|(own, changed)| assert!((own - changed).abs() < 1.6 / 255.0, "{own} {changed}"));
    }

    #[test]
    fn crops_differ_from_place_to_place_and_mirror_what_they_crop() {
        let shape = ImageShape { channels: 1, height: 16, width: 16 };
        let ramp = Dataset::in_memory("ramp".into(), (0..=255).collect(), shape, 255, vec![0], 2);
        let crop = |flip, position| {
            let augment = AugmentConfig { inception_crop: true, flip, ..AugmentConfig::default() };
            prepared(&ramp, Preparation { size: Some(8), ..RAW }, Some(augment), position)
        };
        assert_ne!(crop(false, 0), crop(false, 1));
        let mirrored = |image: &[f32]| image.chunks(8).flat_map(|row| row.iter().rev().copied()).collect::<Vec<_>>();
        let turned = (0..40).filter(|&position| crop(true, position) != crop(false, position));
        let turned: Vec<u32> = turned.inspect(|&p| assert_eq!(crop(true, p), mirrored(&crop(false, p)))).collect();
        assert!((8..32).contains(&turned.len()), "{turned:?}");
    }
}
