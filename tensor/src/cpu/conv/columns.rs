//! Convolution as a product of the weights with the matrix of patches, which is never whole: its panels are copied from the frames of a few
//! images when the product needs them. For small images, whose lines are too short for [`super::shifted`], and for large strides.

#![allow(unsafe_code)]

use super::frame::Frame;
use super::panels::{AddTo, Columns, Pack};
use super::shifted::fill_all;
use crate::cpu::gemm::{Sweep, panel_width};
use crate::cpu::levels::{Level, dispatch_at};
use crate::cpu::scratch::Scratch;
use crate::cpu::tasks::share;
use crate::cpu::threads::{Parts, parallel};
use crate::plan::ConvGeometry;
use std::ops::Range;

/// Columns of a block: with [`DEPTH`] taps half of the second cache.
pub const COLUMNS: usize = 256;
/// Taps of a block.
pub const DEPTH: usize = 512;
/// Channels of a block.
pub const ROWS: usize = 168;
/// With fewer tasks than this, more are made.
pub const TASKS: usize = 4;

/// `y = w ∗ x + bias`, for any geometry.
pub fn forward(level: Level, g: &ConvGeometry, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let frame = Frame::new(g, g.c_in);
    let (area, size) = (g.output[0] * g.output[1], g.c_in * g.input[0] * g.input[1]);
    let images = (COLUMNS / area).clamp(1, g.batch);
    let sets = g.batch.div_ceil(images);
    let product = ColumnsProduct { level, g, frame: &frame, w, bias, y: Parts::new(y) };
    let set = |i: usize| i * images..g.batch.min((i + 1) * images);
    if sets >= TASKS {
        return parallel(sets, |i| {
            let images = set(i);
            let mut held = Scratch::new(if frame.direct { 0 } else { images.len() * frame.len });
            let x = &x[images.start * size..images.end * size];
            if !frame.direct {
                let frames = held.chunks_exact_mut(frame.len);
                frames.zip(x.chunks_exact(size)).for_each(|(held, x)| frame.fill(x, held));
            }
            let held = if frame.direct { x } else { &held };
            let columns = images.len() * area;
            for block in 0..columns.div_ceil(COLUMNS) {
                let columns = block * COLUMNS..columns.min((block + 1) * COLUMNS);
                (0..g.groups).for_each(|group| product.block(held, images.start, columns.clone(), group, 0..1, 1));
            }
        });
    }
    let all = if frame.direct { Scratch::new(0) } else { fill_all(&frame, g, x) };
    let held = if frame.direct { x } else { &all };
    let blocks = (images * area).div_ceil(COLUMNS);
    let cuts = TASKS.div_ceil(sets * blocks).min(g.c_out / g.groups);
    parallel(sets * blocks * cuts, |task| {
        let (images, block) = (set(task / cuts / blocks), task / cuts % blocks);
        let columns = block * COLUMNS..(images.len() * area).min((block + 1) * COLUMNS);
        let held = &held[images.start * frame.len..];
        let cut = task % cuts..task % cuts + 1;
        if !columns.is_empty() {
            (0..g.groups)
                .for_each(|group| product.block(held, images.start, columns.clone(), group, cut.clone(), cuts));
        }
    });
}

struct ColumnsProduct<'a> {
    level: Level,
    g: &'a ConvGeometry,
    frame: &'a Frame,
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    y: Parts<f32>,
}

impl ColumnsProduct<'_> {
    /// Some columns of a set of images, whose frames are `held`, for a share of a group's output channels.
    fn block(&self, held: &[f32], first: usize, columns: Range<usize>, group: usize, cut: Range<usize>, cuts: usize) {
        let ColumnsProduct { level, g, frame, .. } = *self;
        let (ci, co, nr) = (g.c_in / g.groups, g.c_out / g.groups, panel_width(level));
        let channels = share(co, cuts, cut.start);
        let offsets = frame.offsets(group * ci..(group + 1) * ci);
        let strip = Columns::new(g.output, frame.steps(), frame.len, columns.clone(), nr);
        let (taps, ld) = (offsets.len(), strip.padded());
        let depths = taps.div_ceil(DEPTH);
        let mut panels = Scratch::new(ld * taps.min(DEPTH));
        let mut sums = Scratch::new(channels.len() * ld);
        let weights = &self.w[(group * co + channels.start) * taps..];
        for depth in 0..depths {
            let own = share(taps, depths, depth);
            let (offsets, panel) = (&offsets[own.clone()], own.len() * nr);
            dispatch_at(level, Pack { frame: held, offsets, columns: &strip, out: &mut panels });
            let blocks = channels.len().div_ceil(ROWS);
            for block in 0..blocks {
                let rows = share(channels.len(), blocks, block);
                let product = Sweep::<false> {
                    m: rows.len(),
                    n: strip.len,
                    k: own.len(),
                    a: &weights[rows.start * taps + own.start..],
                    sa: taps,
                    b: &panels[..strip.panels() * panel],
                    sb: nr,
                    panel,
                    c: Parts::new(&mut sums[rows.start * ld..rows.end * ld]),
                    ldc: ld,
                    add: depth > 0,
                };
                dispatch_at(level, product);
            }
        }
        for (channel, sums) in channels.zip(sums.chunks_exact(ld)) {
            self.leave(sums, first, columns.clone(), group * co + channel);
        }
    }

    /// Stores one channel of some columns.
    fn leave(&self, sums: &[f32], first: usize, columns: Range<usize>, channel: usize) {
        let area = self.g.output[0] * self.g.output[1];
        let bias = self.bias.map_or(0.0, |bias| bias[channel]);
        let mut column = columns.start;
        while column < columns.end {
            let len = (area - column % area).min(columns.end - column);
            let at = ((first + column / area) * self.g.c_out + channel) * area + column % area;
            // SAFETY: each task has its own columns and channels.
            let to = unsafe { self.y.range(at..at + len) };
            let from = &sums[column - columns.start..][..len];
            dispatch_at(self.level, AddTo { from, bias, to });
            column += len;
        }
    }
}
