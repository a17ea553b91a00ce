//! A file to pixels: JPEG or PNG, whichever its content says it is (ImageNet has a PNG that is called .JPEG), to 8-bit RGB.
//!
//! Grey images get three equal channels, CMYK and palettes are converted, 16-bit values are scaled, transparency is dropped. A camera's note on how it was held
//! is not obeyed: nor is it by the pipelines whose results are compared with.

use std::io::Cursor;
use std::path::Path;

use image::{ImageReader, RgbImage};

use super::error::DataError;

/// The image in a file.
///
/// # Errors
/// If the file cannot be read or holds no whole image of these formats; the error names it.
pub fn decode(path: &Path) -> Result<RgbImage, DataError> {
    let read = |source| DataError::Read { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(read)?;
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(read)?;
    let image =
        reader.decode().map_err(|source| DataError::Decode { path: path.to_owned(), source: Box::new(source) })?;
    Ok(image.into_rgb8())
}
