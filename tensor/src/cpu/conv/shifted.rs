//! Products with a shifted image: the micro-kernel of matrix products, whose B is the image's frame, found by a table of offsets instead of a
//! stride. Pixels are numbered along the lines of the frame, so that a vector runs over their ends; what lies between is not stored.

#![allow(unsafe_code)]

use super::frame::Frame;
use crate::cpu::gemm::{Mat, shape, tile_rows, transpose_in};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::{Kernel, Simd};
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;

/// Fewer images are laid out first, together, and cut into bands.
const IMAGES: usize = 4;
/// Taps of a block, whose part of the frame stays in the first cache while all channels pass.
const DEPTH: usize = 256;

/// `y = w ∗ x + bias` where outputs are neighbours ([`Frame::is_shifted`]).
pub fn forward(level: Level, g: &ConvGeometry, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let (co, taps) = (g.c_out / g.groups, g.c_in / g.groups * g.kernel[0] * g.kernel[1]);
    let pack = |group: usize, rows: Range<usize>, out: &mut [f32]| {
        let own = Mat::rows(&w[group * co * taps..(group + 1) * co * taps], taps);
        transpose_in(own, rows.start, rows.len(), 0, taps, rows.len(), out);
    };
    run(level, g, x, &pack, bias, y);
}

/// Whether [`input_grad`] can be used: the stride is 1, and the flipped kernel needs no negative padding.
pub fn has_input_grad(g: &ConvGeometry) -> bool {
    (0..2).all(|i| g.stride[i] == 1 && g.padding[i].iter().all(|p| *p <= (g.kernel[i] - 1) * g.dilation[i]))
}

/// The convolution whose forward pass with flipped and transposed weights is the input gradient.
pub fn transposed(g: &ConvGeometry) -> ConvGeometry {
    let padding = [0, 1].map(|i| g.padding[i].map(|p| (g.kernel[i] - 1) * g.dilation[i] - p));
    let (c_in, c_out, input, output) = (g.c_out, g.c_in, g.output, g.input);
    ConvGeometry { c_in, c_out, input, output, padding, ..g.clone() }
}

/// `dx = wᵀ ∗ dy + bias`, where [`has_input_grad`].
pub fn input_grad(level: Level, g: &ConvGeometry, dy: &[f32], w: &[f32], bias: Option<&[f32]>, dx: &mut [f32]) {
    let (ci, co, taps) = (g.c_in / g.groups, g.c_out / g.groups, g.kernel[0] * g.kernel[1]);
    let pack = |group: usize, rows: Range<usize>, out: &mut [f32]| {
        for o in 0..co {
            let from = ((group * co + o) * ci + rows.start) * taps;
            for (m, w) in w[from..from + rows.len() * taps].chunks_exact(taps).enumerate() {
                for (t, w) in w.iter().rev().enumerate() {
                    out[(o * taps + t) * rows.len() + m] = *w;
                }
            }
        }
    };
    run(level, &transposed(g), dy, &pack, bias, dx);
}

