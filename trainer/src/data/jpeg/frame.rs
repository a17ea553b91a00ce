//! Frame headers: the image's size, and the layout of its blocks.

use super::flaw::Flaw;

/// The number of samples along a side of a block.
const SIDE: usize = 8;

/// The mark of a coefficient that no scan has sent yet: more bits than a coefficient has.
pub(super) const UNSENT: u8 = u8::MAX;

/// A component: one of the image's colour channels.
pub(super) struct Component {
    pub id: u8,
    /// The number of blocks per MCU, horizontally and vertically.
    pub across: usize,
    pub down: usize,
    /// The number of blocks that contain samples of the image, horizontally and vertically.
    pub columns: usize,
    pub rows: usize,
    /// The number of its quantisation table.
    pub quantisation: u8,
    /// For a progressive image: which coefficients of each block are nonzero so far. MCUs may extend beyond the image, so rows have `stride` blocks.
    pub known: Vec<u64>,
    pub stride: usize,
    /// By coefficient: the number of bits still to come; [`UNSENT`] if no scan has sent any.
    pub missing: [u8; 64],
}

/// A frame.
pub(super) struct Frame {
    pub progressive: bool,
    /// The number of MCUs of an interleaved scan, horizontally and vertically.
    pub columns: usize,
    pub rows: usize,
    pub components: Vec<Component>,
}

/// The width and height in a frame header's content.
pub(super) fn size(content: &[u8], position: usize) -> Result<(usize, usize), Flaw> {
    let word = |at: usize| content[at..at + 2].iter().fold(0, |word, byte| word << 8 | usize::from(*byte));
    let whole = content.len() >= 6 && content.len() == 6 + 3 * usize::from(content[5]);
    match whole.then(|| (word(3), word(1))) {
        Some((width, height)) if width > 0 && height > 0 => Ok((width, height)),
        _ => Err(Flaw::Segment { what: "frame header", position }),
    }
}

impl Frame {
    /// Parses a frame header's content.
    pub fn new(progressive: bool, content: &[u8], position: usize) -> Result<Frame, Flaw> {
        let (width, height) = size(content, position)?;
        let flaw = Flaw::Segment { what: "frame header", position };
        let factors = |byte: u8| (usize::from(byte >> 4), usize::from(byte & 15));
        let parts = || content[6..].chunks_exact(3);
        if content[0] != 8 {
            return Err(Flaw::Unsupported { what: "other than 8 bits per value" });
        }
        let is_right = |part: &[u8]| (1..=4).contains(&(part[1] >> 4)) && (1..=4).contains(&(part[1] & 15));
        if !(1..=4).contains(&parts().len()) || !parts().all(is_right) {
            return Err(flaw);
        }
        let most = |of: fn(u8) -> u8| parts().map(|part| usize::from(of(part[1]))).max().unwrap_or(1);
        let (h_max, v_max) = (most(|byte| byte >> 4), most(|byte| byte & 15));
        let (columns, rows) = (width.div_ceil(SIDE * h_max), height.div_ceil(SIDE * v_max));
        let component = |part: &[u8]| {
            let (across, down) = factors(part[1]);
            let (stride, whole_rows) = (columns * across, rows * down);
            Component {
                id: part[0],
                across,
                down,
                columns: (width * across).div_ceil(h_max * SIDE),
                rows: (height * down).div_ceil(v_max * SIDE),
                quantisation: part[2],
                known: if progressive { vec![0; stride * whole_rows] } else { Vec::new() },
                stride,
                missing: [UNSENT; 64],
            }
        };
        Ok(Frame { progressive, columns, rows, components: parts().map(component).collect() })
    }
}
