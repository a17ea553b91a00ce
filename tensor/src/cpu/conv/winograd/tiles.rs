//! Images to tiles and back. A tile's number at point (i, j) of channel c is `tiles[(i T + j) slot + tile width + c]`: a point is a row-major matrix
//! (tiles × channels), which products take in place, from either side.
//!
//! Vectors run over channels: of a few lines of an image, [`GROUP`] channels are transposed to pixels in cache. So no size of an image leaves
//! lanes empty, and borders are lines and columns of zeros.

#![allow(unsafe_code)]

use super::points;
use super::transpose::{from_groups, to_groups};
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::threads::Parts;
use std::ops::Range;

/// Channels that are transposed at once: a cache line of them.
pub const GROUP: usize = 16;

/// Where the tiles of some rows of tiles of one image are.
pub struct Place {
    pub channels: usize,
    pub rows: Range<usize>,
    /// Tiles of a row.
    pub columns: usize,
    /// Floats from point to point.
    pub slot: usize,
    /// Floats from tile to tile.
    pub width: usize,
    /// The number of the first tile.
    pub first: usize,
}

impl Place {
    /// Floats of all tiles.
    fn len(&self, points: usize) -> usize {
        (points - 1) * self.slot + (self.first + self.rows.len() * self.columns) * self.width
    }
}

/// An image to tiles. `GRAD`: to tiles of T − 2 output gradients, expanded by A, instead of overlapping tiles of inputs, transformed by Bᵀ.
pub struct ToTiles<'a, const T: usize, const GRAD: bool> {
    pub at: Place,
    pub x: &'a [f32],
    /// The image's size, and the zeros before it, which output gradients have not.
    pub size: [usize; 2],
    pub padding: [usize; 2],
    pub tiles: Parts<f32>,
}

impl<const T: usize, const GRAD: bool> Kernel for ToTiles<'_, T, GRAD> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let ToTiles { at, x, size: [h, w], padding: [above, left], tiles } = self;
        let (m, window) = (T - 2, if GRAD { T - 2 } else { T });
        let pitch = m * at.columns + window - m;
        assert!(x.len() >= at.channels * h * w && w + left <= pitch && at.width >= at.channels.next_multiple_of(GROUP));
        let tiles = tiles.ptr(0..at.len(T * T)); // other tasks write other tiles
        // Lines of the image, one of zeros, and the lines after the vertical transform, with their zero borders.
        let mut own = Scratch::zeros(((T + 1) * w + T * pitch) * GROUP);
        let (lines, rest) = own.split_at_mut(T * w * GROUP);
        let (zero, half) = rest.split_at_mut(w * GROUP);
        let lines_of = |ty: usize| {
            let end = h.min((m * ty + window).saturating_sub(above));
            end.min((m * ty).saturating_sub(above))..end
        };
        for c in (0..at.channels).step_by(GROUP) {
            let live = GROUP.min(at.channels - c);
            if live < GROUP {
                lines.fill(0.0);
            }
            let mut have = 0..0usize;
            for (r, ty) in at.rows.clone().enumerate() {
                let need = lines_of(ty);
                let kept = if r > 0 { have.end.saturating_sub(need.start) } else { 0 };
                lines.copy_within((have.len() - kept) * w * GROUP..have.len() * w * GROUP, 0);
                let new = need.start + kept;
                have = need.clone();
                if new < need.end {
                    to_groups(
                        s,
                        &x[(c * h + new) * w..],
                        h * w,
                        live,
                        (need.end - new) * w,
                        &mut lines[kept * w * GROUP..],
                    );
                }
                // The lines of a channel are too short for the hardware to foresee the next: those of the next row of tiles, or of the next group. A hint may
                // lie outside the image.
                let (channel, ahead) = match r + 1 < at.rows.len() {
                    true => (c, have.end..lines_of(ty + 1).end),
                    false => (c + GROUP, lines_of(at.rows.start)),
                };
                for k in channel..channel + GROUP {
                    for pixel in (ahead.start * w..ahead.end * w).step_by(16) {
                        s.prefetch(x.as_ptr().wrapping_add(k * h * w + pixel));
                    }
                }
                let mut row = [zero.as_ptr(); T];
                for (i, row) in row.iter_mut().enumerate().take(window) {
                    let y = (m * ty + i).wrapping_sub(above);
                    if have.contains(&y) {
                        *row = lines[(y - have.start) * w * GROUP..].as_ptr();
                    }
                }
                let out = tiles.wrapping_add((at.first + r * at.columns) * at.width + c);
                // SAFETY: `row` are lines of w groups; `half` holds T lines of `pitch` groups, left + w ≤ pitch; `tiles` by `ptr`.
                unsafe {
                    vertical::<S, T, GRAD>(s, row, w, half.as_mut_ptr().add(left * GROUP), pitch);
                    horizontal::<S, T, GRAD>(s, half.as_ptr(), pitch, out, &at);
                }
            }
        }
    }
}

#[inline(always)]
fn transform<S: Simd, const T: usize, const GRAD: bool>(s: S, v: [S::F; T]) -> [S::F; T] {
    if GRAD { points::output_grad(s, v) } else { points::input(s, v) }
}

/// Transforms columns of the window to T lines.
///
/// # Safety
/// `row` are lines of `w` groups, `half` T of them, `pitch` groups apart.
#[inline(always)]
unsafe fn vertical<S: Simd, const T: usize, const GRAD: bool>(
    s: S,
    row: [*const f32; T],
    w: usize,
    half: *mut f32,
    pitch: usize,
) {
    let window = if GRAD { T - 2 } else { T };
    for v in (0..w * GROUP).step_by(S::N) {
        let mut x = [s.splat(0.0); T];
        for i in 0..window {
            // SAFETY: as the caller promises.
            x[i] = unsafe { s.load_ptr(row[i].add(v)) };
        }
        let x = transform::<S, T, GRAD>(s, x);
        for i in 0..T {
            // SAFETY: as the caller promises.
            unsafe { s.store_ptr(half.add(i * pitch * GROUP + v), x[i]) }
        }
    }
}

