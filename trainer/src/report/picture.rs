//! Pictures of images as a model sees them.

use crate::data::{Batch, Preparation};
use crate::shape::ImageShape;
use image::{DynamicImage, GenericImage, ImageFormat, RgbImage, imageops};
use std::io::Cursor;

/// The side that small images are enlarged to on a sheet, in pixels, and the gap between images.
const SIDE: u32 = 96;
const GAP: u32 = 6;

/// Prepared pixels (CHW) as a picture: the inverse of their preparation, cut off at black and at full brightness.
pub fn picture(pixels: &[f32], shape: ImageShape, Preparation { mean, std, .. }: Preparation) -> DynamicImage {
    let ImageShape { channels, height, width } = shape;
    let byte = |c: usize, i: usize| {
        let value = f64::from(pixels[c * height * width + i]) * std[c] + mean[c];
        (255.0 * value).round() as u8
    };
    // A grey image has the same number in all channels.
    let bytes = (0..height * width).flat_map(|i| [0, 1, 2].map(|c| byte(c.min(channels - 1), i)));
    RgbImage::from_raw(width as u32, height as u32, bytes.collect()).expect("as many bytes as pixels").into()
}

/// A picture as a PNG file.
pub fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).expect("a picture in memory can be written as PNG");
    file.into_inner()
}

/// The first images of a batch side by side, `columns` in a row and as many rows.
pub fn sheet(batch: &Batch, preparation: Preparation, columns: usize) -> DynamicImage {
    let count = batch.labels.len().min(columns * columns);
    let larger = batch.shape.height.max(batch.shape.width) as u32;
    let factor = (SIDE / larger.max(1)).max(1);
    let [height, width] = [batch.shape.height, batch.shape.width].map(|side| side as u32 * factor);
    let columns = columns.min(count).max(1) as u32;
    let rows = (count as u32).div_ceil(columns);
    let size = [columns * (width + GAP) + GAP, rows * (height + GAP) + GAP];
    let mut sheet = DynamicImage::from(RgbImage::from_pixel(size[0], size[1], image::Rgb([128; 3])));
    for (i, pixels) in batch.images.chunks_exact(batch.shape.len()).take(count).enumerate() {
        let own = picture(pixels, batch.shape, preparation).resize_exact(width, height, imageops::FilterType::Nearest);
        let (column, row) = (i as u32 % columns, i as u32 / columns);
        let placed = sheet.copy_from(&own, GAP + column * (width + GAP), GAP + row * (height + GAP));
        placed.expect("the sheet has room for every image");
    }
    sheet
}
