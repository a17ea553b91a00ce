//! The forms of image files that are read, told by their first bytes and not by their names (ImageNet has a PNG that is called .JPEG), and what can be wrong with one.

use image::{ImageError, ImageFormat, ImageReader, Limits};
use std::io::{BufRead, Seek};

use super::jpeg;

/// The endings of names that are taken for images.
pub(super) const ENDINGS: [&str; 7] = ["jpeg", "jpg", "png", "bmp", "webp", "tif", "tiff"];
/// What they are called in messages.
const NAMES: &str = "JPEG, PNG, BMP, WebP, TIFF";
const FORMS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff];
/// The most pixels of an image: one that claims more is a mistake, or made to fill the memory.
const MOST_PIXELS: u64 = 1 << 27;
/// The most memory that a decoder may take for such an image, in bytes.
const MOST_MEMORY: u64 = 1 << 31;
/// First bytes that a message shows of a file that is none of these.
const SHOWN: usize = 12;

/// Why a file is no image that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageFlaw {
    /// The system does not give it.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// A link to nothing.
    #[error("is a link to {}, which cannot be read: {source}", target.display())]
    Link {
        /// Where it leads.
        target: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a byte is in it.
    #[error("is empty")]
    Empty,
    /// Something else, whatever its name says.
    #[error("is no image: expected {NAMES}, found {found}")]
    Other {
        /// What it is, or its first bytes.
        found: String,
    },
    /// It is cut off.
    #[error("is cut off: expected {expected}, found {found} bytes")]
    Cut {
        /// What it should hold.
        expected: String,
        /// Its length.
        found: u64,
    },
    /// A JPEG that is not whole.
    #[error("is no whole JPEG: {0}")]
    Jpeg(#[from] jpeg::Flaw),
    /// What the decoder of another form found.
    #[error("is no whole image: {0}")]
    Decode(Box<ImageError>),
    /// A rarer kind of a form that is read.
    #[error("is of a kind that is not read: {0}; save it in another form, such as PNG")]
    Kind(Box<ImageError>),
    /// It has more pixels than any image that is meant.
    #[error("is too large: {width} × {height} pixels, and an image may have {MOST_PIXELS} at most (11585 × 11585)")]
    TooLarge {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// Its values have no scale.
    #[error("holds floating-point pixels, whose range no two programs agree on: save it with 8 or 16 bits a value")]
    Floats,
}

/// The form of a file with these first bytes.
pub(super) fn form(head: &[u8]) -> Result<ImageFormat, ImageFlaw> {
    let guessed = image::guess_format(head).ok();
    match guessed.filter(|form| FORMS.contains(form)) {
        Some(form) => Ok(form),
        None if head.is_empty() => Err(ImageFlaw::Empty),
        None => Err(ImageFlaw::Other { found: found(head, guessed) }),
    }
}

fn found(head: &[u8], guessed: Option<ImageFormat>) -> String {
    let start = head[..head.len().min(SHOWN)].escape_ascii();
    match guessed {
        Some(form) => format!("{form:?}"),
        None => format!("a file that begins with \"{start}\""),
    }
}

/// Whether an image of this size is taken.
pub(super) fn check_size(width: u64, height: u64) -> Result<(), ImageFlaw> {
    let fits = width.checked_mul(height).is_some_and(|pixels| pixels <= MOST_PIXELS);
    if fits { Ok(()) } else { Err(ImageFlaw::TooLarge { width, height }) }
}

/// A reader of images of a form, that takes no more memory than the largest of them needs.
pub(super) fn reader<R: BufRead + Seek>(source: R, form: ImageFormat) -> ImageReader<R> {
    let mut reader = ImageReader::with_format(source, form);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    reader
}

/// Whether a file of this form and length can be whole, as far as its first bytes say how long it should be.
pub(super) fn check_length(form: ImageFormat, head: &[u8], length: u64) -> Result<(), ImageFlaw> {
    let word = |at: usize| head.get(at..at + 4).map(|b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    let expected = match form {
        // RIFF says how many bytes follow its first eight.
        ImageFormat::WebP => word(4).map(|rest| rest + 8),
        ImageFormat::Bmp => bitmap_length(head, word),
        _ => None,
    };
    match expected.filter(|expected| length < *expected) {
        Some(expected) => Err(ImageFlaw::Cut { expected: format!("{expected} bytes or more"), found: length }),
        None => Ok(()),
    }
}

/// The length of a bitmap that is not compressed: where its pixels start, and rows that are filled up to four bytes.
fn bitmap_length(head: &[u8], word: impl Fn(usize) -> Option<u64>) -> Option<u64> {
    let bits = u64::from(u16::from_le_bytes([*head.get(28)?, *head.get(29)?]));
    let [start, header, width, height, compression] = [10, 14, 18, 22, 30].map(word);
    let rows = u64::from((height? as u32 as i32).unsigned_abs());
    let plain = header? >= 40 && compression? == 0;
    let row = width?.checked_mul(bits)?.div_ceil(32).checked_mul(4)?;
    plain.then(|| start?.checked_add(row.checked_mul(rows)?)).flatten()
}

/// The last chunk of every PNG.
pub(super) const PNG_END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82];

/// Whether a PNG goes on to its last chunk: what its decoder has no need of, an unfinished download lacks all the same.
pub(super) fn check_png_end(data: &[u8]) -> Result<(), ImageFlaw> {
    let mut at = 8;
    while let Some(head) = data.get(at..at + PNG_END.len()) {
        if *head == PNG_END {
            return Ok(());
        }
        at += 12 + u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    }
    Err(ImageFlaw::Cut { expected: "a chunk IEND at the end".to_owned(), found: data.len() as u64 })
}
