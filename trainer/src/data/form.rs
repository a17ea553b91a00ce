//! The supported image formats, which are recognised by their first bytes and not by their names (ImageNet has a PNG named .JPEG), and the flaws of
//! image files.

use image::{ImageError, ImageFormat, ImageReader, Limits};
use std::io::{BufRead, Seek};
use std::path::Path;

use super::jpeg;

/// The extensions of files that are taken for images.
pub(super) const ENDINGS: [&str; 7] = ["jpeg", "jpg", "png", "bmp", "webp", "tif", "tiff"];
/// The names of the formats in messages.
const NAMES: &str = "JPEG, PNG, BMP, WebP, TIFF";
const FORMS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff];
/// The largest number of pixels of an image: one that claims more is a mistake, or made to exhaust memory.
const MAX_PIXELS: u64 = 1 << 27;
/// The memory limit of decoders, in bytes.
const MAX_MEMORY: u64 = 1 << 31;
/// The number of first bytes that a message shows of a file in none of these formats.
const SHOWN: usize = 12;

/// Why a file is not a usable image.
#[derive(Debug, thiserror::Error)]
pub enum ImageFlaw {
    /// The system cannot read it.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// A broken link.
    #[error("is a link to {}, which cannot be read: {source}", target.display())]
    Link {
        /// Its target.
        target: std::path::PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It has no bytes.
    #[error("is empty")]
    Empty,
    /// It is something else, whatever its name says.
    #[error("is not an image: expected {NAMES}, found {found}")]
    Other {
        /// What it is, or its first bytes.
        found: String,
    },
    /// It is truncated.
    #[error("is truncated: expected {expected}, found {found} bytes")]
    Cut {
        /// What was expected.
        expected: String,
        /// Its length.
        found: u64,
    },
    /// A damaged, incomplete or unsupported JPEG.
    #[error("{}", of_jpeg(.0))]
    Jpeg(#[from] jpeg::Flaw),
    /// An error of the decoder of another format.
    #[error("is a damaged or incomplete image{}", said(.0))]
    Decode(Box<ImageError>),
    /// An unsupported variant of a supported format.
    #[error("is of an unsupported kind{}; save it in another format, such as PNG", said(.0))]
    Kind(Box<ImageError>),
    /// It has too many pixels.
    #[error("is too large: {width} × {height} pixels; at most {MAX_PIXELS} are allowed (11585 × 11585)")]
    TooLarge {
        /// Its width.
        width: u64,
        /// Its height.
        height: u64,
    },
    /// Its values have no defined range.
    #[error("has floating-point pixels, whose range is not standardised: save it with 8 or 16 bits per value")]
    Floats,
}

impl ImageFlaw {
    /// The flaw of a file, or of a link, that the system cannot open.
    pub(super) fn unreadable(path: &Path, source: std::io::Error) -> ImageFlaw {
        match std::fs::read_link(path) {
            Ok(target) => ImageFlaw::Link { target, source },
            Err(_) => ImageFlaw::Read(source),
        }
    }
}

fn of_jpeg(flaw: &jpeg::Flaw) -> String {
    let is_unsupported = matches!(flaw, jpeg::Flaw::Unsupported { .. });
    let what = if is_unsupported { "is of an unsupported kind" } else { "is a damaged or incomplete JPEG" };
    format!("{what}: {flaw}")
}

/// What a decoder says in words; values of its program, such as `ChunkType { … }`, are left out.
fn said(error: &ImageError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("Format error decoding ").unwrap_or(&text).trim_end_matches('.');
    let text = text.split_once(" while decoding").map_or(text, |(before, _)| before);
    if text.is_empty() || text.contains('{') { String::new() } else { format!(" ({text})") }
}

/// The format of a file with these first bytes.
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

/// Checks that an image of this size is accepted.
pub(super) fn check_size(width: u64, height: u64) -> Result<(), ImageFlaw> {
    let fits = width.checked_mul(height).is_some_and(|pixels| pixels <= MAX_PIXELS);
    if fits { Ok(()) } else { Err(ImageFlaw::TooLarge { width, height }) }
}

/// A decoder for a format, with the memory limit.
pub(super) fn reader<R: BufRead + Seek>(source: R, form: ImageFormat) -> ImageReader<R> {
    let mut reader = ImageReader::with_format(source, form);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    reader
}

/// The last chunk of every PNG.
pub(super) const PNG_END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82];

/// Checks that a PNG has its last chunk: the decoder does not need it, but an incomplete download lacks it.
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