/// `pack(group, rows, out)` gives the weights of some output channels, a row of them for each tap.
fn run(
    level: Level,
    g: &ConvGeometry,
    x: &[f32],
    pack: &(impl Fn(usize, Range<usize>, &mut [f32]) + Sync),
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (ci, co, area) = (g.c_in / g.groups, g.c_out / g.groups, g.output[0] * g.output[1]);
    let frame = Frame::new(g, g.c_in).with_slack();
    let offsets = frame.offsets(0..ci);
    let mut weights = Scratch::new(g.c_out * offsets.len());
    let parts = Parts::new(&mut weights);
    let count = co.div_ceil(tile_rows(level));
    let tiles: Vec<Range<usize>> = (0..count).map(|tile| share(co, count, tile)).collect();
    parallel(g.groups * count, |i| {
        let rows = tiles[i % count].clone();
        let at = i / count * co + rows.start..i / count * co + rows.end;
        // SAFETY: each task has its own channels.
        let out = unsafe { parts.range(at.start * offsets.len()..at.end * offsets.len()) };
        pack(i / count, rows, out);
    });
    let (weights, none) = (&*weights, vec![0.0; if bias.is_some() { 0 } else { g.c_out }]);
    let (bias, out, size) = (bias.unwrap_or(&none), Parts::new(y), g.c_in * g.input[0] * g.input[1]);
    let group = |image: usize, held: &[f32], group: usize, band: usize, bands: usize| {
        let channels = group * co..(group + 1) * co;
        let product = ShiftedProduct {
            frame: &held[group * ci * frame.plane..],
            offsets: &offsets,
            tiles: &tiles,
            weights: &weights[channels.start * offsets.len()..channels.end * offsets.len()],
            bias: &bias[channels.clone()],
            out: out.skip((image * g.c_out + channels.start) * area),
            output: g.output,
            pitch: frame.pitch,
            pixels: frame.pixels(),
            band,
            bands,
        };
        dispatch_at(level, product);
    };
    if g.batch >= IMAGES {
        return parallel(g.batch, |image| {
            let mut held = Scratch::new(frame.len);
            frame.fill(&x[image * size..(image + 1) * size], &mut held);
            (0..g.groups).for_each(|i| group(image, &held, i, 0, 1));
        });
    }
    let held = fill_all(&frame, g, x);
    let bands = (2 * IMAGES).div_ceil(g.batch);
    parallel(g.batch * bands, |task| {
        let (image, band) = (task / bands, task % bands);
        let held = &held[image * frame.len..(image + 1) * frame.len];
        (0..g.groups).for_each(|i| group(image, held, i, band, bands));
    });
}

/// Lays out all images, some channels a task.
pub fn fill_all(frame: &Frame, g: &ConvGeometry, x: &[f32]) -> Scratch {
    let area = g.input[0] * g.input[1];
    let mut held = Scratch::new(g.batch * frame.len);
    let parts = Parts::new(&mut held);
    let cuts = frame.channels.min(8);
    parallel(g.batch * cuts, |task| {
        let (image, cut) = (task / cuts, task % cuts);
        let channels = share(frame.channels, cuts, cut);
        let end = if cut + 1 == cuts { frame.len } else { channels.end * frame.plane };
        // SAFETY: each task has its own channels, the last also what lies after them.
        let out = unsafe { parts.range(image * frame.len + channels.start * frame.plane..image * frame.len + end) };
        let first = image * frame.channels;
        frame.fill(&x[(first + channels.start) * area..(first + channels.end) * area], out);
    });
    held
}

/// One image and group: the outputs of all channels, in one of several bands of pixels.
struct ShiftedProduct<'a> {
    frame: &'a [f32],
    offsets: &'a [usize],
    /// The channels in tiles.
    tiles: &'a [Range<usize>],
    /// Tile after tile, in each a row for every tap.
    weights: &'a [f32],
    bias: &'a [f32],
    out: Parts<f32>,
    output: [usize; 2],
    pitch: usize,
    pixels: usize,
    band: usize,
    bands: usize,
}

/// Neighbouring pixels of a block that are stored together.
#[derive(Clone, Copy, Default)]
struct Run {
    lane: usize,
    pixel: usize,
    len: usize,
}

impl Kernel for ShiftedProduct<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (taps, channels, width) = (self.offsets.len(), self.bias.len(), 2 * S::N);
        let last = self.offsets.iter().copied().max().unwrap_or(0);
        assert!(self.frame.len() >= self.pixels + width + last && self.weights.len() >= channels * taps);
        // a vector more: runs are read from their first lane on
        let mut sums = Scratch::new((channels + 1) * width);
        let depths = taps.div_ceil(DEPTH);
        for block in share(self.pixels.div_ceil(width), self.bands, self.band) {
            for (row, bias) in sums.chunks_exact_mut(width).zip(self.bias) {
                s.store(row, s.splat(*bias));
                s.store(&mut row[S::N..], s.splat(*bias));
            }
            let frame = &self.frame[block * width..];
            for depth in 0..depths {
                let own = share(taps, depths, depth);
                let offsets = &self.offsets[own.clone()];
                for tile in self.tiles {
                    let weights = &self.weights[tile.start * taps + own.start * tile.len()..];
                    self.tile(s, offsets, weights, frame, tile.len(), &mut sums[tile.start * width..]);
                }
            }
            self.leave(s, block, &sums);
        }
    }
}

