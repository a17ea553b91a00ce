//! Resampling as PIL does it: anti-aliased, in bytes.
//!
//! The filter widens with the reduction, weights are fixed-point numbers, and rows are resampled before columns, with bytes between the passes. The
//! library would resample columns first, which rounds differently; so each pass is a call of its own.

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::crop::Region;
use crate::shape::ImageShape;

/// The resampling filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// For evaluation.
    Bicubic,
    /// For the Hessian.
    Bilinear,
}

impl Filter {
    /// The radius of PIL's filter, in pixels of the smaller of the two images.
    fn reach(self) -> f64 {
        match self {
            Filter::Bicubic => 2.0,
            Filter::Bilinear => 1.0,
        }
    }

    fn kind(self) -> FilterType {
        match self {
            Filter::Bicubic => FilterType::CatmullRom,
            Filter::Bilinear => FilterType::Bilinear,
        }
    }
}

/// The bytes of an image in the order HWC.
#[derive(Clone, Copy, Debug)]
pub struct ImageView<'a> {
    /// The values.
    pub pixels: &'a [u8],
    /// The image's size; one channel or three.
    pub shape: ImageShape,
}

/// Resamples images, and reuses its buffers.
#[derive(Default)]
pub struct Resampler {
    resizer: Resizer,
    between: Vec<u8>,
}

impl Resampler {
    /// Bilinear resizing as in training: the region is cropped first, and pixels beyond it have no influence.
    ///
    /// # Panics
    /// If the region does not consist of whole pixels within the image.
    pub fn crop_then_resize(&mut self, image: ImageView, region: Region, out: &mut [u8], to: ImageShape) {
        let [left, top, width, height] = [region.left, region.top, region.width, region.height].map(|v| v as u32);
        let whole = image.source();
        let source = CroppedImage::new(&whole, left, top, width, height).expect("crops lie within their image");
        self.resample(&source, Region { left: 0.0, top: 0.0, ..region }, FilterType::Bilinear, out, to);
    }

    /// Resizing as in evaluation: the image is resized first and then cropped, so that pixels beyond the region's edge have influence.
    ///
    /// # Panics
    /// If the region does not lie within the image.
    pub fn resize_then_crop(
        &mut self,
        image: ImageView,
        region: Region,
        filter: Filter,
        out: &mut [u8],
        to: ImageShape,
    ) {
        // Only rows that contribute to the region are resampled.
        let reach = filter.reach() * (region.height / to.height as f64).max(1.0) + 1.0;
        let first = (region.top - reach).floor().max(0.0);
        let end = (region.top + region.height + reach).ceil().min(image.shape.height as f64);
        let whole = image.source();
        let rows = CroppedImage::new(&whole, 0, first as u32, image.shape.width as u32, (end - first) as u32);
        let region = Region { top: region.top - first, ..region };
        self.resample(&rows.expect("rows lie within their image"), region, filter.kind(), out, to);
    }

    /// Resizing of the whole image, whatever that makes of its aspect ratio.
    pub fn resize(&mut self, image: ImageView, filter: Filter, out: &mut [u8], to: ImageShape) {
        let whole = Region { left: 0.0, top: 0.0, width: image.shape.width as f64, height: image.shape.height as f64 };
        self.resample(&image.source(), whole, filter.kind(), out, to);
    }

    fn resample(
        &mut self,
        source: &impl IntoImageView,
        region: Region,
        filter: FilterType,
        out: &mut [u8],
        to: ImageShape,
    ) {
        let [columns, rows] = [source.width(), source.height()].map(f64::from);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        // Rounding must not let a region extend beyond the image.
        let across = options.crop(region.left, 0.0, region.width.min(columns - region.left), rows);
        let along = options.crop(0.0, region.top, to.width as f64, region.height.min(rows - region.top));
        let between = ImageShape { height: rows as usize, ..to };
        self.between.resize(between.len(), 0);
        let fits = "both images have one pixel type, and the region lies within the first";
        self.resizer.resize(source, &mut target(&mut self.between, between), &across).expect(fits);
        let between = ImageView { pixels: &self.between, shape: between };
        self.resizer.resize(&between.source(), &mut target(out, to), &along).expect(fits);
    }
}

