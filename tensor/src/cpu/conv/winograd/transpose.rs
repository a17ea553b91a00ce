//! Planes of channels to pixels with [`GROUP`] channels each, and back. Sixteen pixels of four channels at a time, whole cache lines, because planes
//! 4 KiB apart share a set of the first cache.

#![allow(unsafe_code)]

use super::tiles::GROUP;
use crate::cpu::simd::Simd;
use crate::cpu::threads::Parts;

/// Pixels whose lines are finished before the next are begun.
const PIXELS: usize = 16;

/// Calls `four(pixel, channel)` for blocks of 4 × 4 and `one` for the others, of `n` pixels of `live` channels.
#[inline(always)]
fn blocks(live: usize, n: usize, four: impl Fn(usize, usize), one: impl Fn(usize, usize)) {
    for first in (0..n).step_by(PIXELS) {
        let end = n.min(first + PIXELS);
        for c in (0..live).step_by(4) {
            let whole = if live - c >= 4 { first + (end - first) / 4 * 4 } else { first };
            (first..whole).step_by(4).for_each(|q| four(q, c));
            (whole..end).for_each(|q| (c..live.min(c + 4)).for_each(|i| one(q, i)));
        }
    }
}

/// `n` pixels of `live` channels, planes `stride` apart, to `n` groups. The other channels of a group keep what they held.
#[inline(always)]
pub fn to_groups<S: Simd>(s: S, from: &[f32], stride: usize, live: usize, n: usize, to: &mut [f32]) {
    if n == 0 {
        return;
    }
    assert!(from.len() >= (live - 1) * stride + n && to.len() >= n * GROUP);
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    // SAFETY (both): indices are below `n` and `live`, for which there is room as asserted.
    let four = |q, c| unsafe { s.transpose4(from.add(c * stride + q), stride, to.add(q * GROUP + c), GROUP) };
    let one = |q, c| unsafe { *to.add(q * GROUP + c) = *from.add(c * stride + q) };
    blocks(live, n, four, one);
}

/// The reverse, to planes that begin at `start`.
#[inline(always)]
pub fn from_groups<S: Simd>(s: S, from: &[f32], n: usize, live: usize, to: Parts<f32>, start: usize, stride: usize) {
    assert!(from.len() >= n * GROUP);
    let (from, to) = (from.as_ptr(), to.ptr(start..start + (live - 1) * stride + n));
    // SAFETY (both): indices are below `n` and `live`, for which there is room as asserted here and by `ptr`.
    let four = |q, c| unsafe { s.transpose4(from.add(q * GROUP + c), GROUP, to.add(c * stride + q), stride) };
    let one = |q, c| unsafe { *to.add(c * stride + q) = *from.add(q * GROUP + c) };
    blocks(live, n, four, one);
}
