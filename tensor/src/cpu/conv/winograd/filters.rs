//! Kernels to points, and gradients at the points back to kernels; vectors run over output channels.

#![allow(unsafe_code)]

use super::transpose::{from_groups, to_groups};
use super::{Kernels, points, tiles::GROUP};
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::threads::Parts;
use std::ops::Range;

/// Input channels whose taps are transposed at once: whole lines of the kernels, as rows that are 18 KiB apart (512 channels) share sets of the first
/// cache.
const CHUNK: usize = 16;

/// One panel of output channels (`width` of them, `super::task_width`) from `first` on of U = G w Gᵀ for some input channels: `u[(i T + j) slot + row width + channel]`, the packed right
/// factor of each point's product.
pub struct Filters<'a, const T: usize> {
    pub kernels: Kernels<'a>,
    pub width: usize,
    pub first: usize,
    pub rows: Range<usize>,
    pub slot: usize,
    pub u: &'a mut [f32],
}

impl<const T: usize> Kernel for Filters<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Filters { kernels: Kernels { w, c_in, c_out, flip }, width, first, rows, slot, u } = self;
        assert!(w.len() >= c_in * c_out * 9 && slot >= rows.len() * width && u.len() >= T * T * slot);
        let mut taps = [0.0f32; CHUNK * 9 * GROUP];
        for c in (0..width.min(c_out - first)).step_by(GROUP) {
            let (o, live) = (first + c, GROUP.min(c_out - first - c));
            if live < GROUP {
                taps.fill(0.0);
            }
            for k0 in rows.clone().step_by(CHUNK) {
                let n = CHUNK.min(rows.end - k0);
                if flip {
                    for (k, taps) in (k0..k0 + n).zip(taps.chunks_exact_mut(9 * GROUP)) {
                        to_groups(s, &w[(k * c_out + o) * 9..], 9, live, 9, taps);
                    }
                } else {
                    to_groups(s, &w[(o * c_in + k0) * 9..], c_in * 9, live, n * 9, &mut taps);
                }
                for v in (0..GROUP).step_by(S::N) {
                    for k in 0..n {
                        let tap = |t: usize| s.load(&taps[(k * 9 + if flip { 8 - t } else { t }) * GROUP + v..]);
                        let at = (k0 + k - rows.start) * width + c + v;
                        // SAFETY: as asserted.
                        unsafe { store_points::<S, T>(s, tap, u.as_mut_ptr().add(at), slot) }
                    }
                }
            }
        }
    }
}

/// G w Gᵀ.
///
/// # Safety
/// There is a vector at each of the T² points from `u` on.
#[inline(always)]
unsafe fn store_points<S: Simd, const T: usize>(s: S, tap: impl Fn(usize) -> S::F, u: *mut f32, slot: usize) {
    let mut half = [[s.splat(0.0); 3]; T];
    for j in 0..3 {
        let column = points::weight::<S, T>(s, [tap(j), tap(3 + j), tap(6 + j)]);
        for i in 0..T {
            half[i][j] = column[i];
        }
    }
    for i in 0..T {
        let row = points::weight::<S, T>(s, half[i]);
        for j in 0..T {
            // SAFETY: as the caller promises.
            unsafe { s.store_ptr(u.add((i * T + j) * slot), row[j]) }
        }
    }
}

/// `dw (c_out, c_in, 3, 3) [+]= Gᵀ sums G` for some input channels and the panel of output channels from `first` on; the
/// sums at the points are laid out as [`Filters`] lays out its own. Whether all results are finite.
pub struct FilterGrads<'a, const T: usize> {
    pub sums: &'a [f32],
    pub c_in: usize,
    pub c_out: usize,
    pub width: usize,
    pub first: usize,
    pub rows: Range<usize>,
    pub slot: usize,
    pub add: bool,
    pub dw: Parts<f32>,
}

impl<const T: usize> Kernel for FilterGrads<'_, T> {
    type Out = bool;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let FilterGrads { sums, c_in, c_out, width, first, rows, slot, add, dw } = self;
        assert!(slot >= rows.len() * width && sums.len() >= T * T * slot);
        let mut taps = [0.0f32; CHUNK * 9 * GROUP];
        // 0 × a number is 0, unless it is infinite or NaN.
        let (mut zeros, mut sum_of_zeros) = (s.splat(0.0), 0.0);
        for c in (0..width.min(c_out - first)).step_by(GROUP) {
            let live = GROUP.min(c_out - first - c);
            for k0 in rows.clone().step_by(CHUNK) {
                let n = CHUNK.min(rows.end - k0);
                for v in (0..GROUP).step_by(S::N) {
                    for k in 0..n {
                        let at = (k0 + k - rows.start) * width + c + v;
                        // SAFETY: as asserted.
                        let own = unsafe { load_taps::<S, T>(s, sums.as_ptr().add(at), slot) };
                        for (t, tap) in own.into_iter().enumerate() {
                            zeros = s.fma(tap, s.splat(0.0), zeros);
                            s.store(&mut taps[(k * 9 + t) * GROUP + v..], tap);
                        }
                    }
                }
                let start = ((first + c) * c_in + k0) * 9;
                if !add {
                    from_groups(s, &taps, n * 9, live, dw, start, c_in * 9);
                    continue;
                }
                for l in 0..live {
                    let at = start + l * c_in * 9;
                    // SAFETY: each task has its own pairs of channels.
                    let dw = unsafe { dw.range(at..at + n * 9) };
                    for (dw, taps) in dw.iter_mut().zip(taps.chunks_exact(GROUP)) {
                        *dw += taps[l];
                        sum_of_zeros += 0.0 * *dw;
                    }
                }
            }
        }
        s.sum(zeros) + sum_of_zeros == 0.0
    }
}

/// Gᵀ v G.
///
/// # Safety
/// There is a vector at each of the T² points from `sums` on.
#[inline(always)]
unsafe fn load_taps<S: Simd, const T: usize>(s: S, sums: *const f32, slot: usize) -> [S::F; 9] {
    let mut half = [[s.splat(0.0); T]; 3];
    for j in 0..T {
        let mut v = [s.splat(0.0); T];
        for i in 0..T {
            // SAFETY: as the caller promises.
            v[i] = unsafe { s.load_ptr(sums.add((i * T + j) * slot)) };
        }
        let column = points::weight_grad(s, v);
        for i in 0..3 {
            half[i][j] = column[i];
        }
    }
    let mut taps = [s.splat(0.0); 9];
    for i in 0..3 {
        let row = points::weight_grad(s, half[i]);
        for j in 0..3 {
            taps[3 * i + j] = row[j];
        }
    }
    taps
}