fn pixel_type(channels: usize) -> PixelType {
    if channels == 1 { PixelType::U8 } else { PixelType::U8x3 }
}

impl<'a> ImageView<'a> {
    fn source(self) -> ImageRef<'a> {
        let ImageShape { channels, height, width } = self.shape;
        let source = ImageRef::new(width as u32, height as u32, self.pixels, pixel_type(channels));
        source.expect("an image has all its values")
    }
}

fn target(out: &mut [u8], shape: ImageShape) -> Image<'_> {
    let ImageShape { channels, height, width } = shape;
    Image::from_slice_u8(width as u32, height as u32, out, pixel_type(channels)).expect("an image has all its values")
}

#[cfg(test)]
mod tests {
    use super::super::crop::evaluation;
    use super::super::decode::decode;
    use super::*;
    use serde::Deserialize;
    use std::path::PathBuf;

    /// Compares with PIL's results: `tests/fixtures/pil/generate.py`.
    #[derive(Deserialize)]
    struct Golden {
        width: usize,
        height: usize,
        pixels: Vec<u8>,
        crops: Vec<Crop>,
        evaluations: Vec<Evaluation>,
    }

    #[derive(Deserialize)]
    struct Crop {
        region: [f64; 4],
        size: usize,
        pixels: Vec<u8>,
    }

    #[derive(Deserialize)]
    struct Evaluation {
        size: usize,
        bicubic: bool,
        pixels: Vec<u8>,
    }

    fn fixture(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pil").join(name)
    }

    /// At most one of 255 apart, for few values: the library's weights have fewer bits.
    #[track_caller]
    fn close(found: &[u8], expected: &[u8]) {
        let apart: Vec<u8> = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
        assert!(found.len() == expected.len() && apart.iter().all(|d| *d <= 1), "{found:?}\n{expected:?}");
        let equal = apart.iter().filter(|d| **d == 0).count();
        assert!(equal * 10 > apart.len() * 9, "{equal} of {} are equal", apart.len());
    }

    #[test]
    fn resizing_is_pils_within_one_step() {
        let golden = std::fs::read_to_string(fixture("resize.json")).unwrap();
        let golden: Golden = serde_json::from_str(&golden).unwrap();
        let shape = ImageShape { channels: 3, height: golden.height, width: golden.width };
        let view = ImageView { pixels: &golden.pixels, shape };
        let mut resampler = Resampler::default();
        for Crop { region: [left, top, width, height], size, pixels } in golden.crops {
            let mut out = vec![0; pixels.len()];
            let region = Region { left, top, width, height };
            resampler.crop_then_resize(view, region, &mut out, shape.square(size));
            close(&out, &pixels);
        }
        for Evaluation { size, bicubic, pixels } in golden.evaluations {
            let filter = if bicubic { Filter::Bicubic } else { Filter::Bilinear };
            let mut out = vec![0; pixels.len()];
            let region = evaluation(size, shape.width, shape.height);
            resampler.resize_then_crop(view, region, filter, &mut out, shape.square(size));
            close(&out, &pixels);
        }
    }

    #[test]
    fn grey_cmyk_and_palettes_become_the_colours_that_pil_makes_of_them() {
        let golden = std::fs::read_to_string(fixture("decode.json")).unwrap();
        let golden: std::collections::BTreeMap<String, Vec<[u8; 3]>> = serde_json::from_str(&golden).unwrap();
        for (name, expected) in golden {
            let image = decode(&fixture(&name), false).unwrap();
            let found = [(4, 4), (12, 4), (4, 12), (12, 12)].map(|(x, y)| image.get_pixel(x, y).0);
            let far = found.as_flattened().iter().zip(expected.as_flattened()).any(|(a, b)| a.abs_diff(*b) > 3);
            assert!(image.dimensions() == (16, 16) && !far, "{name}: {found:?}, by PIL {expected:?}");
        }
    }
}
