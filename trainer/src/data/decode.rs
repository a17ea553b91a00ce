//! Decodes image files to 8-bit RGB, strictly: a truncated or damaged file is an error wherever its format makes that detectable.
//!
//! Grey images get three equal channels, CMYK and palettes are converted, 16-bit values are scaled, transparency is dropped. From an animation or a
//! file with several pages the first image is taken. The EXIF orientation is applied only on request: the pipelines that results are compared with
//! ignore it.

use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::Ordering;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, RgbImage};

use super::dataset::ImageFile;
use super::error::DataError;
use super::form::{ImageFlaw, check_png_end, check_size, form, reader};
use super::form_length::check_length;
use super::jpeg;

/// The image in a file, rotated by its EXIF orientation if requested.
///
/// # Errors
/// If the file cannot be read or is not a complete image in one of these formats; the error names it.
pub fn decode(path: &Path, upright: bool) -> Result<RgbImage, DataError> {
    decoded(path, upright, true)
}

/// The same for a file that is decoded repeatedly: the codes of a JPEG are checked the first time only.
pub(super) fn decode_again(file: &ImageFile, upright: bool) -> Result<RgbImage, DataError> {
    let is_new = !file.checked.0.load(Ordering::Relaxed);
    let image = decoded(&file.path, upright, is_new)?;
    file.checked.0.store(true, Ordering::Relaxed);
    Ok(image)
}

fn decoded(path: &Path, upright: bool, is_new: bool) -> Result<RgbImage, DataError> {
    let read = || {
        let bytes = std::fs::read(path).map_err(ImageFlaw::Read)?;
        pixels(&bytes, upright, is_new)
    };
    read().map_err(|flaw| DataError::Image { path: path.to_owned(), flaw })
}

fn pixels(bytes: &[u8], upright: bool, is_new: bool) -> Result<RgbImage, ImageFlaw> {
    let form = form(bytes)?;
    if form == ImageFormat::Jpeg {
        let (width, height) = jpeg::dimensions(&mut Cursor::new(bytes)).map_err(ImageFlaw::Read)??;
        check_size(width as u64, height as u64)?;
        if is_new {
            jpeg::check(bytes)?;
        }
    }
    check_length(form, bytes, bytes.len() as u64)?;
    let mut decoder = reader(Cursor::new(bytes), form).into_decoder().map_err(flaw)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(ImageFlaw::Floats);
    }
    let orientation = upright.then(|| decoder.orientation()).transpose().map_err(flaw)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(flaw)?;
    if form == ImageFormat::Png {
        check_png_end(bytes)?;
    }
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image.into_rgb8())
}

/// Sorts the library's errors into damaged and unsupported files.
pub(super) fn flaw(error: ImageError) -> ImageFlaw {
    match error {
        ImageError::Unsupported(_) => ImageFlaw::Kind(Box::new(error)),
        _ => ImageFlaw::Decode(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pil/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn encoded(form: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(45, 37, |x, y| image::Rgb([(5 * x) as u8, (6 * y) as u8, (x * y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, form).unwrap();
        bytes.into_inner()
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        let fixtures = ["progressive.jpg", "restarts.jpg", "progressive-cmyk.jpg", "lossy.webp", "lzw.tif"];
        let made = FORMS.map(|form| (format!("{form:?}"), encoded(form)));
        made.into_iter().chain(fixtures.map(|name| (name.to_owned(), fixture(name)))).collect()
    }

    const FORMS: [ImageFormat; 5] =
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff];

    #[test]
    fn every_form_is_read_whole_and_in_no_part() {
        for (name, bytes) in files() {
            assert_eq!(pixels(&bytes, false, true).unwrap().dimensions(), (45, 37), "{name}");
            let lengths = (0..20).map(|i| bytes.len() * i / 20).chain((bytes.len() - 40.min(bytes.len()))..bytes.len());
            for length in lengths {
                let flaw = pixels(&bytes[..length], false, true);
                assert!(flaw.is_err(), "{name} cut to {length} of {} bytes is taken", bytes.len());
            }
        }
    }

    #[test]
    fn a_changed_byte_of_a_png_is_found() {
        let bytes = encoded(ImageFormat::Png);
        for at in (8..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(pixels(&damaged, false, true).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_png_has_the_bytes_that_its_size_needs_before_memory_is_allocated_for_it() {
        let mut even = Cursor::new(Vec::new());
        let encoder = PngEncoder::new_with_quality(&mut even, CompressionType::Best, FilterType::NoFilter);
        RgbImage::new(3000, 2000).write_with_encoder(encoder).unwrap();
        let even = even.into_inner();
        assert!(even.len() < 3 * 3000 * 2000 / 900, "nearly as small as Deflate can make it: {}", even.len());
        assert_eq!(pixels(&even, false, true).unwrap().dimensions(), (3000, 2000));
        let mut lying = encoded(ImageFormat::Png);
        lying[16..24].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 8]); // 2²⁴ × 8 pixels
        let said = pixels(&lying, false, true).unwrap_err().to_string();
        assert!(said.starts_with("is truncated: expected 390167 bytes or more, found "), "{said}");
    }

    #[test]
    fn flaws_are_said_in_words() {
        let said = |bytes: &[u8]| pixels(bytes, false, true).unwrap_err().to_string();
        let mut png = encoded(ImageFormat::Png);
        let at = png.windows(4).position(|w| w == b"IDAT").unwrap();
        png[at + 9] ^= 1;
        let png = said(&png);
        assert!(png.starts_with("is a damaged or incomplete image") && !png.contains('{'), "{png}");
        let mut jpeg = fixture("progressive.jpg");
        let at = jpeg.windows(2).position(|w| w == [0xff, 0xc2]).unwrap();
        jpeg[at + 1] = 0xc3;
        let jpeg = said(&jpeg);
        assert!(jpeg.starts_with("is of an unsupported kind: a JPEG with lossless coding"), "{jpeg}");
    }

    #[test]
    fn what_is_no_image_or_too_large_is_called_so() {
        let said = |bytes: &[u8]| pixels(bytes, false, true).unwrap_err().to_string();
        assert_eq!(said(b""), "is empty");
        assert!(said(b"<html>not found").contains("found a file that begins with \"<html>not fo\""));
        assert!(said(b"GIF89a\x01\0\x01\0").contains("expected JPEG, PNG, BMP, WebP, TIFF, found Gif"));
        let mut large = encoded(ImageFormat::Jpeg);
        let at = large.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        large[at + 5..at + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        assert!(said(&large).contains("is too large: 60000 × 60000 pixels; at most 134217728"));
        let mut bitmap = encoded(ImageFormat::Bmp);
        bitmap[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
        assert!(said(&bitmap).contains("is truncated"), "{}", said(&bitmap));
    }
}
