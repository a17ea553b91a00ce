//! How long a file must be for the image that its first bytes claim, so that no memory is allocated for an image that cannot be there.
//!
//! There is no such length for WebP, whose lossless form needs no bits for the pixels of an even area; it states its own. A JPEG's codes are checked
//! before it is decoded.

use image::ImageFormat;

use super::form::{ImageFlaw, check_size};

/// The factor by which Deflate can make data smaller.
const DEFLATE: u64 = 1032;
/// The same for TIFF's LZW: a code of 12 bits stands for 3838 bytes at most, as its table has no room for longer strings.
const LZW: u64 = 2560;
/// The same for PackBits: two bytes stand for 128.
const PACK_BITS: u64 = 64;

/// Checks that a file of this format and length can be complete, if its first bytes say how long it should be.
pub(super) fn check_length(form: ImageFormat, head: &[u8], length: u64) -> Result<(), ImageFlaw> {
    let expected = match form {
        // A RIFF header gives the number of bytes after its first eight.
        ImageFormat::WebP => word(head, 4, u32::from_le_bytes).map(|rest| rest + 8),
        ImageFormat::Bmp => bitmap_length(head),
        ImageFormat::Png => png_length(head),
        ImageFormat::Tiff => tiff_length(head),
        _ => None,
    };
    match expected.filter(|expected| length < *expected) {
        Some(expected) => Err(ImageFlaw::Cut { expected: format!("{expected} bytes or more"), found: length }),
        None => Ok(()),
    }
}

fn word(bytes: &[u8], at: usize, read: fn([u8; 4]) -> u32) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(read(*word).into())
}

fn half(bytes: &[u8], at: usize, read: fn([u8; 2]) -> u16) -> Option<u64> {
    let half = bytes.get(at..)?.first_chunk()?;
    Some(read(*half).into())
}

/// The length of an uncompressed bitmap: the offset of its pixels, and rows padded to multiples of four bytes.
fn bitmap_length(head: &[u8]) -> Option<u64> {
    let bits = half(head, 28, u16::from_le_bytes)?;
    let [start, header, width, height, compression] = [10, 14, 18, 22, 30].map(|at| word(head, at, u32::from_le_bytes));
    let rows = u64::from((height? as u32 as i32).unsigned_abs());
    let plain = header? >= 40 && compression? == 0;
    let row = width?.checked_mul(bits)?.div_ceil(32).checked_mul(4)?;
    plain.then(|| start?.checked_add(row.checked_mul(rows)?)).flatten()
}

/// The least length of a PNG of the size in its header; `None` for one that is too large anyway.
fn png_length(head: &[u8]) -> Option<u64> {
    let [width, height] = [16, 20].map(|at| word(head, at, u32::from_be_bytes));
    let (width, height, depth) = (width?, height?, u64::from(*head.get(24)?));
    let channels = match head.get(25)? {
        2 => 3,
        4 => 2,
        6 => 4,
        // Grey, or numbers of colours in a palette.
        _ => 1,
    };
    check_size(width, height).ok()?;
    Some(width * height * channels * depth / 8 / DEFLATE)
}

/// The least length of the first image of a TIFF, if its kind has one and its directory is among these bytes; `None` for one that is too large anyway.
fn tiff_length(head: &[u8]) -> Option<u64> {
    let (half_of, word_of): (fn([u8; 2]) -> u16, fn([u8; 4]) -> u32) = match head.get(..4)? {
        b"II*\0" => (u16::from_le_bytes, u32::from_le_bytes),
        b"MM\0*" => (u16::from_be_bytes, u32::from_be_bytes),
        _ => return None,
    };
    let directory = word(head, 4, word_of)? as usize;
    let entries = half(head, directory, half_of)? as usize;
    // The value of a tag, or the first of several, which lie elsewhere if four bytes do not hold them.
    let value = |tag: u64| {
        let entry = (0..entries).map(|i| directory + 2 + 12 * i).find(|at| half(head, *at, half_of) == Some(tag))?;
        let (kind, count) = (half(head, entry + 2, half_of)?, word(head, entry + 4, word_of)?);
        let outside = word(head, entry + 8, word_of)? as usize;
        match kind {
            3 => half(head, if count > 2 { outside } else { entry + 8 }, half_of),
            4 => word(head, if count > 1 { outside } else { entry + 8 }, word_of),
            _ => None,
        }
    };
    let [width, height, bits, compression, colours, samples] = [256, 257, 258, 259, 262, 277].map(value);
    let factor = match compression.unwrap_or(1) {
        1 => 1,
        5 => LZW,
        8 | 32946 => DEFLATE,
        32773 => PACK_BITS,
        _ => return None,
    };
    // Not colours whose channels have sizes of their own.
    let whole = matches!(colours?, 0..=3 | 5);
    let (width, height) = (width?, height?);
    check_size(width, height).ok()?;
    let bits = bits.unwrap_or(1).min(64) * samples.unwrap_or(1);
    whole.then_some(width * height * bits / 8 / factor)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::RgbImage;

    use super::*;

    /// A file of 3 × 2 pixels, and where it says so.
    fn tiff() -> (Vec<u8>, usize) {
        let mut file = Cursor::new(Vec::new());
        RgbImage::new(3, 2).write_to(&mut file, ImageFormat::Tiff).unwrap();
        let file = file.into_inner();
        let width = file.windows(4).position(|entry| entry == [0, 1, 4, 0]).expect("a width of four bytes") + 8;
        (file, width)
    }

    #[test]
    fn a_tiff_has_the_bytes_that_its_size_needs() {
        let (mut file, width) = tiff();
        assert_eq!(tiff_length(&file), Some(18));
        check_length(ImageFormat::Tiff, &file, file.len() as u64).unwrap();
        file[width..width + 4].copy_from_slice(&(1u32 << 24).to_le_bytes());
        let said = check_length(ImageFormat::Tiff, &file, file.len() as u64).unwrap_err().to_string();
        assert_eq!(said, format!("is truncated: expected {} bytes or more, found {} bytes", 6 << 24, file.len()));
        // Nothing is said of a size that is refused for itself, nor where the directory is not among the bytes.
        file[width..width + 4].fill(255);
        assert_eq!((tiff_length(&file), tiff_length(&file[..10])), (None, None));
    }

    #[test]
    fn compressed_files_may_be_small() {
        let lzw = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pil/lzw.tif");
        let file = std::fs::read(lzw).unwrap();
        let least = tiff_length(&file).expect("its directory");
        assert!((1..file.len() as u64).contains(&least), "{least} of {}", file.len());
    }
}
