//! The weight gradient where outputs are neighbours: a product of the shifted image (taps × pixels, broadcast in place) with dy, turned so that
//! its channels are neighbours and with zeros at the lines' ends. Images, or else input channels, are cut into tasks by shape.

#![allow(unsafe_code)]

use super::frame::Frame;
use super::weight_tiles::{Segment, Tiles};
use crate::cpu::gemm::{Mat, panel_width, transpose_in};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::long_sums::{CHAIN, LongSums};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::{add_partials, share};
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;

/// Larger gradients are not summed in parts, but cut by input channels.
const PARTIAL: usize = 512 * 1024;
/// Parts of the images, or of the channels.
const SHARES: usize = 8;
/// Pixels that are summed up in registers: dy's panel of them stays in the first cache.
const PIXELS: usize = 232;

/// `dw = dy ∗ x` (`add`: added to what is there), where [`Frame::is_shifted`].
pub fn weight_grad(level: Level, g: &ConvGeometry, x: &[f32], dy: &[f32], dw: &mut [f32], add: bool) {
    let work = Work::new(level, g, x, dy);
    let block = work.channels.clone().map(|cut| work.block(cut)).collect::<Vec<_>>();
    let starts: Vec<usize> = block.iter().scan(0, |at, len| Some(std::mem::replace(at, *at + len))).collect();
    let group = block.iter().sum::<usize>();
    let turned = (work.channels.len() > 1).then(|| work.turn_all());
    let mut sums = Scratch::zeros(work.shares * g.groups * group);
    let parts = Parts::new(&mut sums);
    let cuts = work.channels.len();
    parallel(work.shares * g.groups * cuts, |task| {
        let (item, cut) = (task / cuts, task % cuts);
        let at = item * group + starts[cut];
        // SAFETY: each task has its own sums.
        let sums = unsafe { parts.range(at..at + block[cut]) };
        let images = share(g.batch, work.shares, item / g.groups);
        work.run(images, item % g.groups, cut, turned.as_deref(), sums);
    });
    add_partials(&mut sums, g.groups * group);
    let dw = Parts::new(dw);
    parallel(g.groups * cuts, |task| {
        let at = task / cuts * group + starts[task % cuts];
        work.leave(&sums[at..], task / cuts, task % cuts, dw, add);
    });
}

struct Work<'a> {
    level: Level,
    g: &'a ConvGeometry,
    x: &'a [f32],
    dy: &'a [f32],
    frame: Frame,
    /// Output channels of a panel, and of all panels.
    nr: usize,
    width: usize,
    /// Parts of the images.
    shares: usize,
    /// Parts of a group's input channels.
    channels: Range<usize>,
}

