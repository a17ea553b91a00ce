//! Pictures of images as a model sees them.

use crate::data::{Batch, Preparation};
use crate::error::Error;
use crate::plot;
use crate::shape::ImageShape;
use image::{DynamicImage, GenericImage, ImageFormat, RgbImage, imageops};
use std::io::Cursor;

/// The side that small images are enlarged to on a sheet, in pixels, and the gap between images.
const SIDE: u32 = 96;
const GAP: u32 = 6;
/// The largest number of letters of the name of a class, and the width of one in pixels.
const LETTERS: usize = 22;
const LETTER: u32 = 10;

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
    let columns = columns.min(count).max(1);
    let cells: Vec<[u32; 2]> = (0..count).map(|i| [i % columns, i / columns].map(|at| at as u32)).collect();
    arranged(batch, preparation, &cells, 0).0.into()
}

/// The images of a batch in a row for each class, after its name.
///
/// # Errors
/// If the names cannot be drawn.
pub fn class_sheet(batch: &Batch, preparation: Preparation, names: &[String]) -> Result<DynamicImage, Error> {
    let mut used = vec![0; names.len()];
    let cell = |label: &u32| {
        let column = &mut used[*label as usize];
        *column += 1;
        [*column - 1, *label]
    };
    let cells: Vec<[u32; 2]> = batch.labels.iter().map(cell).collect();
    let longest = names.iter().map(|name| name.chars().count().min(LETTERS + 1)).max().unwrap_or(0);
    let (mut sheet, height) = arranged(batch, preparation, &cells, GAP + LETTER * longest as u32);
    let line = |(row, name): (usize, &String)| {
        let short: String = name.chars().take(LETTERS).collect();
        let name = if short.len() < name.len() { short + "…" } else { short };
        (name, [GAP, GAP + row as u32 * (height + GAP) + height / 2])
    };
    let lines: Vec<_> = names.iter().enumerate().map(line).collect();
    let size = [sheet.width(), sheet.height()];
    plot::write_on(&mut sheet, size, &lines)?;
    Ok(sheet.into())
}

/// The images at these columns and rows, right of a margin; and the height of each.
fn arranged(batch: &Batch, preparation: Preparation, cells: &[[u32; 2]], margin: u32) -> (RgbImage, u32) {
    let larger = batch.shape.height.max(batch.shape.width) as u32;
    let factor = (SIDE / larger.max(1)).max(1);
    let [height, width] = [batch.shape.height, batch.shape.width].map(|side| side as u32 * factor);
    let [columns, rows] = [0, 1].map(|axis| cells.iter().map(|cell| cell[axis] + 1).max().unwrap_or(0));
    let size = [margin + columns * (width + GAP) + GAP, rows * (height + GAP) + GAP];
    let mut sheet = RgbImage::from_pixel(size[0], size[1], image::Rgb([128; 3]));
    for ([column, row], pixels) in cells.iter().zip(batch.images.chunks_exact(batch.shape.len())) {
        let own = picture(pixels, batch.shape, preparation).resize_exact(width, height, imageops::FilterType::Nearest);
        let at = [margin + GAP + column * (width + GAP), GAP + row * (height + GAP)];
        sheet.copy_from(&own.into_rgb8(), at[0], at[1]).expect("the sheet has room for every image");
    }
    (sheet, height)
}
