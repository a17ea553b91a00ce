//! Planes of channels to pixels with [`GROUP`] channels each, and back. Sixteen pixels of four channels at a time, whole cache lines, because planes
//! 4 KiB apart share a set of the first cache.

#![allow(unsafe_code)]

use super::tiles::GROUP;
use crate::cpu::simd::Simd;
use crate::cpu::threads::Parts;

/// Pixels whose lines are finished before the next are begun.
const PIXELS: usize = 16;

/// `n` pixels of `live` channels, planes `stride` apart, to `n` groups. The other channels of a group keep what they held.
#[inline(always)]
pub fn to_groups<S: Simd>(s: S, from: &[f32], stride: usize, live: usize, n: usize, to: &mut [f32]) {
    if n == 0 {
        return;
    }
    assert!(from.len() >= (live - 1) * stride + n && to.len() >= n * GROUP);
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    for first in (0..n).step_by(PIXELS) {
        let end = n.min(first + PIXELS);
        for c in (0..live).step_by(4) {
            let whole = if live - c >= 4 { first + (end - first) / 4 * 4 } else { first };
            // SAFETY: all indices are below `n` and `live`, for which there is room as asserted.
            unsafe {
                for q in (first..whole).step_by(4) {
                    s.transpose4(from.add(c * stride + q), stride, to.add(q * GROUP + c), GROUP);
                }
                for q in whole..end {
                    for i in c..live.min(c + 4) {
                        *to.add(q * GROUP + i) = *from.add(i * stride + q);
                    }
                }
            }
        }
    }
}

/// The reverse, to planes that begin at `start`.
#[inline(always)]
pub fn from_groups<S: Simd>(s: S, from: &[f32], n: usize, live: usize, to: Parts<f32>, start: usize, stride: usize) {
    assert!(from.len() >= n * GROUP);
    let (from, to) = (from.as_ptr(), to.ptr(start..start + (live - 1) * stride + n));
    for first in (0..n).step_by(PIXELS) {
        let end = n.min(first + PIXELS);
        for c in (0..live).step_by(4) {
            let whole = if live - c >= 4 { first + (end - first) / 4 * 4 } else { first };
            // SAFETY: all indices are below `n` and `live`, for which there is room as asserted here and by `ptr`.
            unsafe {
                for q in (first..whole).step_by(4) {
                    s.transpose4(from.add(q * GROUP + c), GROUP, to.add(c * stride + q), stride);
                }
                for q in whole..end {
                    for i in c..live.min(c + 4) {
                        *to.add(i * stride + q) = *from.add(q * GROUP + i);
                    }
                }
            }
        }
    }
}