impl<'a> Work<'a> {
    fn new(level: Level, g: &'a ConvGeometry, x: &'a [f32], dy: &'a [f32]) -> Work<'a> {
        let (ci, co) = (g.c_in / g.groups, g.c_out / g.groups);
        let lanes = panel_width(level) / 2;
        let nr = if co <= lanes { lanes } else { 2 * lanes };
        let weights = ci * g.kernel[0] * g.kernel[1] * co * size_of::<f32>();
        let shares = if g.groups >= SHARES || weights > PARTIAL { 1 } else { g.batch.min(SHARES) };
        let cuts = if g.groups >= SHARES { 1 } else { (SHARES / shares).min(ci) };
        let frame = Frame::new(g, ci);
        Work { level, g, x, dy, frame, nr, width: co.next_multiple_of(nr), shares, channels: 0..cuts }
    }

    /// The channels of a cut, within their group.
    fn cut(&self, cut: usize) -> Range<usize> {
        share(self.g.c_in / self.g.groups, self.channels.len(), cut)
    }

    /// Whether a row of the kernel is three neighbouring taps.
    fn is_adjacent(&self) -> bool {
        self.g.kernel[1] == 3 && self.frame.taps_are_adjacent()
    }

    /// Floats of the sums of a cut: for every tap (to whole tiles) all output channels.
    fn block(&self, cut: usize) -> usize {
        (self.cut(cut).len() * self.g.kernel[0] * self.g.kernel[1]).next_multiple_of(12) * self.width
    }

    /// Floats of dy of one image and group, turned.
    fn turned(&self) -> usize {
        self.frame.pixels() * self.width
    }

    /// dy of one image and group: panel after panel of output channels, a row for each pixel.
    fn turn(&self, image: usize, group: usize, out: &mut [f32]) {
        let (g, nr) = (self.g, self.nr);
        let (co, area, pixels) = (g.c_out / g.groups, g.output[0] * g.output[1], self.frame.pixels());
        let dy = &self.dy[(image * g.c_out + group * co) * area..][..co * area];
        out.fill(0.0);
        for (q, panel) in out.chunks_exact_mut(pixels * nr).enumerate() {
            let channels = nr.min(co - q * nr);
            for y in 0..g.output[0] {
                let line = Mat { data: &dy[q * nr * area + y * g.output[1]..], rs: area, cs: 1 };
                transpose_in(line, 0, channels, 0, g.output[1], nr, &mut panel[y * self.frame.pitch * nr..]);
            }
        }
    }

    /// dy of all images and groups, turned.
    fn turn_all(&self) -> Scratch {
        let (items, len) = (self.g.batch * self.g.groups, self.turned());
        let mut all = Scratch::new(items * len);
        let parts = Parts::new(&mut all);
        parallel(items, |i| {
            // SAFETY: each task has its own image and group.
            let out = unsafe { parts.range(i * len..(i + 1) * len) };
            self.turn(i / self.g.groups, i % self.g.groups, out);
        });
        all
    }

    /// The sums of some images, for a cut of a group's input channels.
    fn run(&self, images: Range<usize>, group: usize, cut: usize, turned: Option<&[f32]>, sums: &mut [f32]) {
        let (g, len) = (self.g, self.turned());
        let (ci, area) = (g.c_in / g.groups, g.input[0] * g.input[1]);
        let channels = self.cut(cut);
        let frame = Frame::new(g, channels.len());
        let [kh, kw] = g.kernel;
        let rows: Vec<usize> = match self.is_adjacent() {
            true => (0..channels.len() * kh).map(|r| frame.offset(r / kh, r % kh, 0)).collect(),
            false => (0..channels.len() * kh * kw).map(|t| frame.offset(t / kw / kh, t / kw % kh, t % kw)).collect(),
        };
        let step = (2 * PIXELS / frame.pixels()).clamp(1, images.len());
        let mut frames = Scratch::new(step * frame.len);
        let mut own = Scratch::new(if turned.is_some() { 0 } else { step * len });
        let mut sums = LongSums::new(sums);
        for first in images.clone().step_by(step) {
            let images = first..images.end.min(first + step);
            for (i, image) in images.clone().enumerate() {
                let at = (image * g.c_in + group * ci + channels.start) * area;
                frame.fill(&self.x[at..at + channels.len() * area], &mut frames[i * frame.len..(i + 1) * frame.len]);
                if turned.is_none() {
                    self.turn(image, group, &mut own[i * len..(i + 1) * len]);
                }
            }
            let start_of = |image: usize| match turned {
                Some(_) => (image * g.groups + group) * len,
                None => (image - first) * len,
            };
            let segments: Vec<Segment> = images
                .clone()
                .flat_map(|image| segments((image - first) * frame.len, start_of(image), frame.pixels(), self.nr))
                .collect();
            // Small images are few pixels together, a large one may be many.
            let some = if step > 1 { segments.len().max(1) } else { CHAIN };
            for segments in segments.chunks(some) {
                let pixels: usize = segments.iter().map(|s| s.len).sum();
                let tiles = Tiles {
                    x: &frames,
                    rows: &rows,
                    adjacent: self.is_adjacent(),
                    dy: turned.unwrap_or(&own),
                    panel: frame.pixels() * self.nr,
                    nr: self.nr,
                    segments,
                    pixels: PIXELS,
                    sums: sums.room_for(segments.len().min(pixels / PIXELS + 1)),
                    width: self.width,
                };
                dispatch_at(self.level, tiles);
            }
        }
        sums.finish();
    }

    /// Writes the sums of a cut where they belong.
    fn leave(&self, sums: &[f32], group: usize, cut: usize, dw: Parts<f32>, add: bool) {
        let (ci, co, taps) =
            (self.g.c_in / self.g.groups, self.g.c_out / self.g.groups, self.g.kernel[0] * self.g.kernel[1]);
        let (channels, width) = (self.cut(cut), self.width);
        let count = channels.len() * taps;
        // some lines of the sums at a time, each for as many channels as a cache line has
        for first in (0..co).step_by(16) {
            for o in first..co.min(first + 16) {
                let at = ((group * co + o) * ci + channels.start) * taps;
                // SAFETY: each task has its own input channels of its own group.
                let dw = unsafe { dw.range(at..at + count) };
                for (dw, sums) in dw.iter_mut().zip(sums.chunks_exact(width)) {
                    *dw = if add { *dw + sums[o] } else { sums[o] };
                }
            }
        }
    }
}

/// The pixels of one image, in pieces that may be summed up in registers.
fn segments(x: usize, dy: usize, pixels: usize, nr: usize) -> impl Iterator<Item = Segment> {
    let count = pixels.div_ceil(PIXELS);
    (0..count).map(move |i| {
        let own = share(pixels, count, i);
        Segment { x: x + own.start, dy: dy + own.start * nr, len: own.len() }
    })
}
