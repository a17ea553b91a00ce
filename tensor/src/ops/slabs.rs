//! The parts of images that a range of outputs reads, for windows that move over them, and what parts become again.

use crate::tensor::Tensor;
use std::ops::Range;

/// What the outputs of a range read along one axis.
pub(super) struct Slab {
    /// The elements, those of the padding left out.
    pub inputs: Range<usize>,
    /// The padding that they still need before and after.
    pub padding: [usize; 2],
}

/// For outputs that each read `window` elements, the first from `stride · output − before` on, of `size`.
pub(super) fn slab(outputs: &Range<usize>, stride: usize, window: usize, before: isize, size: usize) -> Slab {
    let first = (outputs.start * stride) as isize - before;
    let end = ((outputs.end - 1) * stride + window) as isize - before;
    let inside = |v: isize| v.clamp(0, size as isize) as usize;
    let inputs = inside(first)..inside(end);
    // Outputs of padding alone read nothing.
    let padding = [inputs.start as isize - first, end - inputs.end as isize].map(|n| n.max(0) as usize);
    Slab { inputs, padding }
}

/// The two halves of 0 .. n.
pub(super) fn halves(n: usize) -> [Range<usize>; 2] {
    [0..n.div_ceil(2), n.div_ceil(2)..n]
}

/// These places of (n, c, h, w).
pub(super) fn part(t: &Tensor, ranges: &[Range<usize>; 2]) -> Tensor {
    t.slice(2, ranges[0].start, ranges[0].end).slice(3, ranges[1].start, ranges[1].end)
}

/// (n, c, h, w) put at these places of larger images of zeros.
pub(super) fn placed(t: &Tensor, at: &[Range<usize>; 2], size: [usize; 2]) -> Tensor {
    t.pad(2, at[0].start, size[0] - at[0].end, 0.0).pad(3, at[1].start, size[1] - at[1].end, 0.0)
}