impl ShiftedProduct<'_> {
    /// Adds some taps to `m` channels.
    #[inline(always)]
    fn tile<S: Simd>(&self, s: S, offsets: &[usize], weights: &[f32], frame: &[f32], m: usize, sums: &mut [f32]) {
        assert!(sums.len() >= m * 2 * S::N);
        macro_rules! pick { ($($M:literal)*) => { match m {
            // SAFETY: the assertions here and in `run` bound every access.
            $($M if const { $M <= shape::<S>().0 } => unsafe { all_taps::<S, $M>(s, offsets, weights, frame, sums) },)*
            _ => unreachable!("a tile has at most as many rows as the instruction set allows"),
        } } }
        pick!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// Stores those of a block's pixels that are outputs.
    #[inline(always)]
    fn leave<S: Simd>(&self, s: S, block: usize, sums: &[f32]) {
        let (width, area) = (2 * S::N, self.output[0] * self.output[1]);
        let (runs, count) = self.runs::<S>(block);
        for channel in 0..self.bias.len() {
            for run in &runs[..count] {
                let at = channel * area + run.pixel;
                // SAFETY: each task has its own image and band.
                let out = unsafe { self.out.range(at..at + run.len) };
                s.store_part(out, s.load(&sums[channel * width + run.lane..]));
            }
        }
    }

    /// Which pixels of a block of two vectors are outputs, vector by vector.
    #[inline(always)]
    fn runs<S: Simd>(&self, block: usize) -> ([Run; 64], usize) {
        let (mut runs, mut count, mut lane) = ([Run::default(); 64], 0, 0);
        while lane < 2 * S::N {
            let at = block * 2 * S::N + lane;
            let (y, x) = (at / self.pitch, at % self.pitch);
            if y >= self.output[0] {
                break;
            }
            let rest = (S::N - lane % S::N).min(self.pitch - x);
            let len = rest.min(self.output[1].saturating_sub(x));
            if len > 0 {
                runs[count] = Run { lane, pixel: y * self.output[1] + x, len };
                count += 1;
            }
            lane += rest;
        }
        (runs, count)
    }
}

/// `M` output channels × two vectors of pixels, over some taps.
///
/// # Safety
/// `weights` holds M floats a tap, `frame` two vectors from every offset on, `sums` M times two vectors.
#[inline(always)]
unsafe fn all_taps<S: Simd, const M: usize>(s: S, offsets: &[usize], weights: &[f32], frame: &[f32], sums: &mut [f32]) {
    let (mut a, frame, c) = (weights.as_ptr(), frame.as_ptr(), sums.as_mut_ptr());
    let mut t = [[s.splat(0.0); 2]; M];
    // SAFETY: as the caller promises.
    unsafe {
        for i in 0..M {
            t[i] = [s.load_ptr(c.add(2 * i * S::N)), s.load_ptr(c.add((2 * i + 1) * S::N))];
        }
        for offset in offsets {
            let b = frame.add(*offset);
            let (b0, b1) = (s.load_ptr(b), s.load_ptr(b.add(S::N)));
            for i in 0..M {
                let weight = s.splat(*a.add(i));
                t[i][0] = s.fma(weight, b0, t[i][0]);
                t[i][1] = s.fma(weight, b1, t[i][1]);
            }
            a = a.add(M);
        }
        for i in 0..M {
            s.store_ptr(c.add(2 * i * S::N), t[i][0]);
            s.store_ptr(c.add((2 * i + 1) * S::N), t[i][1]);
        }
    }
}
