//! What can be wrong with a JPEG.

/// What is wrong with a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It ends too early.
    #[error("the file is truncated: it ends after {length} bytes, within the image")]
    Cut {
        /// The number of bytes of the file.
        length: usize,
    },
    /// There is a marker within the data of the image.
    #[error("the data is damaged: a marker at byte {position}, within the image")]
    Early {
        /// Its position.
        position: usize,
    },
    /// There is data after the last block.
    #[error("the data is damaged: there is more of it than the image has blocks, before byte {position}")]
    LeftOver {
        /// Its position.
        position: usize,
    },
    /// An invalid code.
    #[error("the data is damaged: no valid code before byte {position}")]
    Code {
        /// Its position.
        position: usize,
    },
    /// A marker is missing.
    #[error("the file is damaged: expected a marker at byte {position}, found none")]
    NoMarker {
        /// Its position.
        position: usize,
    },
    /// A header that contradicts itself or the file.
    #[error("the file is damaged: the {what} at byte {position} is invalid")]
    Segment {
        /// What it is.
        what: &'static str,
        /// Its position.
        position: usize,
    },
    /// A table or component that is used but not defined.
    #[error("the file is damaged: no {what} for the image data at byte {position}")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its position.
        position: usize,
    },
    /// It ends before all of its scans.
    #[error("the data is damaged: the image ends at byte {position}, before all of its scans")]
    Scans {
        /// Its position.
        position: usize,
    },
    /// An unsupported kind of JPEG.
    #[error("a JPEG with {what} is not supported; save it as a baseline or progressive JPEG")]
    Unsupported {
        /// What is unsupported.
        what: &'static str,
    },
}