/// Transforms the T lines to a row of tiles, one group of channels.
///
/// # Safety
/// `half` are T lines of `pitch` groups, and the tiles at `out` are this task's alone.
#[inline(always)]
unsafe fn horizontal<S: Simd, const T: usize, const GRAD: bool>(
    s: S,
    half: *const f32,
    pitch: usize,
    out: *mut f32,
    at: &Place,
) {
    let (m, window) = (T - 2, if GRAD { T - 2 } else { T });
    for tx in 0..at.columns {
        for v in (0..GROUP).step_by(S::N) {
            for i in 0..T {
                // SAFETY: as the caller promises.
                unsafe {
                    let from = half.add((i * pitch + m * tx) * GROUP + v);
                    let mut x = [s.splat(0.0); T];
                    for j in 0..window {
                        x[j] = s.load_ptr(from.add(j * GROUP));
                    }
                    let x = transform::<S, T, GRAD>(s, x);
                    for j in 0..T {
                        s.store_ptr(out.add(tx * at.width + (i * T + j) * at.slot + v), x[j]);
                    }
                }
            }
        }
    }
}

/// Tiles to the lines of an image, by Aᵀ, plus the bias. Whether all of them are finite. The lines of other tasks' tiles are not touched.
pub struct FromTiles<'a, const T: usize> {
    pub at: Place,
    pub tiles: &'a [f32],
    /// Of each channel, whole groups.
    pub bias: &'a [f32],
    pub y: Parts<f32>,
    pub size: [usize; 2],
}

impl<const T: usize> Kernel for FromTiles<'_, T> {
    type Out = bool;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let FromTiles { at, tiles, bias, y, size: [h, w] } = self;
        let m = T - 2;
        let pitch = m * at.columns;
        let wide = at.channels.next_multiple_of(GROUP);
        assert!(
            w <= pitch
                && at.rows.end * m < h + m
                && at.width >= wide
                && bias.len() >= wide
                && tiles.len() >= at.len(T * T)
        );
        let mut own = Scratch::new((T * pitch + m * w) * GROUP);
        let (half, lines) = own.split_at_mut(T * pitch * GROUP);
        // 0 × a number is 0, unless it is infinite or NaN.
        let mut zeros = s.splat(0.0);
        for c in (0..at.channels).step_by(GROUP) {
            let live = GROUP.min(at.channels - c);
            for (r, ty) in at.rows.clone().enumerate() {
                let (start, n) = (c * h * w + m * ty * w, (h.min(m * ty + m) - m * ty) * w);
                for k in 0..live {
                    let to = start + k * h * w;
                    for pixel in (0..n).step_by(16) {
                        s.prefetch(y.ptr(to..to + n).wrapping_add(pixel));
                    }
                }
                // SAFETY: `tiles` and `bias` as asserted; `half` holds T lines of `pitch` groups, `lines` m of w ≤ pitch.
                zeros = unsafe {
                    let from = tiles.as_ptr().add((at.first + r * at.columns) * at.width + c);
                    rows_of_tiles::<S, T>(s, from, &at, half.as_mut_ptr(), pitch);
                    columns_of_tiles::<S, T>(s, half.as_ptr(), pitch, bias[c..].as_ptr(), lines.as_mut_ptr(), w, zeros)
                };
                from_groups(s, lines, n, live, y, start, h * w);
            }
        }
        s.sum(zeros) == 0.0
    }
}

/// Transforms the lines of a row of tiles, one group of channels.
///
/// # Safety
/// `from` are tiles of the place; `half` has room for T lines of `pitch` groups.
#[inline(always)]
unsafe fn rows_of_tiles<S: Simd, const T: usize>(s: S, from: *const f32, at: &Place, half: *mut f32, pitch: usize) {
    let m = T - 2;
    for tx in 0..at.columns {
        for v in (0..GROUP).step_by(S::N) {
            for i in 0..T {
                // SAFETY: as the caller promises.
                unsafe {
                    let mut x = [s.splat(0.0); T];
                    for j in 0..T {
                        x[j] = s.load_ptr(from.add(tx * at.width + (i * T + j) * at.slot + v));
                    }
                    let x = points::output(s, x);
                    for j in 0..m {
                        s.store_ptr(half.add((i * pitch + m * tx + j) * GROUP + v), x[j]);
                    }
                }
            }
        }
    }
}

/// Transforms the columns, and adds the bias; returns `zeros` plus 0 times every result.
///
/// # Safety
/// `half` are T lines of `pitch` groups, `bias` is one group, and `lines` has room for m lines of w.
#[inline(always)]
unsafe fn columns_of_tiles<S: Simd, const T: usize>(
    s: S,
    half: *const f32,
    pitch: usize,
    bias: *const f32,
    lines: *mut f32,
    w: usize,
    mut zeros: S::F,
) -> S::F {
    let m = T - 2;
    for v in (0..w * GROUP).step_by(S::N) {
        // SAFETY: as the caller promises.
        unsafe {
            let mut x = [s.splat(0.0); T];
            for i in 0..T {
                x[i] = s.load_ptr(half.add(i * pitch * GROUP + v));
            }
            let x = points::output(s, x);
            let bias = s.load_ptr(bias.add(v % GROUP));
            for i in 0..m {
                let y = s.add(x[i], bias);
                zeros = s.fma(y, s.splat(0.0), zeros);
                s.store_ptr(lines.add(i * w * GROUP + v), y);
            }
        }
    }
    zeros
}
